"""FlightLog: what drones did, step by step; npz files of gym-pybullet-drones' kind."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ConfigError, DatasetError
from octoworld.core.io import atomic_file
from octoworld.core.rotations import matrix_from_quat

Array = NDArray[np.float64]
STATE = 20
"""Numbers of `state`: position 3, quat xyzw 4, roll pitch yaw 3, velocity 3, angular velocity 3
(both in the world), speeds of four rotors 4."""
KEYS = ("rpm", "state", "init_xyz", "dt", "physics", "model")


class FlyingWorld(Protocol):
    """What is recorded: any world with `flight`, live views (N, A, ...)."""

    @property
    def flight(self) -> Any:
        """position, quat (wxyz), velocity, omega_body, rotor_speed."""
        ...


def rpy_from_quat(quat_wxyz: Array) -> Array:
    """Roll, pitch, yaw (..., 3) [rad] about fixed x, y, z of unit quaternions (..., 4)."""
    m = matrix_from_quat(quat_wxyz)
    pitch = np.arcsin(np.clip(-m[..., 2, 0], -1, 1))
    roll = np.arctan2(m[..., 2, 1], m[..., 2, 2])
    yaw = np.arctan2(m[..., 1, 0], m[..., 0, 0])
    return np.stack([roll, pitch, yaw], axis=-1, dtype=np.float64)


class FlightLog:
    """T records of A drones. Row t is the state after the command of row t.

    So it is in gym-pybullet-drones' logs. Arrays are float64 with axes (T, A, ...).
    """

    def __init__(
        self,
        dt: float,
        *,
        init_xyz: ArrayLike,
        physics: str = "",
        model: str = "",
        names: tuple[str, ...] = (),
    ) -> None:
        """An empty log.

        Args:
            dt: time between records [s].
            init_xyz: (A, 3) where the drones started [m].
            physics: set of aerodynamics, such as "PYB_DW"; empty is the clean set.
            model: name of the robots.
            names: of the drones; default drone0, drone1, ...

        Raises:
            ConfigError: `dt` is not above 0, or the shapes do not fit.
        """
        if not dt > 0:
            raise ConfigError(f"flight log: dt {dt} must be above 0")
        self.dt, self.physics, self.model = float(dt), physics, model
        self.init_xyz = np.atleast_2d(np.array(init_xyz, float))
        if self.init_xyz.shape[1:] != (3,):
            raise ConfigError(f"flight log: init_xyz {self.init_xyz.shape}, expected (A, 3)")
        self.names = names or tuple(f"drone{i}" for i in range(len(self.init_xyz)))
        if len(self.names) != len(self.init_xyz):
            raise ConfigError(f"flight log: {len(self.names)} names, {len(self.init_xyz)} drones")
        self._rows: dict[str, list[Array]] = {
            k: [] for k in ("position", "quat", "velocity", "omega_body", "rpm", "command")
        }
        self._arrays: dict[str, Array] = {}

    @classmethod
    def of_world(
        cls, world: FlyingWorld, dt: float, *, index: int = 0, physics: str = "", model: str = "",
        names: tuple[str, ...] = (),
    ) -> FlightLog:  # fmt: skip
        """An empty log for world number `index` of `world`, from where its drones are now."""
        start = _numpy(world.flight.position)[index]
        return cls(dt, init_xyz=start, physics=physics, model=model, names=names)

    def __len__(self) -> int:
        return len(self._rows["position"])

    @property
    def num_drones(self) -> int:
        """A."""
        return len(self.init_xyz)

    def record(self, world: FlyingWorld, command: ArrayLike, *, index: int = 0) -> None:
        """Append the state of world number `index`, to which `command` has just been applied.

        Args:
            world: after its step.
            command: rotor speeds asked for (A * M,) or (A, M) [rpm].
            index: which of the N worlds.

        Raises:
            ConfigError: the world has another number of drones, or the command another shape.
        """
        flight = world.flight
        rpm = _numpy(flight.rotor_speed)[index]
        asked = np.asarray(_numpy(command), float)
        if len(rpm) != self.num_drones or asked.size != rpm.size:
            raise ConfigError(
                f"flight log of {self.num_drones} drones: got {len(rpm)} drones and a command of "
                f"shape {asked.shape}, expected {rpm.shape}"
            )
        values = {
            "position": flight.position, "quat": flight.quat, "velocity": flight.velocity,
            "omega_body": flight.omega_body,
        }  # fmt: skip
        for name, value in values.items():
            self._rows[name].append(np.array(_numpy(value)[index], float))
        self._rows["rpm"].append(np.array(rpm, float))
        self._rows["command"].append(asked.reshape(rpm.shape).copy())
        self._arrays = {}

    # -- columns ---------------------------------------------------------------------------------

    def _stack(self, name: str) -> Array:
        if name not in self._arrays:
            if not len(self):
                raise DatasetError("flight log is empty: record() a step first")
            self._arrays[name] = np.stack(self._rows[name])
        return self._arrays[name]

    @property
    def time(self) -> Array:
        """(T,) of the records [s]; the first is one `dt` after the start."""
        return self.dt * np.arange(1, len(self) + 1, dtype=np.float64)

    @property
    def position(self) -> Array:
        """(T, A, 3) in the world [m]."""
        return self._stack("position")

    @property
    def quat(self) -> Array:
        """(T, A, 4) wxyz, body to world."""
        return self._stack("quat")

    @property
    def rpy(self) -> Array:
        """(T, A, 3) roll, pitch, yaw [rad]."""
        return rpy_from_quat(self.quat)

    @property
    def velocity(self) -> Array:
        """(T, A, 3) in the world [m/s]."""
        return self._stack("velocity")

    @property
    def omega_body(self) -> Array:
        """(T, A, 3) body rates [rad/s]."""
        return self._stack("omega_body")

    @property
    def omega_world(self) -> Array:
        """(T, A, 3) angular velocity in the world [rad/s]."""
        return (matrix_from_quat(self.quat) @ self.omega_body[..., None])[..., 0]

    @property
    def rpm(self) -> Array:
        """(T, A, M) rotor speeds reached [rpm]."""
        return self._stack("rpm")

    @property
    def command(self) -> Array:
        """(T, A, M) rotor speeds asked for [rpm]."""
        return self._stack("command")

    @property
    def state(self) -> Array:
        """(T, A, 20) as gym-pybullet-drones logs it; see `STATE`.

        Raises:
            DatasetError: the drones have not four rotors.
        """
        if self.rpm.shape[-1] != 4:
            raise DatasetError(
                f"flight log: the 20 numbers hold four rotors, these drones have "
                f"{self.rpm.shape[-1]}; use to_csv or to_episode"
            )
        parts = [
            self.position, self.quat[..., [1, 2, 3, 0]], self.rpy, self.velocity, self.omega_world,
            self.rpm,
        ]  # fmt: skip
        return np.concatenate(parts, axis=-1)

    # -- files -----------------------------------------------------------------------------------

    def save(self, path: Path | str) -> Path:
        """Write an npz of the reference format, with `names` of the drones beside; atomically.

        `rpm` (T, A, 4) are the commands, `state` (T, A, 20), `init_xyz`, `dt`, `physics`, `model`.
        """
        path = Path(path)
        with atomic_file(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(
                file, rpm=self.command, state=self.state, init_xyz=self.init_xyz, dt=self.dt,
                physics=self.physics, model=self.model, names=np.array(self.names),
            )  # fmt: skip
        return path

    @classmethod
    def load(cls, path: Path | str) -> FlightLog:
        """Read an npz of that format, ours or the reference's.

        Raises:
            DatasetError: the file is missing or no npz; an array is missing, has another shape or
                numbers that are not finite; or the time step is not above 0.
        """
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as file:
                found = {key: file[key] for key in file.files}
        except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
            # a lone npy is no archive: TypeError
            raise DatasetError(f"flight log {path} cannot be read as npz: {error}") from None
        _check(path, found)
        names = tuple(str(n) for n in found.get("names", ()))
        log = cls(
            float(found["dt"]), init_xyz=found["init_xyz"], physics=str(found["physics"]),
            model=str(found["model"]), names=names,
        )  # fmt: skip
        state = found["state"].astype(float)
        quat = state[..., [6, 3, 4, 5]]
        turn = np.swapaxes(matrix_from_quat(quat), -1, -2)
        omega = (turn @ state[..., 13:16, None])[..., 0]
        arrays = {
            "position": state[..., :3], "quat": quat, "velocity": state[..., 10:13],
            "omega_body": omega, "rpm": state[..., 16:], "command": found["rpm"].astype(float),
        }  # fmt: skip
        log._rows = {name: list(value) for name, value in arrays.items()}
        return log


def _numpy(value: Any) -> NDArray:
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def _check(path: Path, found: Mapping[str, NDArray]) -> None:
    missing = [key for key in KEYS if key not in found]
    if missing:
        raise DatasetError(
            f"flight log {path} lacks {', '.join(missing)}; expected {', '.join(KEYS)}"
        )
    state, rpm, start = (found[key].shape for key in ("state", "rpm", "init_xyz"))
    steps, drones = state[:2] if len(state) == 3 else (0, 0)
    if not steps or state[2] != STATE or rpm != (steps, drones, 4) or start != (drones, 3):
        raise DatasetError(
            f"flight log {path}: state {state}, rpm {rpm}, init_xyz {start}; expected "
            f"(T, A, {STATE}), (T, A, 4), (A, 3)"
        )
    for key in ("state", "rpm", "init_xyz", "dt"):
        values = found[key]
        if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise DatasetError(f"flight log {path}: {key} has numbers that are not finite")
    if found["dt"].size != 1 or not found["dt"] > 0:
        raise DatasetError(f"flight log {path}: dt {found['dt']} must be one number above 0")
