"""Machine code of the drones' physics and of controllers, compiled before it is needed.

numba compiles a kernel when it is first called and keeps the machine code on disk, so one process
ever waits about 12 s for all of them, and every later one 0.5 s. Set-up runs this module, so that
nobody waits in flight.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass

import numpy as np

from octoworld.core.errors import ConfigError, DependencyError
from octoworld.core.registry import BACKENDS, ROBOTS
from robots.spec import GeomSpec
from sim.scene import RobotPlacement, Scene

CONTROLLERS = (
    "robots.control.flight.compiled",
    "robots.control.flight.compiled_dslpid",
    "robots.control.ik_compiled",
    "sim.backends.mujoco_compiled",
    "tasks.manipulation.judging",
)
"""Modules that compile when they are imported."""


@dataclass(frozen=True)
class Compiled:
    """One part, and what it took."""

    name: str
    seconds: float
    """Wall time; below 1 s where the machine code was there already."""


def compile_all() -> list[Compiled]:
    """Fly two drones for one step in each backend that is installed, and load the controllers."""
    spec = ROBOTS.get("cf2x")()
    scene = Scene(
        "machine code",
        robots=tuple(RobotPlacement(spec, (x, 0, 1), prefix=f"drone{x}/") for x in (0, 1)),
        static_geoms=(GeomSpec("floor", "plane", (5.0, 5.0)),),
    )
    done = []
    for name in BACKENDS.names():
        began = time.monotonic()
        try:
            world = BACKENDS.get(name)(scene, 1)
        except (ConfigError, DependencyError, ImportError):
            continue
        world.step(np.zeros((1, len(world.control_names))), 1)
        world.contacts("drone0/drone", "floor")
        world.close()
        done.append(Compiled(name, time.monotonic() - began))
    began = time.monotonic()
    for name in CONTROLLERS:
        importlib.import_module(name)
    done.append(Compiled("controllers", time.monotonic() - began))
    return done


if __name__ == "__main__":
    for part in compile_all():
        print(f"machine code of {part.name}: {part.seconds:.1f} s", flush=True)
