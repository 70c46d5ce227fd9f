"""Train an InverseDynamics model on recorded episodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from octoworld.core.config import to_dict
from octoworld.core.errors import ConfigError, DatasetError
from octoworld.core.fit import FitConfig, fit
from octoworld.core.parallel import Share
from octoworld.core.rng import derive_seed, torch_generator

from ..dataset import EpisodeDataset
from .augment import DisturbConfig, disturb
from .bins import bin_labels, to_bins
from .config import InverseDynamicsConfig
from .model import InverseDynamics, Reading
from .roles import Role, check_unseen, episode_ids
from .sampler import ActionSampler
from .scores import evaluate_inverse_dynamics
from .spoil import SpoilConfig, spoil


@dataclass(frozen=True)
class InverseDynamicsTrainConfig:
    """An inverse-dynamics model and its training. `reward_config` and `judge_config` make pairs."""

    role: Role = "reward"
    """What it is for; kept in the checkpoint."""
    model: InverseDynamicsConfig = field(default_factory=InverseDynamicsConfig)
    """Sizes. Its `cameras` must be in the data; image size and action names are taken from it."""
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=4000, batch_size=16, learning_rate=1.5e-3, weight_decay=1e-2, ema_decay=0.995
        )
    )
    """Optimisation; a batch is clips."""
    clip_steps: int = 6
    """Actions of a training clip, a multiple of the stride."""
    balanced_share: float = 0.5
    """Share of the clips drawn by how rare an action of theirs is."""
    disturb: DisturbConfig = field(default_factory=DisturbConfig)
    """What is done to images, and must not matter."""
    spoil: SpoilConfig = field(default_factory=SpoilConfig)
    """What is done to some, and must be refused."""
    redrawn_share: float = 0.5
    """Share of the clips taken from `redrawn`, where that is given."""
    label_spread: float = 0.5
    """Softness of the binned head's labels [bin]; see `bin_labels`."""
    value_weight: float = 4.0
    """Weight of the continuous head's absolute error."""
    state_weight: float = 2.0
    """Weight of the absolute error of telling proprioception [its std] from frames: a hint in
    training where to look; it is never an input."""
    doubt_weight: float = 2.0
    """Weight of the cross-entropy of telling spoiled frames."""
    held_out_clips: int = 64
    """Clips of held-out episodes that are read at every row of metrics."""


def reward_config(**model: Any) -> InverseDynamicsTrainConfig:
    """The reward's: keypoints. `model` are fields of InverseDynamicsConfig."""
    return InverseDynamicsTrainConfig(
        "reward", InverseDynamicsConfig(architecture="keypoints", **model)
    )


def judge_config(**model: Any) -> InverseDynamicsTrainConfig:
    """The judge's: correlation. `model` are fields of InverseDynamicsConfig."""
    return InverseDynamicsTrainConfig(
        "judge", InverseDynamicsConfig(architecture="correlation", **model)
    )


def train_inverse_dynamics(
    dataset: EpisodeDataset,
    config: InverseDynamicsTrainConfig,
    folder: Path | str,
    *,
    seed: int,
    device: str = "cpu",
    held_out: EpisodeDataset | None = None,
    redrawn: Mapping[str, torch.Tensor] | None = None,
) -> tuple[InverseDynamics, dict[str, float]]:
    """A trained model on `device` (weights also in `folder`), and its last metrics.

    With `held_out` the log also tells how a few of its clips are read as training goes on, by the
    weights of that step (not yet averaged), and the metrics have the final card's numbers.

    Args:
        dataset: episodes to learn from.
        config: sizes and optimisation.
        folder: run folder of `fit`; an unfinished run there is resumed.
        seed: root of all random streams; not the other role's.
        device: where it is trained and stays.
        held_out: other episodes.
        redrawn: the frames of `dataset` as an autoencoder draws them, camera -> (F, H, W, 3)
            uint8: whoever is to read imagined frames should know what those look like at best.

    Raises:
        ConfigError: a camera is not in the data, images are no squares, or sizes do not fit.
        DatasetError: episodes are too short, `held_out` shares some with `dataset`, or `redrawn`
            has not a frame for each of the data.
    """
    settings = fitted(config.model, dataset)
    torch.manual_seed(derive_seed(seed, "inverse_dynamics", config.role, "init"))
    ids = sorted(set(episode_ids(dataset)))
    model = InverseDynamics(to_dict(settings), config.role, seed, ids, dataset.proprio.shape[1])
    model.to(device)  # type: ignore[arg-type]
    sampler = ActionSampler(dataset, settings, config.clip_steps, config.balanced_share)
    watched = None
    if held_out is not None:
        check_unseen(model, held_out, "held_out")
        watched = _watched(held_out, settings, config, seed)
    if redrawn is not None:
        _check_redrawn(redrawn, dataset, model.cameras)
    mean, std = dataset.proprio.mean(0), dataset.proprio.std(0).clamp(min=1e-4)
    share = Share.current()

    def loss_fn(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        rows = sampler.draw(config.fit.batch_size, generator)
        rows = rows[torch.randperm(len(rows), generator=generator)]  # rare ones come last
        rows = rows[share.rows(config.fit.batch_size)]
        frames = {camera: dataset.frames[camera][rows] for camera in model.cameras}
        if redrawn is not None:
            few = torch.rand(len(rows), generator=generator) < config.redrawn_share
            for camera, clips in frames.items():
                clips[few] = redrawn[camera][rows[few]]
        images, spoiled = spoil(model.images(frames), config.spoil, generator)
        images = {camera: disturb(x, config.disturb, generator) for camera, x in images.items()}
        wanted = model.asked(dataset.actions[rows[:, :-1]])
        state = (dataset.proprio[rows[:, settings.stride :: settings.stride]] - mean) / std
        losses = reading_loss(model(images), wanted, state.to(model.device), spoiled, config)
        if watched is not None and (step + 1) % config.fit.log_every == 0:
            losses |= _watch(model, *watched)
        return losses

    label = f"inverse_{config.role}"
    metrics = fit(model, loss_fn, config.fit, folder, seed=seed, label=label)
    if held_out is not None:
        card = evaluate_inverse_dynamics(model, held_out)
        metrics |= {
            f"{label}/held_out_joint": card.joint,
            f"{label}/held_out_f1": card.mean_f1,
            f"{label}/held_out_error": sum(card.error) / len(card.error),
        }
        for name, exact in zip(card.dimensions, card.exact, strict=True):
            metrics[f"{label}/held_out_{name}"] = exact
    model.eval().save_pretrained(str(folder))
    return model, metrics


def reading_loss(
    reading: Reading,
    wanted: torch.Tensor,
    state: torch.Tensor,
    spoiled: torch.Tensor,
    config: InverseDynamicsTrainConfig,
) -> dict[str, torch.Tensor]:
    """Cross-entropy of bins and absolute error of values, where not spoiled; and telling which are.

    `wanted` is (B, N, D) in [-1, 1], `state` (B, N, P) standardised, `spoiled` (B, N) bool.
    """
    num_bins = reading.logits.shape[-1]
    labels = bin_labels(wanted, num_bins, config.label_spread)
    used = (~spoiled).float()

    def mean(x: torch.Tensor) -> torch.Tensor:
        return (x * used).sum() / used.sum().clamp(min=1)

    entropy = mean(-(labels * reading.logits.log_softmax(-1)).sum(-1).mean(-1))
    error = mean((reading.values - wanted).abs().mean(-1))
    seen = mean((reading.state - state).abs().mean(-1))
    doubt = F.binary_cross_entropy_with_logits(reading.doubt, spoiled.float())
    right = reading.logits.argmax(-1) == to_bins(wanted, num_bins)
    return {
        "loss": entropy
        + config.value_weight * error
        + config.state_weight * seen
        + config.doubt_weight * doubt,
        "entropy": entropy,
        "error": error,
        "state": seen,
        "doubt": doubt,
        "joint": mean(right.all(-1).float()),
        "told": (reading.refused == spoiled).float().mean(),
    }


def fitted(config: InverseDynamicsConfig, dataset: EpisodeDataset) -> InverseDynamicsConfig:
    """`config` with the image size and the action names of the data.

    Raises:
        ConfigError: a camera is not in the data, or its images are no squares or of another size.
    """
    missing = [c for c in config.cameras if c not in dataset.frames]
    if missing:
        raise ConfigError(
            f"cameras: {', '.join(missing)} not in the data, which has {', '.join(dataset.frames)}"
        )
    sizes = {tuple(dataset.frames[c].shape[1:3]) for c in config.cameras}
    size = next(iter(sizes))
    if len(sizes) > 1 or size[0] != size[1]:
        raise ConfigError(f"images of {sorted(sizes)} pixels: expected squares of one size")
    return dataclasses.replace(config, image_size=size[0], action_names=action_names(dataset))


def action_names(dataset: EpisodeDataset) -> tuple[str, ...]:
    """What the recordings call the A numbers of an action; their numbers where they do not say."""
    names = dataset.episodes[0].names.get("action", ()) if dataset.episodes else ()
    width = dataset.actions.shape[1]
    return tuple(names) if len(names) == width else tuple(str(i) for i in range(width))


def _check_redrawn(
    redrawn: Mapping[str, torch.Tensor], dataset: EpisodeDataset, cameras: tuple[str, ...]
) -> None:
    for camera in cameras:
        wanted = dataset.frames[camera].shape
        if camera not in redrawn or redrawn[camera].shape != wanted:
            given = {c: tuple(x.shape) for c, x in redrawn.items()}
            raise DatasetError(f"redrawn: expected {camera} of {tuple(wanted)}, got {given}")


def _watched(
    held_out: EpisodeDataset,
    settings: InverseDynamicsConfig,
    config: InverseDynamicsTrainConfig,
    seed: int,
) -> tuple[Mapping[str, torch.Tensor], torch.Tensor]:
    """The same few held-out clips throughout a run, evenly drawn."""
    sampler = ActionSampler(held_out, settings, config.clip_steps, 0.0)
    generator = torch_generator(seed, "inverse_dynamics", config.role, "held_out")
    rows = sampler.draw(config.held_out_clips, generator)
    frames = {camera: held_out.frames[camera][rows] for camera in settings.cameras}
    return frames, held_out.actions[rows[:, :-1]]


def _watch(
    model: InverseDynamics, frames: Mapping[str, torch.Tensor], actions: torch.Tensor
) -> dict[str, torch.Tensor]:
    reading = model.read(frames)
    right = reading.bins == model.asked_bins(actions)
    return {
        "held_out_joint": right.all(-1).float().mean(),
        "held_out_exact": right.float().mean(),
        "held_out_error": (reading.values - model.asked(actions)).abs().mean(),
    }
