"""`octoworld publish RUN`: small checkpoints of a run, for other runs to start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class PublishArgs:
    """Grounding, autoencoder, world model and reflector in half precision, with a card."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of a `worldenv` run that has trained them."""
    out: Path
    """Folder to write; an older one is replaced at once when all is there."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = tyro.cli(PublishArgs, prog="octoworld publish", args=argv)
    from octoworld.recipes.worldenv import Run, WorldEnvConfig
    from octoworld.recipes.worldenv.publish import publish

    card = publish(Run.resume(args.run, WorldEnvConfig), args.out)
    print(f"{args.out}: {', '.join(card['parts'])}")
    return 0
