"""`octoworld worldmodel perceptual DATASET...`: a network that measures how pictures differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .parse import parse
from .settings import pairs


@dataclass(frozen=True)
class PerceptualArgs:
    """Train an own small network for perceptual and Fréchet distances of frames.

    It must not see the recordings that it is to judge: `worldmodel eval` refuses that. A part of
    the episodes is held out, on which the network must order known damage; OUT/order.json says how
    well it does, beside PSNR, SSIM and the untrained network.
    """

    dataset: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Data set folders of one robot, with images, observation.state and action."""
    out: Path
    """Folder of the network; a training that was stopped there goes on."""
    cameras: tuple[str, ...] = ()
    """Cameras looked through; default: all that were recorded."""
    image_size: int = 64
    """Side of the squares that frames are brought to [pixel], as the world model's."""
    steps: int = 1500
    """Optimiser steps."""
    set: tuple[str, ...] = ()
    """Other fields of the network's config, e.g. `width=24 fit.batch_size=32`."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where to train."""
    seed: int = 0
    """Weights and batches are a function of it."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(PerceptualArgs, "worldmodel perceptual", argv)
    from octoworld.core.config import changed
    from octoworld.core.parallel import Share, process_group
    from octoworld.recipes.worldmodel_perceptual import make_perceptual, order_table
    from worldmodels.perceptual import PerceptualConfig

    config = changed(PerceptualConfig(), {"fit.steps": args.steps} | pairs("set", args.set))
    with process_group(args.device) as device:
        scores = make_perceptual(
            args.dataset, config, args.out, seed=args.seed, device=device, cameras=args.cameras,
            image_size=args.image_size,
        )  # fmt: skip
        if Share.current().rank == 0:
            print(order_table(scores))
            print(f"perceptual network: {args.out}")
    return 0
