"""`octoworld publish RUN`: what a run has learned, as small checkpoints with a card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from .parse import parse


@dataclass(frozen=True)
class PublishArgs:
    """A controller; or grounding, autoencoder, world model and reflector in half precision."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of a finished `train` run, or of a `worldenv` run that has trained them all."""
    out: Path
    """Folder to write; an older one is replaced at once when all is there."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(PublishArgs, "publish", argv)
    import yaml

    from octoworld.recipes.stages import Run

    config = args.run / "config.yaml"
    if config.exists() and "algo" in (yaml.safe_load(config.read_text()) or {}):
        from octoworld.recipes.fly import TrainConfig
        from octoworld.recipes.fly.publish import publish as publish_controller

        card = publish_controller(Run.resume(args.run, TrainConfig), args.out)
        success, (low, high) = card["test"]["success"], card["test"]["ci"]
        print(
            f"{args.out}: {card['task']}, test success {100 * success:.1f} % "
            f"[{100 * low:.1f}, {100 * high:.1f}]"
        )
        return 0
    from octoworld.recipes.worldenv import WorldEnvConfig
    from octoworld.recipes.worldenv.publish import publish

    card = publish(Run.resume(args.run, WorldEnvConfig), args.out)
    print(f"{args.out}: {', '.join(card['parts'])}")
    return 0
