"""Supervised fine-tuning: imitate demonstrations, and learn how unsure the imitation is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, overload

import torch

from octoworld.core.config import save_config
from octoworld.core.errors import ConfigError, DatasetError
from octoworld.core.fit import FitConfig, fit
from octoworld.core.parallel import ALONE, Share
from octoworld.core.precision import autocast
from octoworld.core.registry import POLICIES
from octoworld.core.rng import derive_seed
from octoworld.data.episode import Episode

from .act import ActConfig
from .augment import AugmentConfig, augment_images, augment_state
from .dataset import SftDataset, build_dataset
from .diffusion import DiffusionConfig
from .freeze import frozen
from .imitation import Batch, Draws
from .mixture import Mixture, RowSampler
from .processors import Processor, images_to_float
from .tiny import TinyConfig, TinyPolicy
from .vision_policy import VisionConfig, VisionPolicy


@dataclass(frozen=True)
class SftConfig:
    """What is trained, how long, on how disturbed a picture."""

    model: TinyConfig | ActConfig | DiffusionConfig = field(default_factory=TinyConfig)
    """Which policy (by the type of its config) and its shape; sizes left at 0 come from the
    episodes."""
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(steps=2500, batch_size=64, ema_decay=0.99)
    )
    """The training loop."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Disturbances of what is seen."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16: the network by automatic mixed precision, on CUDA only; weights stay float32."""
    scale_weight: float = 0.1
    """Weight of the noise scale's likelihood (`tiny`, `act`); it never moves the mean."""
    privileged_weight: float = 0.1
    """Weight of predicting the recorded true state from the keypoints (`tiny`), if there is one."""
    frozen: tuple[str, ...] = ()
    """Parts that stay as they are, by the beginning of their weights' names: a grounded policy's
    eyes and ears, which a few demonstrations would only spoil."""
    stop_at_success: bool = True
    """Leave out what a demonstration does after its first success."""


def sft_loss(
    policy: VisionPolicy,
    dataset: SftDataset,
    rows: torch.Tensor,
    generator: torch.Generator,
    config: SftConfig,
    share: Share = ALONE,
) -> dict[str, torch.Tensor]:
    """The policy's loss on the frames `rows` (B,), disturbed; see its `imitation_loss`.

    With several processes `rows` is the global batch, and the losses are of this one's share.
    """
    mine = rows[share.rows(len(rows))]
    frames = dataset.frames(mine, policy.frames_back)
    images = {}
    for camera in policy.config.cameras:
        pixels = augment_images(dataset.images[camera][frames], config.augment, generator, share)
        images[camera] = images_to_float(pixels.flatten(0, 1)).unflatten(0, frames.shape)
    draws = Draws(generator, len(rows), rows.device, share)
    tokens = policy.processor.encode(dataset.instructions, policy.config.max_words)
    mask = dataset.mask[rows].float()
    batch = Batch(
        images=images,
        state=augment_state(
            dataset.state[frames], policy.state_std, config.augment, generator, share
        ),
        tokens=tokens.to(rows.device),
        token_rows=dataset.instruction[mine],
        actions=dataset.actions[mine],
        mask=mask[share.rows(len(rows))],
        count=mask.sum() / share.size,
        privileged=None if dataset.privileged is None else dataset.privileged[mine],
    )
    with autocast(config.precision, rows.device):
        return policy.imitation_loss(batch, draws, config)


def policy_class(config: VisionConfig) -> type[VisionPolicy]:
    """The registered policy whose config is of this class."""
    for name in POLICIES:
        cls = POLICIES.get(name)
        if getattr(cls, "config_class", None) is type(config):
            return cls
    raise ConfigError(f"no registered policy has a config of type {type(config).__name__}")


@overload
def make_policy(
    episodes: Sequence[Episode], dataset: SftDataset, config: TinyConfig, seed: int
) -> TinyPolicy: ...


@overload
def make_policy(
    episodes: Sequence[Episode], dataset: SftDataset, config: VisionConfig, seed: int
) -> VisionPolicy: ...


def make_policy(
    episodes: Sequence[Episode], dataset: SftDataset, config: VisionConfig, seed: int
) -> VisionPolicy:
    """An untrained policy that fits the episodes; its weights are a function of `seed`."""
    estimates = hasattr(config, "privileged_dim")
    privileged = dataset.privileged if estimates else None
    processor = Processor.fit(
        dataset.instructions,
        dataset.state.numpy(),
        dataset.actions[dataset.mask].numpy(),
        None if privileged is None else privileged.numpy(),
    )
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
    size = next(iter(dataset.images.values())).shape[1:]
    if tuple(size) != (config.image_size, config.image_size, 3):
        raise DatasetError(f"images of {tuple(size)}, the config asks for {config.image_size} px")
    if estimates:
        filled["privileged_dim"] = 0 if privileged is None else privileged.shape[-1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "sft", "weights"))
        return policy_class(config)(replace(config, **filled), processor)  # type: ignore[arg-type]


def continue_policy(
    initial: VisionPolicy, dataset: SftDataset, control_mode: str = ""
) -> VisionPolicy:
    """A copy of `initial` whose action statistics are those of the demonstrations.

    Its words and the statistics of what it perceives stay, since its weights were made for them.

    Raises:
        DatasetError: actions or proprioception are of another length than it was made for, or
            actions mean something else (`control_mode`, where it is known).
    """
    made_for = initial.config.control_mode
    if control_mode and made_for and control_mode != made_for:
        raise DatasetError(
            f"the policy to start from has control_mode {made_for!r}, the episodes have "
            f"{control_mode!r}"
        )
    for name, found in (("state_dim", dataset.state), ("action_dim", dataset.actions)):
        wanted = getattr(initial.config, name)
        if found.shape[-1] != wanted:
            raise DatasetError(
                f"the policy to start from has {name} {wanted}, the episodes have {found.shape[-1]}"
            )
    actions = dataset.actions[dataset.mask].numpy()
    fitted = Processor.fit(dataset.instructions, dataset.state.numpy(), actions)
    policy = type(initial)(initial.config, replace(initial.processor, action=fitted.action))
    policy.load_state_dict(initial.state_dict())
    return policy


def train_sft(
    data: Sequence[Episode] | Mixture,
    config: SftConfig,
    folder: Path | str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    initial: VisionPolicy | None = None,
) -> VisionPolicy:
    """Train a policy on demonstrations, from nothing or on; a killed run in `folder` goes on.

    Where `torch.distributed` is initialised (`octoworld.core.parallel.process_group`) each process
    computes its share of every batch, and process 0 writes the files.

    Args:
        data: the demonstrations, with the cameras that `config.model` names; a Mixture draws from
            several data sets by their weights.
        config: what to train and how.
        folder: run folder; gets `config.yaml`, `metrics.jsonl`, `state.safetensors` and, at the
            end, the policy in `policy/`.
        seed: weights, batches and augmentation are a function of it.
        device: where to train; the policy returned is there.
        initial: a policy to start from, e.g. a grounded one; its config is used, not the config's.

    Raises:
        ConfigError: the batch cannot be shared evenly, or bfloat16 is asked for without CUDA.
        DatasetError: the episodes do not fit each other or the config.
        CheckpointError: `folder` holds the state of another model.
    """
    folder, share = Path(folder), Share.current()
    share.rows(config.fit.batch_size)
    autocast(config.precision, device)
    mixture = data if isinstance(data, Mixture) else None
    episodes = data.episodes if isinstance(data, Mixture) else data
    model: VisionConfig = config.model if initial is None else initial.config
    dataset = build_dataset(episodes, model.horizon, model.cameras, config.stop_at_success)
    if initial is None:
        policy = make_policy(episodes, dataset, model, seed).to(device)
    else:
        control_mode = str(episodes[0].info.get("control_mode", ""))
        policy = continue_policy(initial, dataset, control_mode).to(device)
    dataset = dataset.to(device)
    if mixture is None:
        sample = RowSampler([len(dataset)], [1.0])
    else:
        sample = mixture.sampler(config.stop_at_success)
    if share.rank == 0:
        save_config(replace(config, model=policy.config), folder / "config.yaml")

    def loss_fn(step: int, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        rows = sample(config.fit.batch_size, generator).to(device)
        return sft_loss(policy, dataset, rows, generator, config, share)

    with frozen(policy, config.frozen):
        fit(policy, loss_fn, config.fit, folder, seed=seed, label="sft")
    if share.rank == 0:
        policy.save_pretrained(folder / "policy")
    share.wait()
    return policy
