"""Drones in MuJoCo: the wrenches of Flight act on its bodies at every physics step, batched.

MuJoCo's Euler step of a free body is that of the `rotorcraft` backend, with the gyroscopic torque
explicit; so both give the same motion, to rounding. (Scenes that also have servos are stepped by
`implicitfast`, which damps fast spins a little.)
"""

# pyright: reportAttributeAccessIssue=false
# (mujoco is a C extension without type stubs)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from octoworld.core.rotations import matrix_from_quat

from ..rotors.algebra import cross, rotate, times
from ..rotors.flight import Flight
from ..rotors.layout import OMEGA, PREVIOUS, QUAT, VELOCITY


class MujocoFlight:
    """The Flight of a MujocoWorld: who writes what, and when."""

    def __init__(self, flight: Flight, model: mujoco.MjModel) -> None:
        self.flight = flight
        self._bodies = np.array([model.body(name).id for name in flight.fleet.bodies])
        joints = model.body_jntadr[self._bodies]
        self._q = model.jnt_qposadr[joints][:, None] + np.arange(7)
        self._v = model.jnt_dofadr[joints][:, None] + np.arange(6)
        self._roots = {root: model.body(root).id for root in flight.obstacles.moving()}
        self._heavier = False

    def bind(self, batch: Batch) -> None:
        """Look at the arrays of `batch` from now on."""
        self._batch = batch
        self._qpos, self._qvel = batch.bind("qpos"), batch.bind("qvel")
        self._applied = batch.bind("xfrc_applied")
        self._xpos, self._xquat = batch.bind("xpos"), batch.bind("xquat")

    def read(self) -> None:
        """MuJoCo's motion into the drones' state."""
        state = self.flight.state
        state[..., :VELOCITY] = self._qpos[:, self._q]
        # a free joint's velocity is linear in the world, angular in the body
        state[..., VELOCITY:PREVIOUS] = self._qvel[:, self._v]

    def reset(self, mask: NDArray[np.bool_] | None) -> None:
        """Rotors, wind and delays of the masked worlds to their start."""
        self.flight.reset(mask)

    def placed(self, body: str, where: Any) -> None:
        """A body was put somewhere: a drone among them has no rotation of the step before."""
        if body in self.flight.fleet.bodies:
            self.read()
            drone = self.flight.state[:, self.flight.fleet.bodies.index(body)]
            drone[where, PREVIOUS : PREVIOUS + 4] = drone[where, QUAT:VELOCITY]

    def step(
        self, ids: NDArray[np.int32] | None, rotors: NDArray, substeps: int,
        mask: NDArray[np.bool_] | None,
    ) -> None:  # fmt: skip
        """Advance the worlds `ids` under rotor speeds (N, U) [rpm].

        What lies below a drone is taken from where it was at the start of the control step.
        """
        flight = self.flight
        command = flight.command(rotors)
        flight.advance_wind(substeps * flight.dt, mask)
        for root, body in self._roots.items():
            pose = np.concatenate([self._xpos[:, body], self._xquat[:, body]], axis=1)
            flight.move(root, pose)
        where = slice(None) if ids is None else ids
        for _ in range(substeps):
            self.read()
            wrench = flight.wrench(command, mask)[where]
            state = flight.state[where]
            force, torque = wrench[..., :3], wrench[..., 3:6]
            if self._heavier:
                force, torque = self._for_nominal(force, torque, state, where)
            turn = matrix_from_quat(state[..., QUAT:VELOCITY])
            applied = np.concatenate([force, rotate(turn, torque)], axis=-1)
            if ids is None:
                self._applied[:, self._bodies] = applied
            else:
                self._applied[np.ix_(ids, self._bodies)] = applied
            self._batch.step(ids, 1)
        self.read()

    def set_parameters(self, mask: NDArray[np.bool_] | None, values: Mapping[str, Any]) -> None:
        """See `Flight.set_parameters`.

        All worlds share one MuJoCo model, so mass and inertia act through the wrench: it is the
        one that moves the nominal body as the drone moves. Contacts meet the nominal body.
        """
        self.flight.set_parameters(mask, values)
        self._changed()

    def set_rows(self, rows: NDArray, where: Any) -> None:
        """See `Flight.set_rows`."""
        self.flight.set_rows(rows, where, poses=False)
        self.read()
        self._changed()

    def _changed(self) -> None:
        now, nominal = self.flight.parameters, self.flight.fleet.parameters
        self._heavier = bool((now.body[..., :7] != nominal.body[..., :7]).any())

    def _for_nominal(
        self, force: NDArray, torque: NDArray, state: NDArray, where: Any
    ) -> tuple[NDArray, NDArray]:
        nominal, own = self.flight.fleet.parameters, self.flight.parameters
        inertia, omega = own.inertia[where], state[..., OMEGA:PREVIOUS]
        spin = times(own.inverse_inertia[where], torque - cross(omega, times(inertia, omega)))
        torque = times(nominal.inertia, spin) + cross(omega, times(nominal.inertia, omega))
        return force * (nominal.mass / own.mass[where])[..., None], torque
