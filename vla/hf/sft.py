"""Supervised fine-tuning of an `hf` policy: imitate demonstrations, from a pretrained model on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from octoworld.core.config import save_config
from octoworld.core.errors import DatasetError
from octoworld.core.fit import FitConfig, fit
from octoworld.data.episode import Episode
from octoworld.rl.trained import Trained

from ..augment import AugmentConfig, augment_images, augment_state
from ..sft import SftDataset, build_dataset
from .card import RunFacts
from .config import HfConfig
from .model import HfPolicy
from .statistics import HfStatistics


@dataclass(frozen=True)
class HfSftConfig:
    """What is trained, how long, on how disturbed a picture."""

    model: HfConfig = field(default_factory=HfConfig)
    """The policy; sizes left at 0 come from the episodes."""
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(steps=2000, batch_size=16, learning_rate=5e-4)
    )
    """The training loop; the rate is OpenVLA's for adapters (section 5.3 of its paper)."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Disturbances of what is seen."""
    stop_at_success: bool = True
    """Leave out what a demonstration does after its first success."""


def fill_config(episodes: Sequence[Episode], dataset: SftDataset, config: HfConfig) -> HfConfig:
    """The config with its fields "from the data" filled in.

    Raises:
        DatasetError: it asks for something else than the episodes are of.
    """
    filled: dict[str, int | str] = {
        "state_dim": dataset.state.shape[-1],
        "action_dim": dataset.actions.shape[-1],
        "robot": str(episodes[0].info.get("robot", "")),
        "control_mode": str(episodes[0].info.get("control_mode", "")),
    }
    for name, value in filled.items():
        asked = getattr(config, name)
        if asked and asked != value:
            raise DatasetError(
                f"the config asks for {name} {asked!r}, the episodes are of {value!r}"
            )
    return replace(config, **filled)  # type: ignore[arg-type]


def train_hf(
    episodes: Sequence[Episode],
    config: HfSftConfig,
    folder: Path | str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    initial: HfPolicy | None = None,
    datasets: Sequence[str] = (),
    save_base: bool = False,
) -> HfPolicy:
    """Train a policy on demonstrations; a killed run in `folder` goes on.

    Args:
        episodes: the demonstrations, with the cameras that `config.model` names.
        config: what to train and how.
        folder: run folder; gets `config.yaml`, `metrics.jsonl`, `state.safetensors` (trained
            weights alone) and, at the end, the policy in `policy/`.
        seed: new weights, batches, noise and augmentation are a function of it.
        device: where to train; the policy returned is there.
        initial: a policy to train on, in place; its config and its statistics stay, since its
            words for actions mean bins of those. Its device is used.
        datasets: names of the data sets, for the model card.
        save_base: also write the pretrained model beside the policy.

    Raises:
        DatasetError: the episodes do not fit each other, the config or `initial`.
        CheckpointError: the pretrained model cannot be loaded or used; `folder` holds the state of
            another model.
        ConfigError: the config does not fit the pretrained model or the device.
    """
    folder = Path(folder)
    asked = config.model if initial is None else initial.config
    dataset = build_dataset(episodes, asked.chunk_size, asked.cameras, config.stop_at_success)
    model = fill_config(episodes, dataset, asked)
    if initial is None:
        demonstrated = dataset.actions[dataset.mask].numpy()
        statistics = HfStatistics.fit(dataset.state.numpy(), demonstrated)
        policy = HfPolicy.build(model, statistics, seed, device)
    else:
        policy = initial
    policy.check_order(dataset.images, dataset.state, dataset.instructions[0])
    save_config(replace(config, model=policy.config), folder / "config.yaml")
    batch_size = config.fit.batch_size

    def loss_fn(step: int, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        rows = torch.randint(len(dataset), (batch_size,), generator=generator)
        return batch_loss(policy, dataset, rows, generator, config.augment)

    fit(Trained(policy), loss_fn, config.fit, folder, seed=seed, label="sft")
    policy.facts = RunFacts(
        datasets=tuple(datasets),
        episodes=len(episodes),
        frames=len(dataset),
        steps=config.fit.steps,
        batch_size=batch_size,
        seed=seed,
    )
    policy.save_pretrained(folder / "policy", save_base=save_base)
    return policy


def batch_loss(
    policy: HfPolicy,
    dataset: SftDataset,
    rows: torch.Tensor,
    generator: torch.Generator,
    augment: AugmentConfig,
) -> dict[str, torch.Tensor]:
    """The policy's losses on the frames `rows` (B,) of a data set on the CPU, disturbed."""
    images = {
        camera: augment_images(dataset.images[camera][rows], augment, generator)
        for camera in policy.config.cameras
    }
    std = policy.state_std.cpu()
    state = augment_state(dataset.state[rows], std, augment, generator)
    texts = [dataset.instructions[i] for i in dataset.instruction[rows].tolist()]
    return policy.loss(images, state, texts, dataset.actions[rows], dataset.mask[rows], generator)
