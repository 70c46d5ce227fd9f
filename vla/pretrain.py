"""Grounding: teach a policy's eyes where things are, from still pictures, before any demonstration.

It stands in for what a pretrained vision-language model brings along. The pictures are rendered
scenes without motion or reward: no action of the robot is shown, so no interaction is spent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from octoworld.core.config import save_config
from octoworld.core.errors import DatasetError
from octoworld.core.fit import FitConfig, fit
from octoworld.data.episode import Episode

from .augment import AugmentConfig, augment_images, augment_state
from .dataset import build_dataset
from .imitation import known_loss
from .processors import images_to_float
from .sft import make_policy
from .tiny import TinyConfig, TinyPolicy

POINTS = "points."
"""Prefix of the columns (1, 2 P) that say where a camera sees P things that are meant: x right and
y down in [-1, 1], thing after thing; beyond, e.g. `UNSEEN`, where it does not."""
UNSEEN = 2.0


@dataclass(frozen=True)
class GroundingConfig:
    """What is trained, how long, on how disturbed a picture."""

    model: TinyConfig = field(default_factory=TinyConfig)
    """Shape of the policy; sizes left at 0 come from the scenes."""
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(steps=3000, batch_size=64, ema_decay=0.995)
    )
    """The training loop."""
    pointing_weight: float = 1.0
    """Weight of pointing: the first keypoints of a camera are to lie where it sees what is meant,
    if the scenes tell (columns `points.<camera>`)."""
    augment: AugmentConfig = field(default_factory=lambda: AugmentConfig(shift_pixels=0))
    """Disturbances; no shift, because the camera stands still and places are what is learned."""


def pretrain_grounding(
    scenes: Sequence[Episode],
    config: GroundingConfig,
    folder: Path | str,
    seed: int,
    device: torch.device | str = "cpu",
) -> TinyPolicy:
    """A policy that can tell the true state of a scene from its picture, and knows the words.

    Args:
        scenes: episodes of one row each, with `observation.environment_state`; their actions are
            not used.
        config: what to train and how.
        folder: run folder; a killed run in it goes on. The policy ends in `policy/`.
        seed: weights, batches and augmentation are a function of it.
        device: where to train; the policy returned is there.

    Raises:
        DatasetError: the scenes do not hold their true state, or do not fit the config.
    """
    folder = Path(folder)
    dataset = build_dataset(scenes, config.model.chunk_size, config.model.cameras, False)
    if dataset.privileged is None:
        raise DatasetError(
            "grounding needs the column observation.environment_state in every scene"
        )
    policy = make_policy(scenes, dataset, config.model, seed).to(device)
    dataset = dataset.to(device)
    assert dataset.privileged is not None
    save_config(replace(config, model=policy.config), folder / "config.yaml")
    assert policy.processor.privileged is not None  # make_policy has taken it from the dataset
    mean, std = (t.to(device) for t in policy.processor.privileged.tensors())
    tokens = policy.processor.encode(dataset.instructions, policy.config.max_words).to(device)
    targets = (dataset.privileged - mean) / std
    points = _points(scenes, config).to(device)

    def loss_fn(step: int, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        rows = torch.randint(len(dataset), (config.fit.batch_size,), generator=generator).to(device)
        images = {
            camera: images_to_float(augment_images(pixels[rows], config.augment, generator))
            for camera, pixels in dataset.images.items()
        }
        state = augment_state(dataset.state[rows], policy.state_std, config.augment, generator)
        output = policy(images, state, tokens, dataset.instruction[rows])
        assert output.privileged is not None  # the dataset has the column, so the policy the head
        absolute = ((output.privileged - targets[rows]).abs().mean(0) * std)[:3]
        losses = {
            "known": known_loss(output.privileged, targets[rows], std),
            "pointing": pointing_loss(output.keypoints, points[rows]),
            "first_three_mm": 1000 * absolute.detach().mean(),
        }
        return losses | {"loss": losses["known"] + config.pointing_weight * losses["pointing"]}

    fit(policy, loss_fn, config.fit, folder, seed=seed, label="grounding")
    policy.save_pretrained(folder / "policy")
    return policy


def _points(scenes: Sequence[Episode], config: GroundingConfig) -> torch.Tensor:
    """(F, cameras, P, 2); P = 0 where the scenes do not tell."""
    names = [POINTS + camera for camera in config.model.cameras]
    if not all(name in scene.columns for scene in scenes for name in names):
        return torch.zeros(len(scenes), len(names), 0, 2)
    told = [np.concatenate([scene[name] for scene in scenes]) for name in names]
    return torch.from_numpy(np.stack(told, axis=1)).float().unflatten(2, (-1, 2))


def pointing_loss(keypoints: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """() mean L1 distance of the first keypoints (B, cameras, M, 2) from points (B, cameras, P, 2).

    Points that a camera does not see, and those beyond the number of keypoints, do not count.
    """
    count = min(points.shape[2], keypoints.shape[2])
    points = points[:, :, :count]
    seen = (points.abs() < 1).all(dim=-1, keepdim=True)
    distance = (keypoints[:, :, :count] - points).abs() * seen
    return distance.sum() / (2 * seen.sum().clamp(min=1))
