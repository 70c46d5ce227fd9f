"""DeviceFlight: drones of N worlds as torch tensors, stepped by the functions of `motion.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch as pytorch
from array_api_compat import torch
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ActionError, ConfigError
from octoworld.core.rotations import matrix_from_quat

from ..arrays import as_numpy
from ..scene import Scene
from .contact import touching
from .fleet import Fleet
from .flight import Flight, FlightState
from .layout import PREVIOUS, QUAT, VELOCITY
from .motion import Physics, advance
from .motors import delayed
from .parameters import RotorParameters


class DeviceFlight:
    """The face of `Flight` on a torch device.

    Wind, parameters and resets are prepared by a `Flight` on the host and copied; state and
    commands stay on the device.
    """

    def __init__(
        self, scene: Scene, fleet: Fleet, num_worlds: int, *, dtype: str, device: str
    ) -> None:
        if str(device).startswith("cuda") and not pytorch.cuda.is_available():
            raise ConfigError(f"device {device!r}: torch finds no GPU; expected 'cpu' or None")
        self.host = Flight(scene, fleet, num_worlds, contacts=True)
        self.fleet, self.num_worlds, self.aero = fleet, num_worlds, fleet.aero
        self.options = {"dtype": getattr(torch, dtype), "device": pytorch.device(device)}
        self.physics = Physics(
            self.aero, self.host.dt, scene.gravity, self.host.shape, contacts=True
        )
        self.obstacles, self.shape = self.host.obstacles, self.host.shape
        self.state = self._copy(self.host.state)
        self.view = FlightState(self.state)
        self.line, self.head = self._copy(self.host.line), self._index(self.host.delay[:, 0])
        self.place = self._copy(self.host.place)
        self._wind = self._copy(self.host.wind)
        self._parameters()

    def _copy(self, array: NDArray) -> Any:
        return torch.asarray(np.array(array), **self.options)

    def _index(self, array: NDArray) -> Any:
        return torch.asarray(np.array(array), device=self.options["device"])

    def _parameters(self) -> None:
        host = self.host.parameters
        self.parameters = RotorParameters(self._copy(host.body), self._copy(host.rotor))

    def _pull(self) -> Flight:
        self.host.state[...] = as_numpy(self.state)
        self.host.line[...] = as_numpy(self.line)
        self.host.delay[:, 0] = as_numpy(self.head)
        return self.host

    def _push(self, where: Any) -> None:
        self.state[where] = self._copy(self.host.state[where])
        self.line[where] = self._copy(self.host.line[where])
        self.head[where] = self._index(self.host.delay[where, 0])
        self.place[where] = self._copy(self.host.place[where])
        self._wind = self._copy(self.host.wind)

    def reset(self, mask: NDArray[np.bool_] | None) -> None:
        """Masked worlds to the scene's poses, at rest, rotors still, battery full."""
        self.host.reset(mask)
        self._push(slice(None) if mask is None else np.flatnonzero(mask))

    def seed(self, seeds: ArrayLike, mask: NDArray[np.bool_] | None = None) -> None:
        """Seeds (n,) of the masked worlds' wind, from the next reset on."""
        self.host.seed(seeds, mask)

    def move(self, root: str, pose: NDArray, where: Any) -> None:
        """The body `root` of the worlds `where` is at `pose` (n, 7)."""
        self.host.move(root, pose, where)
        self.place[where] = self._copy(self.host.place[where])

    def command(self, control: Any) -> Any:
        """Control (N, U) [rpm] as (N, A, M) on the device."""
        control = torch.asarray(control, **self.options)
        fleet = self.fleet
        expected = (self.num_worlds, len(fleet.control_names))
        if tuple(control.shape) != expected:
            raise ActionError(
                f"control of shape {tuple(control.shape)}: expected {expected} rotor speeds [rpm]"
            )
        if fleet.slots is not None:
            whole = torch.zeros(
                (self.num_worlds, fleet.num_drones * fleet.num_rotors), **self.options
            )
            whole[:, fleet.slots] = control
            control = whole
        return control.reshape(self.num_worlds, fleet.num_drones, fleet.num_rotors)

    def step(
        self, command: Any, substeps: int, mask: NDArray[np.bool_] | None, bad: NDArray
    ) -> None:
        """Integrate the masked worlds; `bad` (N,) is set where a state left the finite range."""
        moves = None if mask is None else self._index(mask)
        most = self.parameters.max_rpm[..., None] * (1 + 1e-6)
        wrong = ~((command >= 0) & (command <= most))
        if moves is not None:
            wrong = wrong & moves[:, None, None]
        if bool(wrong.any()):
            found = int(as_numpy(wrong).reshape(-1).argmax())
            self.host.check(as_numpy(command), found)
        before = self.host.wind
        self.host.advance_wind(substeps * self.host.dt, mask)
        if self.host._gusty or before is not self.host.wind:
            self._wind = self._copy(self.host.wind)
        state, late = self.state, self.host.delay_steps
        for _ in range(substeps):
            now = command
            if late:
                line = self.line.clone() if moves is not None else self.line
                now = delayed(line, command, self.head, late)
                if moves is not None:
                    line = torch.where(moves[:, None, None, None], line, self.line)
                    self.head += moves.to(self.head.dtype)
                else:
                    self.head += 1
                self.line = line
            state = advance(self.physics, state, now, self.parameters, self._wind, self.place)
        if moves is not None:
            state = torch.where(moves[:, None, None], state, self.state)
        self.state.copy_(state)
        whole = self.state[..., :PREVIOUS].abs().sum(dim=(1, 2))
        bad |= as_numpy(~(whole < 1e12))

    def close(self) -> None:
        """Nothing: torch frees what is no longer held."""

    def touching(self) -> Any:
        """(N, A, O + A): which drone touches which obstacle, and which other drone."""
        turn = matrix_from_quat(self.state[..., QUAT:VELOCITY])
        places = [
            (self.place[:, o, :3], matrix_from_quat(self.place[:, o, 3:]))
            for o in range(len(self.shape))
        ]
        return touching((self.state[..., :QUAT], turn), self.parameters, self.shape, places)

    def set_parameters(self, mask: NDArray[np.bool_] | None, values: Mapping[str, Any]) -> None:
        """See `Flight.set_parameters`."""
        self.host.set_parameters(mask, {k: as_numpy(v) for k, v in values.items()})
        self._parameters()

    def rows(self) -> NDArray[np.float64]:
        """See `Flight.rows`."""
        return self._pull().rows()

    def set_rows(self, rows: NDArray, where: Any) -> None:
        """See `Flight.set_rows`."""
        self._pull().set_rows(rows, where)
        self._push(where)
        self._parameters()
