"""`octoworld worldmodel reflector WORLD DATASET...`: who judges success, and when to stop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .parse import parse
from .settings import pairs


@dataclass(frozen=True)
class WorldModelReflectorArgs:
    """Train a reflector on recorded frames and on what a world model makes of their actions.

    Training ends when held-out episodes say so; on these temperature, bias and threshold are set.
    """

    world: Annotated[Path, tyro.conf.Positional]
    """Folder with worldmodel/, e.g. a run of `worldmodel train` or `worldenv`."""
    dataset: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Recordings with successes and failures, best of the policies that are to be judged."""
    out: Path
    """Folder of the reflector; what was stopped there goes on."""
    steps: int = 4000
    """Most optimiser steps."""
    clips: int = 600
    """Recorded episodes, or parts of them, that are imagined."""
    set: tuple[str, ...] = ()
    """Other fields by dotted names, e.g. `train.model.width=32 replay.chunks=6`."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where to train."""
    seed: int = 0
    """Root of all random streams."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(WorldModelReflectorArgs, "worldmodel reflector", argv)
    from octoworld.core.config import changed
    from octoworld.recipes.reflector_job import (
        ReflectorJobConfig,
        cards_table,
        train_from_recordings,
    )

    asked: dict[str, object] = {"train.fit.steps": args.steps, "replay.clips": args.clips}
    config = changed(ReflectorJobConfig(), asked | pairs("set", args.set))
    cards = train_from_recordings(
        args.world, args.dataset, config, args.out, seed=args.seed, device=args.device
    )
    print(cards_table(cards))
    return 0
