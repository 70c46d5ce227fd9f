"""Bench `gpu`: thousands of worlds on a CUDA device, beside the same machine's processors."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.core.errors import DependencyError
from octoworld.core.io import read_json
from octoworld.core.registry import register_bench
from tasks.env import task_env

from .throughput_bench import Stepper, batch_stepper, side_by_side

BATCHES, QUICK_BATCHES = (4096, 16384, 65536), (4096,)
ENGINES = {"PickUp": "mujoco_warp", "TrackVelocity": "rotorcraft"}
"""Task -> engine that runs it on the device."""
BESIDE = {"PickUp": "mujoco", "TrackVelocity": "rotorcraft"}
"""Task -> engine that runs it on all processors."""


@register_bench("gpu")
class GpuBench:
    """Environment steps a second on the device, of the bare engine there, and on processors."""

    name = "gpu"
    description = "mujoco_warp and rotorcraft at 4,096 to 65,536 worlds on a CUDA device"

    def run(self, quick: bool, folder: Path) -> None:
        """One arm a task and number of worlds.

        Raises:
            DependencyError: torch finds no CUDA device.
        """
        if not torch.cuda.is_available():
            raise DependencyError("bench gpu measures a CUDA device, and torch finds none")
        rounds, seconds = (1, 2.0) if quick else (3, 4.0)
        arms = [
            f"{task} on {engine} x {count}"
            for task, engine in ENGINES.items()
            for count in (QUICK_BATCHES if quick else BATCHES)
        ]
        claim = Claim(
            "faster than the processors", tuple(arms), (0,), "times", margin=1.0,
            statement="an environment's steps/s on the device over those on all processors",
        )  # fmt: skip

        def measure(arm: str, seed: int, scratch: Path) -> ArmResult:
            task, rest = arm.split(" on ")
            count = int(rest.split(" x ")[1])
            rows = [rates(task, count, seconds) for _ in range(rounds)]
            memory = torch.cuda.mem_get_info()
            return ArmResult(
                list(range(rounds)),
                {name: [row[name] for row in rows] for name in rows[0]},
                facts={"device memory in use [GB]": (memory[1] - memory[0]) / 1e9},
            )

        run([claim], measure, folder, config={"rounds": rounds, "seconds": seconds})

    def report(self, folder: Path) -> str:
        """Verdicts, and the medians."""
        lines = [report(folder), "", "| arm | env steps/s | bare engine | on processors | times |"]
        lines.append("|---|---|---|---|---|")
        for path in sorted(folder.glob("rows/*/*.json"), key=lambda p: _order(p.parent.name)):
            row = read_json(path)
            middle = {k: statistics.median(v) for k, v in row["outcomes"].items()}
            lines.append(
                f"| {row['arm']} | {middle['env steps/s']:,.0f} | {middle['bare steps/s']:,.0f} "
                f"| {middle['processors steps/s']:,.0f} | {middle['times']:.2f} |"
            )
        return "\n".join(lines)


def _order(arm: str) -> tuple[str, int]:
    task, count = arm.rsplit(" x ", 1)
    return task, int(count)


def rates(task: str, count: int, seconds: float) -> dict[str, float]:
    """Environment steps/s on the device, of its engine alone, and on the processors, in turn."""
    options: dict[str, Any] = {"backend": ENGINES[task], "output": "torch"}
    if task != "PickUp":
        options["backend_options"] = {"device": "cuda", "dtype": "float32"}
    device = task_env(task, count, autoreset_mode=AutoresetMode.SAME_STEP, **options)
    processors = task_env(task, count, backend=BESIDE[task])
    try:
        steppers = {
            "env": batch_stepper(device), "processors": batch_stepper(processors),
            "bare": bare_stepper(device),
        }  # fmt: skip
        found = side_by_side(steppers, seconds)
    finally:
        device.close()
        processors.close()
    return {
        "times": found["env"] / found["processors"],
        **{f"{name} steps/s": rate for name, rate in found.items()},
    }


def bare_stepper(env: Any) -> Stepper:
    """Physics alone for as long as an environment step, the last command held."""
    world, substeps = env.world, env.substeps
    if hasattr(world, "batch"):  # MuJoCo Warp: kernels, without copies to the host and back

        def launch() -> int:
            world.batch.launch(substeps)
            return env.num_envs

        return launch
    command = world.xp.asarray(np.zeros((env.num_envs, len(world.control_names))), device="cuda")

    def step() -> int:
        world.step(command, substeps)
        torch.cuda.synchronize()
        return env.num_envs

    return step
