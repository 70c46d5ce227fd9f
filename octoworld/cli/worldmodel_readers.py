"""`octoworld worldmodel readers RUN DATASET...`: networks that read actions off frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .parse import parse
from .settings import pairs


@dataclass(frozen=True)
class WorldModelReadersArgs:
    """Train RLIR's reward and its independent judge, and try both at the gate.

    They share no episode, architecture or seed. The gate asks that whole actions are read off true
    clips and are not read off frozen, blurred, shuffled, reversed, darkened ones or under other
    actions; `worldmodel rlir` refuses readers that did not pass.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Run folder of `octoworld worldmodel train`."""
    dataset: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Recordings of the same robot; actions of every size and sign teach most."""
    out: Path
    """Folder of both; what was stopped there goes on."""
    dimensions: tuple[str, ...] = ()
    """Numbers of the action that are read, by name; default: all."""
    bins: int = 11
    """Equal parts of [-1, 1] of each, an odd number."""
    steps: int = 4000
    """Optimiser steps of each."""
    set: tuple[str, ...] = ()
    """Other fields by dotted names, e.g. `gate.clips=64 reward.model.stride=2`."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where to train."""
    seed: int = 0
    """The reward's; the judge's is one more."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status: 1 where a reader did not pass."""
    args = parse(WorldModelReadersArgs, "worldmodel readers", argv)
    from octoworld.core.config import changed
    from octoworld.recipes.worldmodel_rlir import ReadersConfig, gates_table, train_readers

    asked: dict[str, object] = {}
    for role in ("reward", "judge"):
        asked[f"{role}.model.num_bins"] = args.bins
        asked[f"{role}.model.dimensions"] = list(args.dimensions)
        asked[f"{role}.fit.steps"] = args.steps
    config = changed(ReadersConfig(), asked | pairs("set", args.set))
    reports = train_readers(
        args.run, args.dataset, config, args.out, seed=args.seed, device=args.device
    )
    print(gates_table(reports))
    for role, report in reports.items():
        if report.failures:
            print(f"{role}: {'; '.join(report.failures)}")
    return 0 if all(report.passed for report in reports.values()) else 1
