"""Flight: the state of all drones of N worlds, and what moves them; every backend has one.

The `rotorcraft` backend steps it; MuJoCo and PyBullet write poses into it, ask it for wrenches and
integrate those themselves. So the same numbers fly in each.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.cpus import usable_cpus
from octoworld.core.errors import ActionError, ConfigError

from ..scene import Scene
from .algebra import compose
from .fleet import Fleet
from .layout import OMEGA, POSITION, PREVIOUS, QUAT, ROTORS, USED, VELOCITY, reals, switches
from .obstacles import obstacles
from .wind import STATES, normals, wind_start, wind_step, wind_velocity

_DRONES_PER_THREAD = 1024
"""Fewer drones than this a thread cost more in hand-over than they gain."""


def default_threads(num_drones: int) -> int:
    """Threads for all drones of a batch: the CPUs this process may use, fewer for few drones."""
    return max(1, min(usable_cpus(), num_drones // _DRONES_PER_THREAD))


class FlightState:
    """Live views of all drones' state; arrays are (N, A, ...), numpy or torch."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def _view(self, start: int, size: int | None) -> Any:
        return self._state[..., start : None if size is None else start + size]

    @property
    def position(self) -> Any:
        """(N, A, 3) in the world [m]."""
        return self._view(POSITION, 3)

    @property
    def quat(self) -> Any:
        """(N, A, 4) wxyz, body to world."""
        return self._view(QUAT, 4)

    @property
    def velocity(self) -> Any:
        """(N, A, 3) in the world [m/s]."""
        return self._view(VELOCITY, 3)

    @property
    def omega_body(self) -> Any:
        """(N, A, 3) body rates [rad/s]."""
        return self._view(OMEGA, 3)

    @property
    def rotor_speed(self) -> Any:
        """(N, A, M) [rpm]."""
        return self._view(ROTORS, None)

    @property
    def charge_used(self) -> Any:
        """(N, A) share of the battery's charge that is gone."""
        return self._state[..., USED]


class Flight:
    """State, parameters, wind and delays of the drones of N worlds, on the CPU."""

    def __init__(
        self, scene: Scene, fleet: Fleet, num_worlds: int, *, dtype: Any = np.float64,
        contacts: bool = False, num_threads: int | None = 1,
    ) -> None:  # fmt: skip
        self.fleet, self.num_worlds, self.dtype = fleet, num_worlds, np.dtype(dtype)
        self.aero = fleet.aero
        self.dt = scene.timestep
        drones, rotors = fleet.num_drones, fleet.num_rotors
        self.state = np.zeros((num_worlds, drones, ROTORS + rotors), self.dtype)
        self.parameters = fleet.parameters
        steps = round(self.aero.latency / self.dt)
        self.delay_steps = steps
        self.line = np.zeros((num_worlds, steps + 1, drones, rotors), self.dtype)
        self.delay = np.zeros((num_worlds, 2), np.int64)
        self.wind = np.zeros((1, drones, 3))
        self.wind_states = np.zeros((num_worlds, STATES))
        self.wind_key = np.arange(num_worlds, dtype=np.uint64)
        self.wind_count = np.zeros(num_worlds, np.uint64)
        self.obstacles = obstacles(scene)
        self.shape = self.obstacles.shape
        self.place = np.repeat(self.obstacles.home[None], num_worlds, axis=0)
        self._moving = self.obstacles.moving()
        self.real = reals(self.aero, self.dt, scene.gravity)
        self.switch = switches(self.aero, contacts)
        self.all_worlds = np.ones(num_worlds, bool)
        self.out = np.zeros((num_worlds, drones, 7))
        self._command = np.zeros((num_worlds, drones * rotors), self.dtype)
        self.view = FlightState(self.state)
        self.num_threads = num_threads or default_threads(num_worlds * drones)
        self._executor: ThreadPoolExecutor | None = None
        self.reset(None)

    def _pool(self) -> ThreadPoolExecutor:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self.num_threads, "rotorcraft")
        return self._executor

    def close(self) -> None:
        """End the threads; the next step makes new ones."""
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None

    # -- time ------------------------------------------------------------------------------------

    def reset(self, mask: NDArray[np.bool_] | None) -> None:
        """Masked worlds to the scene's poses, at rest, rotors still, battery full."""
        where = slice(None) if mask is None else mask
        rows = self.state[where]
        rows[...] = 0
        rows[..., :7] = self.fleet.home
        rows[..., PREVIOUS : PREVIOUS + 4] = self.fleet.home[:, 3:]
        self.state[where] = rows
        self.line[where] = 0
        self.place[where] = self.obstacles.home
        self.delay[where, 0] = 0
        self.delay[where, 1] = self.delay_steps
        self.wind_count[where] = 0
        if self.aero.wind is not None:
            self._start_wind(where)

    def seed(self, seeds: ArrayLike, mask: NDArray[np.bool_] | None = None) -> None:
        """Seeds (n,) of the masked worlds' wind, from the next reset on."""
        self.wind_key[slice(None) if mask is None else mask] = np.asarray(seeds, np.uint64)

    def move(self, root: str, pose: NDArray, where: Any = slice(None)) -> None:
        """The body `root` of the worlds `where` is at `pose` (n, 7), and obstacles go with it."""
        index = self._moving.get(root)
        if index is not None:
            place = self.place[where]
            place[:, index] = compose(pose[:, None], self.obstacles.local[index])
            self.place[where] = place

    def command(self, control: ArrayLike) -> NDArray:
        """Control (N, U) [rpm] as (N, A, M)."""
        drones, rotors = self.fleet.num_drones, self.fleet.num_rotors
        control = np.ascontiguousarray(control, self.dtype)
        if control.shape != (self.num_worlds, len(self.fleet.control_names)):
            raise ActionError(
                f"control of shape {control.shape}: expected "
                f"({self.num_worlds}, {len(self.fleet.control_names)}) rotor speeds [rpm]"
            )
        if self.fleet.slots is not None:
            self._command[:, self.fleet.slots] = control
            control = self._command
        return control.reshape(self.num_worlds, drones, rotors)

    def step(
        self, command: NDArray, substeps: int, mask: NDArray[np.bool_] | None, bad: NDArray
    ) -> None:
        """Integrate the masked worlds; `bad` (N,) is set where a state left the finite range."""
        from .compiled import step

        self.advance_wind(substeps * self.dt, mask)
        mask = self.all_worlds if mask is None else mask

        def part(w: slice) -> int:
            wide, windy = len(self.parameters.body) > 1, len(self.wind) > 1
            p, every = self.parameters, slice(None)
            return step(
                self.state[w], command[w], p.body[w if wide else every],
                p.rotor[w if wide else every], self.wind[w if windy else every], self.line[w],
                self.delay[w], self.shape, self.place[w], self.real, self.switch, mask[w],
                substeps, bad[w],
            )  # fmt: skip

        if self.num_threads == 1:  # without the slices, which cost a third of one drone's step
            found = step(
                self.state, command, self.parameters.body, self.parameters.rotor, self.wind,
                self.line, self.delay, self.shape, self.place, self.real, self.switch, mask,
                substeps, bad,
            )  # fmt: skip
            self.check(command, found)
            return
        edges = np.linspace(0, self.num_worlds, self.num_threads + 1).astype(int)
        parts = [slice(a, b) for a, b in itertools.pairwise(edges)]
        for w, found in zip(parts, self._pool().map(part, parts), strict=True):
            self.check(command, found if found < 0 else found + w.start * command[0].size)

    def wrench(self, command: NDArray, mask: NDArray[np.bool_] | None) -> NDArray[np.float64]:
        """Rotors one step on, and what acts on each drone: (N, A, 7).

        Force [N] in the world, torque [N m] in the body, thrust [N]; gravity is not among them.
        Poses, velocities and obstacles' places must be current in `state` and `place`.
        """
        from .compiled import wrenches

        self.check(
            command,
            wrenches(
                self.state, command, self.parameters.body, self.parameters.rotor, self.wind,
                self.line, self.delay, self.shape, self.place, self.real, self.switch,
                self.all_worlds if mask is None else mask, self.out,
            ),
        )  # fmt: skip
        return self.out

    def touching(self) -> NDArray[np.bool_]:
        """(N, A, O + A): which drone touches which obstacle, and which other drone."""
        from .compiled import touching

        drones = self.fleet.num_drones
        touch = np.zeros((self.num_worlds, drones, len(self.shape) + drones), bool)
        touching(self.state, self.parameters.body, self.shape, self.place, touch)
        return touch

    def check(self, command: NDArray, found: int) -> None:
        """Raise ActionError when the compiled step found a bad command at flat index `found`."""
        if found < 0:
            return
        n, a, j = np.unravel_index(found, command.shape)
        most = self.parameters.max_rpm[n if len(self.parameters.body) > 1 else 0, a]
        raise ActionError(
            f"rotor speed {command[n, a, j]:g} rpm of {self.fleet.bodies[a]!r} rotor {j} in world "
            f"{n}: expected 0 to {most:.1f}"
        )

    def advance_wind(self, dt: float, mask: NDArray[np.bool_] | None) -> None:
        """Let the turbulence of the masked worlds go on by `dt`; it is then held for a step."""
        config = self.aero.wind
        if config is None or not self._gusty:
            return
        where = slice(None) if mask is None else mask
        noise = normals(self.wind_key[where], self.wind_count[where], STATES)
        self.wind_count[where] += np.uint64(1)
        self.wind_states[where] = wind_step(config, self.wind_states[where], noise, dt)
        self.wind[where] = wind_velocity(config, self.wind_states[where])[:, None]

    def _start_wind(self, where: Any) -> None:
        config = self.aero.wind
        assert config is not None
        if config.kind == "constant":
            self.wind[...] = config.mean
            return
        if len(self.wind) != self.num_worlds:
            self.wind = np.zeros((self.num_worlds, self.fleet.num_drones, 3))
        noise = normals(self.wind_key[where], self.wind_count[where], STATES)
        self.wind_count[where] += np.uint64(1)
        self.wind_states[where] = wind_start(config, noise)
        self.wind[where] = wind_velocity(config, self.wind_states[where])[:, None]

    # -- parameters and whole state --------------------------------------------------------------

    def set_parameters(self, mask: NDArray[np.bool_] | None, values: Mapping[str, Any]) -> None:
        """Per-world parameters; see `FlyingWorld.set_parameters`."""
        self._own_parameters()
        rows = np.flatnonzero(self.all_worlds if mask is None else mask)
        self.parameters.assign(rows, values, self.fleet.parameters)

    def rows(self, poses: bool = True) -> NDArray[np.float64]:
        """(N, S): everything that decides the future, to the bit.

        Without the 13 numbers of motion when another engine keeps them (`poses` False). The
        parameters come last, and only once `set_parameters` has made them differ.
        """
        parts = [self.state[..., 0 if poses else PREVIOUS :]]
        if self.delay_steps:
            parts += [self.line, self.delay]
        if self._gusty:
            # 32 bits a number: a float64 holds 53
            parts += [self.wind_states, _halves(self.wind_key), _halves(self.wind_count)]
        if self.parameters is not self.fleet.parameters:
            parts += [self.parameters.body, self.parameters.rotor]
        return np.concatenate([p.reshape(self.num_worlds, -1).astype(float) for p in parts], axis=1)

    def row_sizes(self, poses: bool = True) -> tuple[int, int]:
        """S without parameters, and how many numbers parameters add."""
        nominal = self.fleet.parameters
        more = nominal.body[0].size + nominal.rotor[0].size
        size = self.state[0].size - (0 if poses else PREVIOUS * self.fleet.num_drones)
        if self.delay_steps:
            size += self.line[0].size + 2
        return size + (STATES + 4 if self._gusty else 0), more

    def set_rows(self, rows: NDArray, where: Any, poses: bool = True) -> None:
        """Write rows (n, S) of `rows` back into the worlds `where`.

        Rows without parameters give those worlds the nominal ones.

        Raises:
            ConfigError: the rows are of another scene.
        """
        size, more = self.row_sizes(poses)
        if rows.shape[1] not in (size, size + more):
            raise ConfigError(
                f"state of drones has {rows.shape[1]} numbers, expected {size} or {size + more}"
            )
        targets: list[tuple[NDArray, Any]] = [(self.state[..., 0 if poses else PREVIOUS :], None)]
        if self.delay_steps:
            targets += [(self.line, None), (self.delay, None)]
        if self._gusty:
            targets += [(self.wind_states, None)]
            targets += [(self.wind_key, _whole), (self.wind_count, _whole)]
        if rows.shape[1] > size:
            self._own_parameters()
            targets += [(self.parameters.body, None), (self.parameters.rotor, None)]
        elif self.parameters is not self.fleet.parameters:
            self.parameters.body[where] = self.fleet.parameters.body
            self.parameters.rotor[where] = self.fleet.parameters.rotor
        at = 0
        for target, convert in targets:
            shape = target.shape[1:] if convert is None else (2,)
            count = math.prod(shape)
            part = rows[:, at : at + count].reshape(-1, *shape)
            target[where] = part if convert is None else convert(part)
            at += count
        if self._gusty:
            assert self.aero.wind is not None
            self.wind[where] = wind_velocity(self.aero.wind, self.wind_states[where])[:, None]

    @property
    def _gusty(self) -> bool:
        return self.aero.wind is not None and self.aero.wind.kind != "constant"

    def _own_parameters(self) -> None:
        if self.parameters is self.fleet.parameters:
            self.parameters = self.fleet.parameters.expanded(self.num_worlds)


def _halves(value: NDArray[np.uint64]) -> NDArray[np.float64]:
    return np.stack([value >> np.uint64(32), value & np.uint64(0xFFFFFFFF)], axis=1).astype(float)


def _whole(halves: NDArray[np.float64]) -> NDArray[np.uint64]:
    parts = halves.astype(np.uint64)
    return (parts[:, 0] << np.uint64(32)) | parts[:, 1]
