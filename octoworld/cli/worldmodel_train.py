"""`octoworld worldmodel train DATASET...`: a world model from recordings of one robot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from .parse import parse
from .settings import pairs


@dataclass(frozen=True)
class WorldModelTrainArgs:
    """Learn to foresee what the cameras see, from LeRobot v3 data sets of any robot.

    Autoencoder, tokenizer where codes are drawn, then the world model, in OUT/autoencoder,
    OUT/tokenizer and OUT/worldmodel. A run that was stopped in OUT goes on. Started as
    `torchrun --nproc-per-node 2 -m octoworld.cli.main worldmodel train ...` it shares every batch
    between the processes.
    """

    dataset: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Data set folders of one robot, with images, observation.state and action."""
    out: Path
    """Run folder; a run that was stopped there goes on."""
    paradigm: Literal["flow", "autoregressive"] = "flow"
    """Frames by flow matching, or code by code."""
    autoencoder: Path | None = None
    """Autoencoder (or tokenizer, which brings one along) to take instead of training one."""
    initial: Path | None = None
    """World model to train further, e.g. RUN/worldmodel."""
    cameras: tuple[str, ...] = ()
    """Cameras that are seen and drawn; default: all that were recorded."""
    image_size: int = 64
    """Side of the squares that frames are brought to [pixel], a multiple of 16."""
    steps: int | None = None
    """Optimiser steps of the world model; default: its config's."""
    batch_size: int | None = None
    """Clips a step, over all processes; default: the config's."""
    set: tuple[str, ...] = ()
    """Any other field by its dotted name, e.g. `worldmodel.model.dim=96 worldmodel.polish.steps=0
    autoencoder_fit.steps=1500`; OUT/config.yaml names them all."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where to train."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16 (automatic mixed precision) is for cuda."""
    seed: int = 0
    """Weights, batches and noise are a function of it."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(WorldModelTrainArgs, "worldmodel train", argv)
    from octoworld.core.parallel import Share, process_group
    from octoworld.recipes.worldmodel_train import run_config, train_worldmodel

    config = run_config(args.paradigm, changes(args))
    with process_group(args.device) as device:
        train_worldmodel(
            args.dataset, config, args.out, seed=args.seed, device=device,
            autoencoder=args.autoencoder, initial=args.initial,
        )  # fmt: skip
        if Share.current().rank == 0:
            print(f"world model: {args.out / 'worldmodel'}")
    return 0


def changes(args: WorldModelTrainArgs) -> dict[str, Any]:
    """Dotted names of config fields -> values asked for; `--set` goes before the others."""
    asked = {
        "cameras": list(args.cameras),
        "image_size": args.image_size,
        "worldmodel.precision": args.precision,
    }
    if args.steps is not None:
        asked["worldmodel.fit.steps"] = args.steps
    if args.batch_size is not None:
        asked["worldmodel.fit.batch_size"] = args.batch_size
        asked["worldmodel.polish.batch_size"] = args.batch_size
    return asked | pairs("set", args.set)
