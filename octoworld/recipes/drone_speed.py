"""Rates of the drones' physics and of one environment, on one thread, in CPU time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from gymnasium.vector import AutoresetMode

from octoworld.core.registry import BACKENDS, ROBOTS
from robots.spec import GeomSpec
from sim.gym_env import SingleWorldEnv
from sim.rotors import COMPAT_GRAVITY, COMPAT_TIMESTEP, compat
from sim.scene import RobotPlacement, Scene
from tasks.env import task_env

SUBSTEPS = 5
"""Physics steps in a control step: 240 / 48 Hz."""
STEPS, PHYSICS, ENVIRONMENT, MILLISECONDS = (
    "control steps/CPU-s", "drone-physics-steps/CPU-s", "environment steps/CPU-s", "ms",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One thing that is timed."""

    what: Literal["steps", "resets", "hover", "hover resets"]
    drones: int
    physics: str
    worlds: int
    unit: str
    target: float
    statement: str

    @property
    def is_less_better(self) -> bool:
        """Times rather than rates."""
        return self.unit == MILLISECONDS

    def value(self, seconds: float) -> float:
        """A call of `seconds` of CPU time in the case's unit."""
        if self.unit == MILLISECONDS:
            return 1e3 * seconds
        work = {PHYSICS: self.worlds * self.drones * SUBSTEPS, ENVIRONMENT: self.worlds}
        return work.get(self.unit, 1) / seconds

    def without_batch(self) -> Case:
        """What stands against it where one world is all there is: fifty drones in that."""
        if self.worlds == 1:
            return self
        return replace(self, worlds=1, drones=50 if self.unit == PHYSICS else self.drones)


AIR = "PYB_GND_DRAG_DW"
CASES = {
    "one": Case("steps", 1, "PYB", 1, STEPS, 30e3, "one drone"),
    "ten": Case("steps", 10, "PYB", 1, STEPS, 13e3, "ten drones"),
    "fifty": Case("steps", 50, "PYB", 1, STEPS, 4e3, "fifty drones"),
    "fifty-air": Case("steps", 50, AIR, 1, STEPS, 1.5e3, "fifty drones with all aerodynamics"),
    "batched": Case("steps", 1, "PYB", 1024, PHYSICS, 2e6, "1,024 worlds of one drone"),
    "reset": Case("resets", 1, "PYB", 1, MILLISECONDS, 1.0, "reset of one drone"),
    "reset-fifty": Case("resets", 50, "PYB", 1, MILLISECONDS, 5.0, "reset of fifty drones"),
    "hover": Case(
        "hover", 1, "", 1, ENVIRONMENT, 1e3, "the task Hover under four rotor speeds, with resets"
    ),
    "hover-batched": Case(
        "hover", 1, "", 1024, ENVIRONMENT, 50e3, "the same in 1,024 worlds, as one trains"
    ),
    "hover-reset": Case("hover resets", 1, "", 1, MILLISECONDS, 1.0, "reset of the task Hover"),
}


def places(drones: int) -> list[tuple[float, float, float]]:
    """Half a metre apart, at three heights [m]."""
    side = int(np.ceil(np.sqrt(drones)))
    return [(0.5 * (i % side), 0.5 * (i // side), 1 + 0.1 * (i % 3)) for i in range(drones)]


def grid(drones: int, physics: str) -> Scene:
    """Crazyflies over a floor under a physics mode of gym-pybullet-drones."""
    spec = ROBOTS.get("cf2x")()
    robots = [RobotPlacement(spec, p, prefix=f"drone{i}/") for i, p in enumerate(places(drones))]
    return Scene(
        name="grid",
        robots=tuple(robots),
        static_geoms=(GeomSpec("floor", "plane", (5.0, 5.0)),),
        timestep=COMPAT_TIMESTEP,
        gravity=COMPAT_GRAVITY,
        aero=compat(physics),
    )


FIRST_STEP = """
import time
import numpy as np
from octoworld.core.registry import BACKENDS
from octoworld.recipes.drone_speed import grid

world = BACKENDS.get("rotorcraft")(grid(1, "PYB"), 1024, num_threads=1)
began = time.process_time()
world.step(np.zeros((1024, 4)), 5)
print(time.process_time() - began)
"""


def first_step(cache: Path | None = None) -> float:
    """CPU seconds of the first step of 1,024 worlds in a fresh process.

    Args:
        cache: an empty folder for machine code, so that all of it is compiled; None takes what
            set-up has left.
    """
    environment = dict(os.environ) | ({"NUMBA_CACHE_DIR": str(cache)} if cache else {})
    done = subprocess.run(
        [sys.executable, "-c", FIRST_STEP], env=environment, text=True, check=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    return float(done.stdout.split()[-1])


def measure(case: Case, repeats: int, seconds: float) -> list[float]:
    """CPU seconds of one call, `repeats` times over as many calls as fit into `seconds`."""
    call = _hover(case) if case.what.startswith("hover") else _physics(case)
    call()  # the first one loads the machine code
    return [cpu_seconds(call, seconds) for _ in range(repeats)]


def cpu_seconds(call: Callable[[], Any], seconds: float) -> float:
    """CPU time of one call, over as many as fit."""
    count, began = 0, time.process_time()
    while True:
        for _ in range(10):
            call()
        count += 10
        spent = time.process_time() - began
        if spent >= seconds:
            return spent / count


def _physics(case: Case) -> Callable[[], Any]:
    """A control step at the rotor speeds of hover, after which the state is read; or a reset."""
    world = BACKENDS.get("rotorcraft")(grid(case.drones, case.physics), case.worlds, num_threads=1)
    if case.what == "resets":
        return world.reset
    spec = ROBOTS.get("cf2x")()
    rpm = spec.rotorcraft.hover_rpm(spec.bodies[0].mass, -COMPAT_GRAVITY[2])
    control = np.full((case.worlds, len(world.control_names)), rpm)

    def step() -> Any:
        world.step(control, SUBSTEPS)
        f = world.flight
        return np.concatenate([f.position, f.quat, f.velocity, f.omega_body, f.rotor_speed], -1)

    return step


def _hover(case: Case) -> Callable[[], Any]:
    """A step of the gymnasium environment, with the next episode where one ends; or a reset."""
    if case.worlds > 1:
        batch = task_env("Hover", case.worlds, num_threads=1)
        batch.reset(seed=0)
        actions = np.zeros(batch.action_space.shape or (), np.float32)
        return lambda: batch.step(actions)
    alone = task_env("Hover", 1, num_threads=1, autoreset_mode=AutoresetMode.DISABLED)
    env = SingleWorldEnv(alone)
    env.reset(seed=0)
    if case.what == "hover resets":
        return env.reset
    action = np.zeros(env.action_space.shape or (), np.float32)

    def step() -> None:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()

    return step
