"""`octoworld demo`: a drone learns to hover, then the main job in minutes, then the viewer."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from .parse import parse

PRETRAINED = """Trained by us beforehand, from nothing, and shipped in assets/checkpoints/tabletop:
  grounding     where things are in a picture, from still scenes
  autoencoder, world model, reflector
                from {episodes} episodes of an earlier policy in true physics
Made here, just now: the demonstrations, the fine-tuned policy, its post-training, both tests.
All of it again, from nothing (hours): octoworld worldenv --profile small"""


HOVER_SECONDS = 50.0
"""Most that learning to hover may take [s]; it takes 20 CPU-seconds (`octoworld bench hover`)."""


@dataclass(frozen=True)
class DemoArgs:
    """Hover learnt; five demonstrations a task, fine-tuning, post-training in a world model, test.

    At the end the viewer.
    """

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
    args = parse(DemoArgs, "demo", argv)
    from octoworld.core.io import read_json
    from octoworld.core.paths import asset
    from octoworld.recipes.worldenv import Run, WorldEnvConfig, profile, run_worldenv
    from octoworld.viewer.page import write_page

    if args.fresh:
        shutil.rmtree(args.out, ignore_errors=True)
    hover(args.out / "hover", args.seed)
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


def hover(folder: Path, seed: int) -> None:
    """Train a controller of four rotors from nothing, and say how well it hovers."""
    from octoworld.recipes.fly import TrainConfig, default_config, train
    from octoworld.recipes.stages import Run

    from .train import report

    if (folder / "config.yaml").exists():
        run = Run.resume(folder, TrainConfig)
    else:
        config = default_config(
            "Hover", seed=seed, time_budget=HOVER_SECONDS, target_success=0.98, test_episodes=100
        )
        run = Run.create(folder, config)
    print(f"a drone learns to hover, from rotor speeds and nothing else, in {folder}", flush=True)
    print(report(train(run)))
    print(f"see it: octoworld play {folder}\n", flush=True)
