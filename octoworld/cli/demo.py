"""`octoworld demo`: the main job in minutes, then the viewer."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

PRETRAINED = """Trained by us beforehand, from nothing, and shipped in assets/checkpoints/tabletop:
  grounding     where things are in a picture, from still scenes
  autoencoder, world model, reflector
                from {episodes} episodes of an earlier policy in true physics
Made here, just now: the demonstrations, the fine-tuned policy, its post-training, both tests.
All of it again, from nothing (over an hour): octoworld worldenv --profile small"""


@dataclass(frozen=True)
class DemoArgs:
    """Five demonstrations a task, fine-tuning, post-training in a world model, test, viewer."""

    out: Path = Path("runs/demo")
    """Run folder; a demo that was stopped there goes on, a finished one is shown."""
    seed: int = 0
    """Root of every random stream."""
    fresh: bool = False
    """Delete an earlier demo first."""
    port: int = 8080
    """First port to try for the viewer."""
    serve: bool | None = None
    """Open the viewer at the end; by default only at a terminal."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = tyro.cli(DemoArgs, prog="octoworld demo", args=argv)
    from octoworld.core.io import read_json
    from octoworld.core.paths import asset
    from octoworld.recipes.worldenv import Run, WorldEnvConfig, profile, run_worldenv
    from octoworld.viewer.page import write_page

    if args.fresh:
        shutil.rmtree(args.out, ignore_errors=True)
    if (args.out / "config.yaml").exists():
        run = Run.resume(args.out, WorldEnvConfig)
    else:
        run = Run.create(args.out, profile("demo", args.seed))
    print(f"octoworld demo in {run.folder}")
    run_worldenv(run)
    card = read_json(asset("checkpoints", "tabletop", "card.json"))
    page = write_page(run.folder, run.path("page"))
    print()
    print(run.path("results.md").read_text())
    print(PRETRAINED.format(episodes=card["true_episodes"]))
    print(f"\npictures and films: {page}\nfilms: {run.path('videos')}")
    if args.serve or (args.serve is None and sys.stdout.isatty()):
        from octoworld.viewer.app import serve

        serve(run.folder, port=args.port)
    else:
        print(f"viewer: octoworld view {run.folder}  (http://127.0.0.1:{args.port})")
    return 0
