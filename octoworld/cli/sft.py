"""`octoworld sft DATASET`: fine-tune a policy on demonstrations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .parse import parse


@dataclass(frozen=True)
class SftArgs:
    """Imitate the episodes of a LeRobot v3 data set; the policy ends in OUT/policy."""

    dataset: Annotated[Path, tyro.conf.Positional]
    """Data set folder."""
    out: Path
    """Run folder; a run that was stopped there goes on."""
    policy: Literal["tiny", "hf"] = "tiny"
    """Kind of a new policy; `hf` is any pretrained vision-language model of `transformers`."""
    set: tuple[str, ...] = ()
    """Fields of a new `hf` policy's config, e.g. `model=FOLDER_OR_HUB_ID head=flow`."""
    initial: Path | None = None
    """Policy to start from, e.g. the grounded one in assets/checkpoints/tabletop/grounding."""
    robot: str = "panda"
    """Robot that the data set must be of."""
    steps: int = 1500
    """Optimiser steps."""
    batch_size: int = 64
    """Frames a step."""
    learning_rate: float = 5e-4
    """Peak rate of AdamW."""
    cameras: tuple[str, ...] = ("front",)
    """Cameras that a new policy sees (one to start from brings its own)."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where an `hf` policy is trained."""
    seed: int = 0
    """Weights, batches and augmentation are a function of it."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(SftArgs, "sft", argv)
    from .sft_hf import is_hf, train

    if args.policy == "hf" or is_hf(args.initial):
        return train(args)
    from octoworld.core.fit import FitConfig
    from octoworld.data.reader import Dataset
    from vla.checkpoint import load_policy
    from vla.freeze import PERCEPTION
    from vla.sft import SftConfig, train_sft
    from vla.tiny import TinyConfig, TinyPolicy

    episodes = Dataset(args.dataset, expect_robot=args.robot).load_all()
    initial = None
    config = SftConfig(
        model=TinyConfig(cameras=args.cameras),
        fit=FitConfig(
            steps=args.steps,
            batch_size=args.batch_size,
            learning_rate=args.learning_rate,
            ema_decay=0.99,
        ),
    )
    if args.initial is not None:
        loaded = load_policy(args.initial, robot=args.robot)
        assert isinstance(loaded, TinyPolicy)  # the only kind that train_sft takes
        initial = loaded
        config = replace(config, frozen=PERCEPTION, privileged_weight=0.0)
    train_sft(episodes, config, args.out, args.seed, initial=initial)
    print(f"policy: {args.out / 'policy'}")
    return 0
