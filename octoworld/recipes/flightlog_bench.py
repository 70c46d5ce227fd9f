"""The bench `flightlogs`: every backend under the rotor speeds of logs, against their states."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ActionError, DatasetError, DependencyError, OctoworldError
from octoworld.core.registry import BACKENDS, ROBOTS, register_bench
from octoworld.data.flightlog import FlightLog
from sim.rotors import COMPAT_GRAVITY, compat
from sim.rotors.fleet import fleet
from sim.scene import RobotPlacement, Scene

from .drone_physics import angle_between

POSITION_TOLERANCE = 1e-6
"""[m]."""
ATTITUDE_TOLERANCE = 1e-4
"""[deg]."""


def log_scene(log: FlightLog) -> Scene:
    """The empty scene in which a log was flown."""
    spec = ROBOTS.get(log.model)()
    return Scene(
        name="flight log",
        robots=tuple(
            RobotPlacement(spec, (float(x), float(y), float(z)), prefix=f"drone{i}/")
            for i, (x, y, z) in enumerate(log.init_xyz)
        ),
        timestep=log.dt,
        gravity=COMPAT_GRAVITY,
        aero=compat(log.physics),
    )


def fly(log: FlightLog, backend: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions (T, A, 3) and attitudes (T, A, 4) of a backend under a log's commands."""
    world = BACKENDS.get(backend)(log_scene(log), 1)
    try:
        position, quat = np.empty_like(log.position), np.empty_like(log.quat)
        for t, rpm in enumerate(log.command):
            world.step(rpm.reshape(1, -1), 1)
            position[t], quat[t] = world.flight.position[0], world.flight.quat[0]
        return position, quat
    finally:
        world.close()


def read(path: Path) -> FlightLog:
    """A log of one of the original's physics modes.

    Raises:
        DatasetError: the file is no flight log, was flown in the clean set or an unknown mode, its
            model is no registered robot, or its drones start inside each other.
    """
    log = FlightLog.load(path)
    if not log.physics:
        raise DatasetError(f"flight log {path} names no physics mode of gym-pybullet-drones")
    try:
        fleet(log_scene(log))
    except OctoworldError as error:
        raise DatasetError(f"flight log {path}: {error}") from None
    return log


ENGINES = ("mujoco", "pybullet", "rotorcraft")
"""Backends that fly."""


@register_bench("flightlogs")
class FlightLogBench:
    """Largest errors of each backend on each log; `--store` keeps them."""

    name = "flightlogs"
    description = "largest position and attitude error of each backend on flight logs (FILE...)"

    def compare(self, files: Sequence[Path]) -> list[dict[str, Any]]:
        """A row for each log and backend; a backend that is not installed gets one that says so.

        Raises:
            DatasetError: a file is no flight log that can be flown (see `read`), or its rotors
                turn faster than the model's can.
        """
        rows = []
        # all are read first: a bad one is named before the others have flown for a minute
        for path, log in [(Path(path), read(Path(path))) for path in files]:
            for backend in ENGINES:
                row: dict[str, Any] = {
                    "log": path.name, "backend": backend, "physics": log.physics,
                    "model": log.model, "drones": log.num_drones, "steps": len(log),
                    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                }  # fmt: skip
                try:
                    position, quat = fly(log, backend)
                except (DependencyError, ImportError) as error:
                    rows.append(row | {"skipped": str(error)})
                    continue
                except ActionError as error:
                    raise DatasetError(f"flight log {path}: {error}") from None
                far = float(np.linalg.norm(position - log.position, axis=-1).max())
                turned = float(angle_between(log.quat, quat).max())
                row["position_error_m"], row["attitude_error_deg"] = far, turned
                row["reproduced"] = far <= POSITION_TOLERANCE and turned <= ATTITUDE_TOLERANCE
                rows.append(row)
        return rows

    def table(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """Errors as Markdown."""
        lines = [
            "| log | physics | backend | position [m] | attitude [deg] | reproduced |",
            "|---|---|---|---|---|---|",
        ]
        for row in rows:
            if "skipped" in row:
                figures = f"not installed: {row['skipped']} | - | -"
            else:
                figures = (
                    f"{row['position_error_m']:.1e} | {row['attitude_error_deg']:.1e} | "
                    f"{'yes' if row['reproduced'] else 'no'}"
                )
            lines.append(f"| {row['log']} | {row['physics']} | {row['backend']} | {figures} |")
        return "\n".join(lines)
