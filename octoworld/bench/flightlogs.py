"""Flight logs: rotor speeds in, drones' states out; and how far a flown path is from one.

The format of the reference logs of gym-pybullet-drones: an npz with `rpm` (T, A, 4), `state`
(T, A, 20), `init_xyz` (A, 3), `dt`, `physics` and `model`. state[t], after applying rpm[t], is
position 3, quat xyzw 4, rpy 3, velocity 3, angular velocity 3 (both in the world), rpm 4.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import DatasetError
from octoworld.core.rotations import quat_multiply

FIELDS = ("rpm", "state", "init_xyz", "dt", "physics", "model")


@dataclass(frozen=True)
class FlightLog:
    """One log: A drones that start level and at rest, over T physics steps."""

    name: str
    rpm: NDArray[np.float64]
    """(T, A, 4)."""
    position: NDArray[np.float64]
    """(T, A, 3) [m]."""
    quat_wxyz: NDArray[np.float64]
    """(T, A, 4)."""
    start: NDArray[np.float64]
    """(A, 3) [m]."""
    dt: float
    """Physics step [s]."""
    physics: str
    """Mode of gym-pybullet-drones."""
    model: str
    """Name of the robot."""


def read_log(path: Path | str) -> FlightLog:
    """Read one npz file.

    Raises:
        DatasetError: the file is missing, is no log, or its shapes do not fit together.
    """
    path = Path(path)
    if not path.is_file():
        raise DatasetError(f"flight log {path} does not exist")
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} is not a flight log (npz): {error}") from None
    missing = [name for name in FIELDS if name not in found]
    if missing:
        raise DatasetError(
            f"flight log {path} lacks {', '.join(missing)}; expected {', '.join(FIELDS)}"
        )
    rpm, state, start = (np.asarray(found[k], float) for k in ("rpm", "state", "init_xyz"))
    steps, drones = rpm.shape[:2] if rpm.ndim == 3 else (0, 0)
    if state.shape != (steps, drones, 20) or start.shape != (drones, 3) or not steps:
        raise DatasetError(
            f"flight log {path}: rpm {rpm.shape}, state {state.shape}, init_xyz {start.shape}; "
            "expected (T, A, 4), (T, A, 20), (A, 3)"
        )
    for name, array in (("rpm", rpm), ("state", state), ("init_xyz", start)):
        if not np.isfinite(array).all():
            raise DatasetError(f"flight log {path}: {name} has numbers that are not finite")
    dt = float(found["dt"])
    if not dt > 0:
        raise DatasetError(f"flight log {path}: dt {dt} must be above 0")
    return FlightLog(
        name=path.name,
        rpm=rpm,
        position=state[..., :3],
        quat_wxyz=state[..., [6, 3, 4, 5]],
        start=start,
        dt=dt,
        physics=str(found["physics"]),
        model=str(found["model"]),
    )


def position_error(log: FlightLog, position: NDArray) -> float:
    """Largest distance [m] of a flown path (T, A, 3) from the log's."""
    return float(np.linalg.norm(position - log.position, axis=-1).max())


def attitude_error(log: FlightLog, quat_wxyz: NDArray) -> float:
    """Largest angle [deg] of flown attitudes (T, A, 4) from the log's."""
    conjugate = log.quat_wxyz * np.array([1.0, -1.0, -1.0, -1.0])
    between = quat_multiply(conjugate, quat_wxyz)
    # the arc tangent keeps angles that an arc cosine rounds to 0
    angle = 2 * np.arctan2(np.linalg.norm(between[..., 1:], axis=-1), np.abs(between[..., 0]))
    return float(np.degrees(angle).max())
