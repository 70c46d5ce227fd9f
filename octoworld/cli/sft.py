"""`octoworld sft DATASET...`: fine-tune a policy on demonstrations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from .parse import parse
from .settings import pairs


@dataclass(frozen=True)
class SftArgs:
    """Imitate the episodes of LeRobot v3 data sets; the policy ends in OUT/policy.

    Started as `torchrun --nproc-per-node 2 -m octoworld.cli.main sft ...` it shares every batch
    between the processes.
    """

    dataset: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Data set folders, of the same robot, cameras and lengths of actions and proprioception."""
    out: Path
    """Run folder; a run that was stopped there goes on."""
    policy: Literal["tiny", "act", "diffusion", "hf"] = "tiny"
    """Kind of a new policy (one to start from brings its own); `hf` is any pretrained
    vision-language model of `transformers`."""
    set: tuple[str, ...] = ()
    """Fields of a new policy's config, e.g. `chunk_size=8 temporal_ensemble=true`, or of `hf`
    `model=FOLDER_OR_HUB_ID head=flow`."""
    weights: tuple[float, ...] = ()
    """Share of each data set in the batches; default: by its number of steps."""
    initial: Path | None = None
    """Policy to start from, e.g. the grounded one in assets/checkpoints/tabletop/grounding."""
    robot: str = "panda"
    """Robot that the data sets must be of."""
    steps: int = 1500
    """Optimiser steps."""
    batch_size: int = 64
    """Frames a step, over all processes."""
    learning_rate: float = 5e-4
    """Peak rate of AdamW."""
    ema_decay: float = 0.99
    """Decay of the averaged weights, which are the ones saved; 0 saves the raw ones."""
    cameras: tuple[str, ...] = ("front",)
    """Cameras that a new policy sees (one to start from brings its own)."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where to train."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16 (automatic mixed precision) is for cuda."""
    seed: int = 0
    """Weights, batches and augmentation are a function of it."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(SftArgs, "sft", argv)
    from octoworld.core.errors import ConfigError

    from .sft_hf import is_hf, train

    if args.policy == "hf" or is_hf(args.initial):
        return train(args)
    from octoworld.core.fit import FitConfig
    from octoworld.core.parallel import process_group
    from vla.checkpoint import load_policy
    from vla.freeze import PERCEPTION
    from vla.sft import SftConfig, train_sft
    from vla.tiny import TinyPolicy
    from vla.vision_policy import VisionPolicy

    initial = None
    config = SftConfig(
        model=model_config(args),
        fit=FitConfig(
            steps=args.steps,
            batch_size=args.batch_size,
            learning_rate=args.learning_rate,
            ema_decay=args.ema_decay,
        ),
        precision=args.precision,
    )
    if args.initial is not None:
        loaded = load_policy(args.initial, robot=args.robot)
        if not isinstance(loaded, VisionPolicy):
            raise ConfigError(f"{args.initial} holds no policy that sees; sft cannot train it")
        initial = loaded
        if isinstance(loaded, TinyPolicy):
            config = replace(config, frozen=PERCEPTION, privileged_weight=0.0)
    data = load_data(args)
    with process_group(args.device) as device:
        train_sft(data, config, args.out, args.seed, device, initial=initial)
    print(f"policy: {args.out / 'policy'}")
    return 0


def model_config(args: SftArgs) -> Any:
    """The config of a new policy.

    Raises:
        ConfigError: a field of `--set` is unknown or has a wrong value.
    """
    from octoworld.core.config import from_dict
    from vla.act import ActConfig
    from vla.diffusion import DiffusionConfig
    from vla.tiny import TinyConfig

    fields: dict[str, Any] = {"cameras": list(args.cameras)}
    fields |= pairs("set", args.set)
    kinds = {"tiny": TinyConfig, "act": ActConfig, "diffusion": DiffusionConfig}
    return from_dict(kinds[args.policy], fields)


def load_data(args: SftArgs) -> Any:
    """Episodes of one data set, or a mixture of several.

    Raises:
        ConfigError: no data set, or not a weight for each data set.
        DatasetError: one is missing, damaged, or does not fit the others.
    """
    from octoworld.core.errors import ConfigError
    from octoworld.data.reader import Dataset
    from vla.mixture import Mixture, Source

    if not args.dataset:
        raise ConfigError("dataset: expected at least one folder (`octoworld sft --help` explains)")
    if args.weights and len(args.weights) != len(args.dataset):
        raise ConfigError(
            f"--weights: expected one for each of {len(args.dataset)} data sets, "
            f"got {len(args.weights)}"
        )
    loaded = [Dataset(folder, expect_robot=args.robot).load_all() for folder in args.dataset]
    if len(loaded) == 1:
        return loaded[0]
    # by number of steps: every step is as likely as in one data set
    weights = args.weights or [float(sum(len(e) for e in episodes)) for episodes in loaded]
    names = [str(folder) for folder in args.dataset]
    return Mixture(tuple(Source(n, e, w) for n, e, w in zip(names, loaded, weights, strict=True)))
