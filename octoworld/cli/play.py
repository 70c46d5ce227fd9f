"""`octoworld play RUN`: record and show what a trained policy does."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class PlayArgs:
    """Roll a policy out, write a data set and films, and open the viewer."""

    policy: Annotated[Path, tyro.conf.Positional]
    """Run folder of `octoworld train`, or the folder of a policy."""
    task: str | None = None
    """Registered task; default: the one it was trained in."""
    episodes: int = 4
    """Episodes recorded."""
    first_seed: int = 5_000_000
    """Start seeds are first_seed, first_seed + 1, ..."""
    cameras: tuple[str, ...] = ()
    """Cameras recorded; default: all of the task's. Films show the first."""
    out: Path | None = None
    """Where to record; default: the run folder, or runs/play for a bare policy."""
    port: int = 8080
    """First port to try for the viewer."""
    serve: bool | None = None
    """Open the viewer at the end; by default only at a terminal."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = tyro.cli(PlayArgs, prog="octoworld play", args=argv)
    from vla.checkpoint import load_policy

    policy = load_policy(args.policy)
    is_run = (args.policy / "config.yaml").exists()
    folder = args.out or (args.policy if is_run else Path("runs/play"))
    show(
        policy, folder, args.port, args.serve, task=args.task, episodes=args.episodes,
        first_seed=args.first_seed, cameras=args.cameras,
    )  # fmt: skip
    return 0


def show(policy, folder: Path, port: int = 8080, serve: bool | None = None, **options) -> None:
    """Play, print what came of it, and open the viewer or say how to."""
    from octoworld.recipes.fly.play import play

    facts = play(policy, folder, **options)
    print(
        f"{facts['task']}: {facts['episodes']} episodes, {facts['steps']} steps, "
        f"{100 * facts['success_at_end']:.0f} % in success at the end"
    )
    for film in facts["films"]:
        print(f"film: {film}")
    if serve or (serve is None and sys.stdout.isatty()):
        from octoworld.viewer.app import serve as open_viewer

        open_viewer(folder, port=port)
    else:
        print(f"viewer: octoworld view {folder}")
