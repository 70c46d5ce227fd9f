"""How often the scripted experts succeed: `python -m tasks.manipulation.validate --starts 500`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from octoworld.core.registry import TASKS

from ..env import task_env


@dataclass(frozen=True)
class Validation:
    """Outcome of an expert over many starts."""

    task: str
    success_rate: float
    """Share of episodes that end in success."""
    mean_steps: float
    """Of successful episodes."""
    longest: int
    """Steps of the longest successful episode."""
    failed_seeds: tuple[int, ...]
    """Seeds of the episodes that failed."""


def validate(
    task: str, num_starts: int = 500, seed: int = 0, num_envs: int = 128, **options: Any
) -> Validation:
    """Run the expert of `task` from the starts of seeds seed .. seed + num_starts - 1.

    Success is judged once more after the last step, so that a momentary one does not count.
    """
    env = task_env(task, num_envs, autoreset_mode=AutoresetMode.DISABLED, **options)
    expert = env.task.expert()
    success, steps = [], []
    for first in range(seed, seed + num_starts, num_envs):
        env.reset(seed=first)
        while env.live.any():
            env.step(expert.act(env.world))
        count = min(num_envs, seed + num_starts - first)
        success.append(env.task.evaluate(env.world)["success"][:count])
        steps.append(env.progress_buf[:count].copy())
    env.close()
    done, length = np.concatenate(success), np.concatenate(steps)
    return Validation(
        task,
        float(done.mean()),
        float(length[done].mean()) if done.any() else float("nan"),
        int(length[done].max(initial=0)),
        tuple(int(s) + seed for s in np.flatnonzero(~done)),
    )


def main() -> None:
    """Validate the experts of the named tasks (default: all) and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=None)
    parser.add_argument("--starts", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name in arguments.tasks or TASKS.names():
        v = validate(name, arguments.starts, arguments.seed)
        print(
            f"{v.task:12s} success {v.success_rate:6.1%}  steps {v.mean_steps:5.1f} "
            f"(longest {v.longest})  failed seeds {list(v.failed_seeds)}"
        )


if __name__ == "__main__":
    main()
