"""`octoworld worldmodel rlir RUN DATASET...`: a world model learns to show what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .parse import parse
from .settings import pairs


@dataclass(frozen=True)
class WorldModelRlirArgs:
    """Post-train a world model by RLIR: GRPO on the actions that can be read off its video.

    A frame earns nothing where things vanish or nothing moves; a data term holds the model to its
    recordings; the run stops where the reward is that of recorded video and where pictures decay.
    OUT is a run folder as RUN is, so that `worldmodel eval OUT` examines it.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Run folder of `octoworld worldmodel train`."""
    dataset: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Recordings from which prompts and the data term are drawn."""
    held_out: Path
    """Recordings that are watched meanwhile, and judged before and after."""
    readers: Path
    """Folder of `octoworld worldmodel readers`."""
    out: Path
    """Run folder of the result; a run that was stopped there goes on."""
    iterations: int = 200
    """Rounds of imagining and learning."""
    set: tuple[str, ...] = ()
    """Other fields by dotted names, e.g. `rlir.rl.learning_rate=2e-4 rlir.prompts.chunks=3`."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where to train."""
    seed: int = 0
    """Prompts, noise and batches are a function of it."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(WorldModelRlirArgs, "worldmodel rlir", argv)
    from octoworld.core.config import changed
    from octoworld.recipes.worldmodel_rlir import ImproveConfig, improve_worldmodel, judged_table

    asked = {"rlir.rl.iterations": args.iterations} | pairs("set", args.set)
    told = improve_worldmodel(
        args.run, args.dataset, args.held_out, args.readers, changed(ImproveConfig(), asked),
        args.out, seed=args.seed, device=args.device,
    )  # fmt: skip
    print(judged_table(told))
    print(f"world model: {args.out / 'worldmodel'}")
    return 0
