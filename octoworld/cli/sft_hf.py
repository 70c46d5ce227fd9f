"""`octoworld sft DATASET --policy hf`: fine-tune a pretrained vision-language model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .sft import SftArgs


def is_hf(folder: Path | None) -> bool:
    """Whether a saved policy is of this kind."""
    if folder is None:
        return False
    from octoworld.core.errors import CheckpointError
    from octoworld.core.io import read_json

    for place in (folder, folder / "policy"):
        try:
            return read_json(place / "config.json").get("type") == "hf"
        except (AttributeError, CheckpointError):  # who loads it says what is wrong with it
            continue
    return False


def train(args: SftArgs) -> int:
    """Train on the data set of `args`; returns the exit status."""
    from octoworld.core.config import from_dict
    from octoworld.core.errors import ConfigError
    from octoworld.core.fit import FitConfig
    from octoworld.data.reader import Dataset
    from vla.checkpoint import load_policy
    from vla.hf import HfConfig, HfPolicy
    from vla.hf.sft import HfSftConfig, train_hf

    from .settings import pairs

    model = from_dict(HfConfig, {"cameras": list(args.cameras)} | pairs("set", args.set))
    initial = None
    if args.initial is not None:
        loaded = load_policy(args.initial, robot=args.robot)
        if not isinstance(loaded, HfPolicy):
            raise ConfigError(f"{args.initial} holds no policy of kind 'hf'")
        if args.set:
            raise ConfigError("--set is for a new policy; --initial brings its own config")
        initial = loaded.to(args.device)
    elif not model.model:
        raise ConfigError("--policy hf needs --set model=..., a hub id or the folder of a model")
    config = HfSftConfig(
        model=model,
        fit=FitConfig(
            steps=args.steps, batch_size=args.batch_size, learning_rate=args.learning_rate
        ),
    )
    if len(args.dataset) != 1 or args.weights or args.precision != "float32":
        raise ConfigError("--policy hf trains on one data set, without --weights and --precision")
    episodes = Dataset(args.dataset[0], expect_robot=args.robot).load_all()
    names = [args.dataset[0].name]
    train_hf(episodes, config, args.out, args.seed, args.device, initial=initial, datasets=names)
    print(f"policy: {args.out / 'policy'}")
    return 0
