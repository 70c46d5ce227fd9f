"""`octoworld play RUN`: record and show what a trained policy does."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from .parse import parse


@dataclass(frozen=True)
class PlayArgs:
    """Roll a policy or an expert out, write data set, films and flight logs, open the viewer."""

    policy: Annotated[Path, tyro.conf.Positional]
    """Run folder of `octoworld train`, the folder of a policy, or a task, for its expert."""
    task: str | None = None
    """Registered task; default: the one it was trained in."""
    episodes: int = 4
    """Episodes recorded."""
    first_seed: int = 5_000_000
    """Start seeds are first_seed, first_seed + 1, ..."""
    cameras: tuple[str, ...] = ()
    """Cameras recorded; default: all of the task's. Films show the first."""
    film_size: tuple[int, int] = (360, 480)
    """Height and width of films [pixel]."""
    logs: bool = True
    """Log flights (npz, CSV) and draw position, attitude and RPM over time."""
    out: Path | None = None
    """Where to record; default: the run folder, or runs/play for a bare policy."""
    port: int = 8080
    """First port to try for the viewer."""
    serve: bool | None = None
    """Open the viewer at the end; by default only at a terminal."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(PlayArgs, "play", argv)
    policy, task = actor(args.policy, args.task)
    is_run = (args.policy / "config.yaml").exists()
    bare = Path("runs") / ("play" if policy is not None else f"expert-{task}")
    folder = args.out or (args.policy if is_run else bare)
    show(
        policy, folder, args.port, args.serve, task=task, episodes=args.episodes,
        first_seed=args.first_seed, cameras=args.cameras, film_size=args.film_size, logs=args.logs,
    )  # fmt: skip
    return 0


def actor(name: Path, task: str | None) -> tuple[Any, str | None]:
    """The policy in a folder, or None and the task whose expert is meant."""
    from octoworld.core.errors import ConfigError, UnknownNameError
    from octoworld.core.registry import TASKS
    from vla.checkpoint import load_policy

    if name.exists():
        return load_policy(name), task
    if name.name != str(name):  # a path
        raise ConfigError(f"{name} does not exist; expected a run, a policy, or the name of a task")
    if str(name) not in TASKS:
        raise UnknownNameError("run, policy or task", str(name), TASKS.names())
    if task not in (None, str(name)):
        raise ConfigError(f"the expert of {name} does not do {task}: octoworld play {task}")
    return None, str(name)


def show(policy, folder: Path, port: int = 8080, serve: bool | None = None, **options) -> None:
    """Play, print what came of it, and open the viewer or say how to."""
    from octoworld.recipes.fly.play import play

    facts = play(policy, folder, **options)
    print(
        f"{facts['task']}: {facts['episodes']} episodes, {facts['steps']} steps, "
        f"{100 * facts['success_at_end']:.0f} % in success at the end"
    )
    for files in facts["files"]:
        print("  ".join(f"{kind}: {path}" for kind, path in files.items()))
    if serve or (serve is None and sys.stdout.isatty()):
        from octoworld.viewer.app import serve as open_viewer

        open_viewer(folder, port=port)
    else:
        print(f"viewer: octoworld view {folder}")
