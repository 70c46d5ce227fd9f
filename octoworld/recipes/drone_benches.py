"""Benches of drones: reproduction of flight logs, and throughput of the physics."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.bench.flightlogs import FlightLog, attitude_error, position_error, read_log
from octoworld.core.errors import DependencyError
from octoworld.core.io import read_json
from octoworld.core.registry import BACKENDS, ROBOTS, register_bench
from robots.spec import GeomSpec
from sim.rotors import COMPAT_GRAVITY, COMPAT_TIMESTEP, compat
from sim.scene import RobotPlacement, Scene

POSITION_TOLERANCE = 1e-6
"""[m]."""
ATTITUDE_TOLERANCE = 1e-4
"""[deg]."""
SUBSTEPS = 5
"""Physics steps in a control step: 240 / 48 Hz."""


def log_scene(log: FlightLog) -> Scene:
    """The empty scene in which a log was flown."""
    spec = ROBOTS.get(log.model)()
    return Scene(
        name=log.name,
        robots=tuple(
            RobotPlacement(spec, (float(x), float(y), float(z)), prefix=f"drone{i}/")
            for i, (x, y, z) in enumerate(log.start)
        ),
        timestep=log.dt,
        gravity=COMPAT_GRAVITY,
        aero=compat(log.physics),
    )


def fly(log: FlightLog, backend: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions (T, A, 3) and attitudes (T, A, 4) of a backend under a log's rotor speeds."""
    world = BACKENDS.get(backend)(log_scene(log), 1)
    try:
        position, quat = np.empty_like(log.position), np.empty_like(log.quat_wxyz)
        for t, rpm in enumerate(log.rpm):
            world.step(rpm.reshape(1, -1), 1)
            position[t], quat[t] = world.flight.position[0], world.flight.quat[0]
        return position, quat
    finally:
        world.close()


@register_bench("flightlogs")
class FlightLogBench:
    """Every backend under the rotor speeds of logs, against their states."""

    name = "flightlogs"
    description = "largest position and attitude error of each backend on flight logs (FILE...)"

    def compare(self, files: Sequence[Path]) -> list[dict[str, Any]]:
        """A row for each log and backend; a backend that is not installed gets one that says so.

        Raises:
            DatasetError: a file is no flight log.
            ConfigError: its physics mode is unknown.
            UnknownNameError: its model is not a registered robot.
        """
        rows = []
        for log in [read_log(path) for path in files]:
            for backend in BACKENDS.names():
                row: dict[str, Any] = {
                    "log": log.name, "backend": backend, "physics": log.physics,
                    "model": log.model, "drones": len(log.start), "steps": len(log.rpm),
                }  # fmt: skip
                try:
                    position, quat = fly(log, backend)
                except (DependencyError, ImportError) as error:
                    rows.append(row | {"skipped": str(error)})
                    continue
                far, turned = position_error(log, position), attitude_error(log, quat)
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


@dataclass(frozen=True)
class Case:
    """One thing that is timed."""

    drones: int
    physics: str
    worlds: int
    unit: str
    target: float
    original: float | None
    """gym-pybullet-drones 2.1.0, on 2 shared cores of an Intel Xeon; medians of 9."""


CASES = {
    "one": Case(1, "PYB", 1, "control steps/CPU-s", 30e3, 10538),
    "ten": Case(10, "PYB", 1, "control steps/CPU-s", 13e3, 1330),
    "fifty": Case(50, "PYB", 1, "control steps/CPU-s", 4e3, 278),
    "fifty-air": Case(50, "PYB_GND_DRAG_DW", 1, "control steps/CPU-s", 1.5e3, 14.3),
    "batched": Case(1, "PYB", 1024, "drone-physics-steps/CPU-s", 2e6, 70e3),
    "reset": Case(1, "PYB", 1, "ms", 1.0, 20.0),
}


def grid(drones: int, physics: str) -> Scene:
    """Drones half a metre apart over a floor, at three heights."""
    spec, side = ROBOTS.get("cf2x")(), int(np.ceil(np.sqrt(drones)))
    places = [(0.5 * (i % side), 0.5 * (i // side), 1 + 0.1 * (i % 3)) for i in range(drones)]
    return Scene(
        name="grid",
        robots=tuple(RobotPlacement(spec, p, prefix=f"drone{i}/") for i, p in enumerate(places)),
        static_geoms=(GeomSpec("floor", "plane", (5.0, 5.0)),),
        timestep=COMPAT_TIMESTEP,
        gravity=COMPAT_GRAVITY,
        aero=compat(physics),
    )


def measure(case: Case, is_reset: bool, repeats: int, seconds: float) -> list[float]:
    """Rates, or milliseconds of a reset, of one thread of the `rotorcraft` backend."""
    world = BACKENDS.get("rotorcraft")(grid(case.drones, case.physics), case.worlds, num_threads=1)
    spec = ROBOTS.get("cf2x")()
    rpm = spec.rotorcraft.hover_rpm(spec.bodies[0].mass, -COMPAT_GRAVITY[2])
    control = np.full((case.worlds, len(world.control_names)), rpm)
    call = world.reset if is_reset else lambda: world.step(control, SUBSTEPS)
    call()  # the first one loads the machine code
    per_call = [_cpu_seconds(call, seconds) for _ in range(repeats)]
    if is_reset:
        return [1e3 * s for s in per_call]
    each = 1 if case.worlds == 1 else case.worlds * case.drones * SUBSTEPS
    return [each / s for s in per_call]


def _cpu_seconds(call: Callable[[], Any], seconds: float) -> float:
    """CPU time of one call, over as many as fit."""
    count, began = 0, time.process_time()
    while True:
        for _ in range(10):
            call()
        count += 10
        spent = time.process_time() - began
        if spent >= seconds:
            return spent / count


@register_bench("drones")
class DroneBench:
    """Control steps a CPU-second at 240/48 Hz, and what a reset costs."""

    name = "drones"
    description = "rotorcraft physics: control steps a CPU-second, batched rate, reset time"

    def run(self, quick: bool, folder: Path) -> None:
        """Every case on one thread; medians are over repeats."""
        repeats, seconds = (3, 0.2) if quick else (9, 2.0)
        claims = [
            Claim(
                name,
                arms=(name,),
                seeds=(0,),
                metric=case.unit,
                direction="less" if name == "reset" else "greater",
                margin=case.target,
                statement=_statement(name, case),
            )
            for name, case in CASES.items()
        ]

        def arm(name: str, seed: int, scratch: Path) -> ArmResult:
            case = CASES[name]
            values = measure(case, name == "reset", repeats, seconds)
            return ArmResult(list(range(repeats)), {case.unit: values})

        run(claims, arm, folder, config={"repeats": repeats, "seconds": seconds})

    def report(self, folder: Path) -> str:
        """Verdicts, then medians beside the original's."""
        lines = [
            report(folder), "",
            "| case | median | target | gym-pybullet-drones | unit |", "|---|---|---|---|---|",
        ]  # fmt: skip
        for path in sorted(folder.glob("rows/*/*.json")):
            row = read_json(path)
            case = CASES[row["arm"]]
            value = statistics.median(row["outcomes"][case.unit])
            figures = " | ".join(f"{v:,.4g}" for v in (value, case.target, case.original))
            lines.append(f"| {row['arm']} | {figures} | {case.unit} |")
        return "\n".join(lines)


def _statement(name: str, case: Case) -> str:
    if name == "reset":
        return f"a reset of one drone takes at most {case.target:g} ms of CPU time"
    worlds = "" if case.worlds == 1 else f" in each of {case.worlds} worlds"
    return (
        f"{case.drones} drones{worlds}, {case.physics}, at 240/48 Hz: "
        f"at least {case.target:g} {case.unit}"
    )
