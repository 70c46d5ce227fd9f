"""`octoworld collect TASK`: record episodes of an expert or a policy as a LeRobot v3 data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from .parse import parse


@dataclass(frozen=True)
class CollectArgs:
    """Roll out in true physics and write what was seen, felt and done."""

    task: Annotated[str, tyro.conf.Positional]
    """Registered task."""
    out: Path
    """Folder of the new data set; with an existing one, episodes are appended."""
    episodes: int = 10
    """How many."""
    first_seed: int = 1_000_000
    """Start seeds are first_seed, first_seed + 1, ..."""
    policy: Path | None = None
    """Folder of a policy; without it the task's scripted expert acts."""
    temperature: float = 0.0
    """Factor on the policy's noise scale; 0 is its mean action."""
    cameras: tuple[str, ...] = ()
    """Cameras recorded; default: the task's."""
    hold_steps: int = 6
    """Steps recorded after the first success."""
    num_envs: int = 25
    """Worlds rolled out together."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(CollectArgs, "collect", argv)
    from octoworld.core.errors import ConfigError
    from octoworld.core.io import write_text
    from octoworld.core.registry import TASKS
    from octoworld.recipes.recording import write_dataset
    from octoworld.recipes.rollouts import RolloutConfig, collect
    from sim.backends.mjcf import scene_xml
    from vla.checkpoint import load_policy

    task = TASKS.get(args.task)
    if args.episodes < 1:
        raise ConfigError(f"episodes: expected at least 1, got {args.episodes}")
    cameras = args.cameras or tuple(task.cameras)
    policy = None
    if args.policy is not None:
        policy = load_policy(args.policy, robot=task.robot, control_mode=task.control_mode)
    config = RolloutConfig(args.num_envs, args.hold_steps, args.temperature, cameras)
    seeds = range(args.first_seed, args.first_seed + args.episodes)
    source = "expert" if policy is None else "policy"
    facts = write_dataset(
        args.out, collect(args.task, seeds, config, policy=policy, source=source), append=True
    )
    write_text(args.out / "scene.xml", scene_xml(task(1).scene()))  # for `octoworld view`
    print(", ".join(f"{name} {value:g}" for name, value in facts.items()))
    return 0
