"""`octoworld eval POLICY`: success of a saved policy in true physics, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from .parse import parse

TABLETOP = ("PushToZone", "PickUp", "PlaceInBin", "OpenDrawer")


@dataclass(frozen=True)
class EvalArgs:
    """Roll a policy from paired start states; ended by the simulator, and by the reflector."""

    policy: Annotated[Path, tyro.conf.Positional]
    """Folder of the policy (config.json, model.safetensors), or the run that trained it."""
    tasks: tuple[str, ...] = ()
    """Registered tasks; default: the one a controller was trained in, else the table-top tasks."""
    episodes: int = 125
    """Start states of each task."""
    first_seed: int = 5_000_000
    """Start seeds are first_seed, first_seed + 1, ...; 5,000,000 and up are for tests alone."""
    baseline: Path | None = None
    """Another policy from the same starts; the table then has paired differences."""
    reflector: Path | None = None
    """Folder of a reflector: adds success when it, not the simulator, ends the episode."""
    num_envs: int = 25
    """Worlds rolled out together."""
    out: Path | None = None
    """JSON file for the outcome of every episode."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(EvalArgs, "eval", argv)
    from octoworld.core.errors import ConfigError
    from octoworld.core.io import write_json
    from octoworld.core.registry import TASKS
    from octoworld.recipes.evaluate import evaluate, format_table, summarise, to_rows
    from octoworld.recipes.rollouts import RolloutConfig
    from octoworld.recipes.worldenv.learning import load_reflector
    from octoworld.recipes.worldenv.outcome import reflector_stop
    from vla.checkpoint import load_policy

    for task in args.tasks:
        TASKS.get(task)
    if args.episodes < 1 or args.num_envs < 1:
        raise ConfigError(f"episodes {args.episodes} and num_envs {args.num_envs} must be >= 1")
    stop = None if args.reflector is None else reflector_stop(load_reflector(args.reflector))
    folders = {"policy": args.policy}
    if args.baseline is not None:
        folders = {"baseline": args.baseline} | folders
    arms = {}
    tasks = args.tasks or trained_in(load_policy(args.policy)) or TABLETOP
    for arm, folder in folders.items():
        # each acts in the control mode it was made for
        policy = load_policy(folder, robot=TASKS.get(tasks[0]).robot)
        cameras = tuple(getattr(policy, "config").cameras)  # noqa: B009 - not in the protocol
        config = RolloutConfig(args.num_envs, cameras=cameras)
        seeds = range(args.first_seed, args.first_seed + args.episodes)
        arms[arm] = evaluate(policy, tasks, seeds, config, stop=stop)
    protocols = ("oracle", "at_end") if stop is None else ("oracle", "self_stopped", "at_end")
    print(format_table(summarise(arms, next(iter(arms)), protocols)))
    if args.out is not None:
        write_json(args.out, {arm: to_rows(outcomes) for arm, outcomes in arms.items()})
    return 0


def trained_in(policy: Any) -> tuple[str, ...]:
    """The task that a controller was trained in; nothing for other policies."""
    task = getattr(policy.config, "task", "")
    return (task,) if task else ()
