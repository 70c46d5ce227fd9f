"""`octoworld worldmodel distill RUN DATASET...`: a flow world model that takes fewer steps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .parse import parse
from .settings import pairs


@dataclass(frozen=True)
class WorldModelDistillArgs:
    """Teach a student to draw in one or two Euler steps what its teacher draws in four or more.

    Imagination costs a pass of the network a step. OUT is a run folder as RUN is, so that
    `worldmodel eval OUT` examines the student; a run that was stopped there goes on.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Run folder of `octoworld worldmodel train --paradigm flow`."""
    dataset: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Recordings from whose moments both imagine."""
    held_out: Path
    """Recordings on which teacher and student are measured."""
    out: Path
    """Run folder of the result."""
    steps: int = 1
    """Euler steps of the student."""
    teacher_steps: int = 4
    """Euler steps of the teacher."""
    set: tuple[str, ...] = ()
    """Other fields by dotted names, e.g. `fit.steps=3000 chunks=3`."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where to train."""
    seed: int = 0
    """Clips and noise are a function of it."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(WorldModelDistillArgs, "worldmodel distill", argv)
    from octoworld.core.config import changed
    from octoworld.recipes.worldmodel_distill import distill_worldmodel, distilled_table
    from worldmodels.flow import DistillConfig

    config = DistillConfig(steps=args.steps, teacher_steps=args.teacher_steps)
    told = distill_worldmodel(
        args.run, args.dataset, args.held_out, changed(config, pairs("set", args.set)), args.out,
        seed=args.seed, device=args.device,
    )  # fmt: skip
    print(distilled_table(told))
    print(f"world model: {args.out / 'worldmodel'}")
    return 0
