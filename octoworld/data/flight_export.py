"""Flight logs as CSV files for people and as Episodes for learners."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import DatasetError
from octoworld.core.io import atomic_file

from .episode import Episode
from .flightlog import FlightLog

COLUMNS = (
    "time [s]",
    "x [m]", "y [m]", "z [m]",
    "qw [-]", "qx [-]", "qy [-]", "qz [-]",
    "roll [rad]", "pitch [rad]", "yaw [rad]",
    "vx [m/s]", "vy [m/s]", "vz [m/s]",
    "p [rad/s]", "q [rad/s]", "r [rad/s]",
)  # fmt: skip
"""Of a CSV file, before the rotors': rpm0 [rpm], ..., command0 [rpm], ..."""
BODY = ("x", "y", "z", "qw", "qx", "qy", "qz", "vx", "vy", "vz", "p", "q", "r")
"""Of one drone in `observation.state`."""


def csv_header(log: FlightLog) -> list[str]:
    """Columns of the CSV files, each with its unit."""
    count = log.rpm.shape[-1]
    speeds = [f"{kind}{i} [rpm]" for kind in ("rpm", "command") for i in range(count)]
    return [*COLUMNS, *speeds]


def csv_table(log: FlightLog, drone: int) -> NDArray[np.float64]:
    """(T, C) numbers of one drone in the columns of `csv_header`."""
    signals = (
        log.position, log.quat, log.rpy, log.velocity, log.omega_body, log.rpm, log.command,
    )  # fmt: skip
    return np.concatenate([log.time[:, None], *(s[:, drone] for s in signals)], axis=1)


def write_csv(log: FlightLog, folder: Path | str) -> list[Path]:
    """Write `<name>.csv` for each drone into `folder`; returns the paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for i, name in enumerate(log.names):
        paths.append(folder / f"{name}.csv")
        with atomic_file(paths[-1]) as temporary, open(temporary, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(csv_header(log))
            # repr keeps every bit
            writer.writerows([[repr(v) for v in row] for row in csv_table(log, i).tolist()])
    return paths


def flight_episode(
    log: FlightLog,
    *,
    instruction: str = "fly",
    every: int = 1,
    images: Mapping[str, NDArray[np.uint8]] | None = None,
    info: Mapping[str, Any] | None = None,
) -> Episode:
    """The log as an Episode with LeRobot's columns.

    Row k holds what the drones were before its `action`: `observation.state` (K, 13 A) in the order
    of `BODY`, drone after drone; `action` (K, A M) are the commands [rpm]. What was before the
    first command is not in the log, so that K is T - 1 for every record.

    Args:
        log: what was flown.
        instruction: what the drones were told to do.
        every: records a row; with more than one, `action` is the first command of each row.
        images: by camera, (K, H, W, 3) uint8.
        info: facts of the episode.

    Raises:
        DatasetError: the log is too short, or a row's rate is not a whole number of hertz.
    """
    rate = 1 / (max(every, 1) * log.dt)
    if every < 1 or round(rate) < 1 or abs(rate - round(rate)) > 1e-6 * rate:
        raise DatasetError(
            f"flight log: every={every} of {log.dt:g} s gives {rate:.3f} Hz; expected whole hertz"
        )
    rows = np.arange(0, len(log) - every, every)
    if not len(rows):
        raise DatasetError(f"flight log of {len(log)} records is too short for every={every}")
    parts = (log.position, log.quat, log.velocity, log.omega_body)
    state = np.concatenate(parts, axis=-1).reshape(len(log), -1)[rows]
    done = np.zeros(len(rows), bool)
    done[-1] = True
    columns: dict[str, NDArray] = {
        "observation.state": state.astype(np.float32),
        "action": log.command[rows + 1].reshape(len(rows), -1).astype(np.float32),
        "next.done": done,
    }
    for camera, frames in (images or {}).items():
        if len(frames) != len(rows):
            raise DatasetError(
                f"flight log: camera {camera!r} has {len(frames)} images, expected {len(rows)}"
            )
        columns[f"observation.images.{camera}"] = frames
    facts = {"robot": log.model, "physics": log.physics, "drones": list(log.names)}
    return Episode(columns, instruction, round(rate), facts | dict(info or {}), _names(log))


def _names(log: FlightLog) -> dict[str, tuple[str, ...]]:
    """Of the numbers in `observation.state` and `action`; among several drones, each by its own."""
    drones = [f"{name}_" if len(log.names) > 1 else "" for name in log.names]
    rotors = [f"rotor{i}" for i in range(log.command.shape[-1])]
    return {
        "observation.state": tuple(drone + part for drone in drones for part in BODY),
        "action": tuple(drone + rotor for drone in drones for rotor in rotors),
    }
