"""Drones in PyBullet: wrenches of Flight act on Bullet's bodies, whose motion fills Flight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.rotations import matrix_from_quat

from ..rotors.constants import BULLET_DAMPING
from ..rotors.flight import Flight
from ..rotors.layout import OMEGA, PREVIOUS, QUAT, VELOCITY
from . import pybullet_engine as pybullet

if TYPE_CHECKING:
    from .pybullet import PyBulletWorld


class BulletFlight:
    """Flight of a PyBulletWorld: who writes what, and when."""

    def __init__(self, flight: Flight, world: PyBulletWorld) -> None:
        self.flight, self._world = flight, world
        layout = world.layout
        trees = [layout.bodies[name][0] for name in flight.fleet.bodies]
        self._rows = np.array([layout.moving.index(tree) for tree in trees])
        self._applied = np.zeros((flight.num_worlds, len(trees), 6))
        self._bodies = [[client.bodies[t] for t in trees] for client in world.clients]
        for name, tree in zip(flight.fleet.bodies, trees, strict=True):
            if layout.bodies[name][1] != -1:
                raise ConfigError(f"rotorcraft body {name!r} must be the root of its robot")
            if layout.inertial[tree][:3].any():
                raise ConfigError(
                    f"rotorcraft body {name!r}: its centre of mass must be its origin, not "
                    f"{layout.inertial[tree][:3].tolist()}"
                )
        self._mode = flight.aero.compat
        # only the clean set asks what is below a rotor
        seen = flight.aero.ground_effect and not self._mode
        self._moving = tuple(flight.obstacles.moving()) if seen else ()
        self._command: NDArray[np.float64] = np.zeros(0)

    def sync(self, ids: NDArray) -> None:
        """Motion of the worlds `ids` from Bullet's rows into the drones' state."""
        from ..rotors.compiled import fill_state

        fill_state(self._world._motion, self._rows, ids, self.flight.state)

    def placed(self, row: int, ids: NDArray) -> None:
        """The body of a motion row was put somewhere: it has no rotation of the step before."""
        for drone in np.flatnonzero(self._rows == row):
            self.sync(ids)
            self.flight.state[ids, drone, PREVIOUS : PREVIOUS + 4] = self.flight.state[
                ids, drone, QUAT : QUAT + 4
            ]

    def begin(self, rotors: NDArray, substeps: int, ids: NDArray) -> bool:
        """Take the rotor speeds of a control step; True when it has been computed already (DYN)."""
        flight, mask = self.flight, self._mask(ids)
        self._command = flight.command(rotors)
        if self._mode != "DYN":
            flight.advance_wind(substeps * flight.dt, mask)
            return False
        flight.step(self._command, substeps, mask, np.zeros(flight.num_worlds, bool))
        state, motion = flight.state[ids], self._world._motion
        turn = matrix_from_quat(state[..., QUAT : QUAT + 4])
        omega = (turn @ state[..., OMEGA : OMEGA + 3, None])[..., 0]
        pose = state[..., [0, 1, 2, QUAT + 1, QUAT + 2, QUAT + 3, QUAT]]
        moved = np.concatenate([pose, state[..., VELOCITY : VELOCITY + 3], omega], axis=-1)
        motion[ids[:, None], self._rows] = moved
        return True

    def act(self, ids: NDArray) -> None:
        """Give Bullet the forces of the next physics step."""
        from ..rotors.compiled import world_wrench

        flight = self.flight
        for root in self._moving:
            flight.move(root, self._world.pose(root))
        wrench = flight.wrench(self._command, self._mask(ids))
        # Bullet damps by itself, so what Flight adds for engines that do not is taken out
        damping = BULLET_DAMPING if self._mode else 0.0
        world_wrench(flight.state, wrench, flight.parameters.body, ids, damping, self._applied)
        for n in ids.tolist():
            client, rows = self._world.clients[n], self._applied[n].tolist()
            points = flight.state[n, :, :3].tolist()
            for body, point, row in zip(self._bodies[n], points, rows, strict=True):
                client.push_wrench(body, point, row[:3], row[3:])

    def set_parameters(self, values: Mapping[str, Any], mask: NDArray | None) -> None:
        """See `Flight.set_parameters`; mass and inertia reach Bullet too."""
        self.flight.set_parameters(mask, values)
        self._dynamics(np.arange(self.flight.num_worlds))

    def set_rows(self, rows: NDArray, ids: NDArray) -> None:
        """Write rows of `Flight.rows` back, and their parameters into Bullet."""
        self.flight.set_rows(rows, ids, poses=False)
        if self.flight.parameters is not self.flight.fleet.parameters:
            self._dynamics(ids)

    def _dynamics(self, ids: NDArray) -> None:
        mass, inertia = self.flight.parameters.mass, self.flight.parameters.inertia
        if np.abs(inertia[..., 3:]).max() > 0:
            raise ConfigError(
                "set_parameters(inertia): the pybullet backend takes principal moments (3), "
                "products of inertia must be 0"
            )
        for n in ids:
            for a, body in enumerate(self._bodies[n]):
                pybullet.changeDynamics(
                    body, -1, mass=mass[n, a], localInertiaDiagonal=inertia[n, a, :3].tolist(),
                    physicsClientId=self._world.clients[n].id,
                )  # fmt: skip

    def _mask(self, ids: NDArray) -> NDArray[np.bool_] | None:
        if len(ids) == self.flight.num_worlds:
            return None
        mask = np.zeros(self.flight.num_worlds, bool)
        mask[ids] = True
        return mask
