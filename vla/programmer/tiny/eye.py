"""Eye: a small convolutional network that says what a picture of a place shows.

It is trained on pictures whose content the simulator knows, as a pretrained vision tower would be,
and is held still afterwards: policies read its features and what it recognised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import torch
from torch import nn
from torch.nn import functional as F

from octoworld.core.fit import FitConfig, fit
from octoworld.core.rng import derive_seed

Labels: TypeAlias = tuple[str, ...]
"""What can be seen: a word (`oven`, `open`) or several (`red mug`)."""


@dataclass(frozen=True)
class EyeConfig:
    """How it looks, and how it learns."""

    image_size: tuple[int, int] = (64, 64)
    """Of every picture, (H, W); multiples of 8."""
    channels: tuple[int, int, int, int] = (24, 48, 96, 128)
    """Of the convolutions, each of which halves the picture; the last also works at 1/8."""
    features: int = 128
    """Numbers that a picture becomes."""
    present_weight: float = 4.0
    """Weight of what is there against what is not: most labels are seldom true."""
    shift: int = 4
    """Pictures are moved by up to so many pixels in training."""
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=2400, batch_size=192, learning_rate=2e-3, ema_decay=0.995
        )
    )
    """Optimiser."""


GROUPS = 4
"""Of channels that are normalised together; at least two channels each."""


class Eye(nn.Module):
    """Pictures (B, H, W, 3) uint8 -> features (B, F) -> logits of labels (B, labels)."""

    spots: torch.Tensor
    """(1, 2, H / 8, W / 8) where a part of the picture is."""

    def __init__(self, config: EyeConfig, labels: Labels) -> None:
        super().__init__()
        self.config, self.labels = config, labels
        a, b, c, d = config.channels
        height, width = config.image_size
        self.trunk = nn.Sequential(*_layer(3, a, 5, 2), *_layer(a, b, 3, 2), *_layer(b, c, 3, 2))
        self.whole = nn.Sequential(*_layer(c, d, 3, 2), nn.Flatten())
        """What the picture is of."""
        self.parts = nn.Sequential(*_layer(c + 2, d, 3, 1))
        """What lies somewhere in it: the strongest answer counts, wherever it is."""
        size = d * (-(-height // 16)) * (-(-width // 16)) + d
        self.features = nn.Linear(size, config.features)
        self.names = nn.Linear(config.features, len(labels))
        y, x = torch.meshgrid(
            torch.linspace(-1, 1, height // 8), torch.linspace(-1, 1, width // 8), indexing="ij"
        )
        # what is at the edge belongs to the neighbour
        self.register_buffer("spots", torch.stack([x, y])[None], persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (B, F)."""
        x = self.trunk(images.permute(0, 3, 1, 2).float() / 127.5 - 1)
        placed = torch.cat([x, self.spots.expand(len(x), -1, -1, -1)], 1)
        found = torch.cat([self.whole(x), self.parts(placed).amax((2, 3))], 1)
        return F.relu(self.features(found))

    def recognise(self, features: torch.Tensor) -> torch.Tensor:
        """Probability of each label (..., labels)."""
        return self.names(features).sigmoid()


def _layer(ins: int, outs: int, kernel: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(ins, outs, kernel, stride, kernel // 2)
    return [convolution, nn.GroupNorm(GROUPS, outs), nn.ReLU()]


def train_eye(
    images: torch.Tensor,
    present: torch.Tensor,
    labels: Labels,
    known: Sequence[bool],
    config: EyeConfig,
    folder: Path | str,
    *,
    seed: int,
) -> Eye:
    """An eye from nothing; a killed run in `folder` goes on.

    Args:
        images: (B, H, W, 3) uint8.
        present: (B, labels) bool, what each shows.
        labels: their names.
        known: which labels are taught; the others are left to chance.
        config: settings.
        folder: run folder.
        seed: of weights and batches.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "eye", "weights"))
        eye = Eye(config, labels)
    taught = torch.tensor(known)

    def loss(step: int, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        rows = torch.randint(len(images), (config.fit.batch_size,), generator=generator)
        logits = eye.names(eye(shifted(images[rows], config.shift, generator)))[:, taught]
        truth = present[rows][:, taught].float()
        weight = 1 + (config.present_weight - 1) * truth
        value = F.binary_cross_entropy_with_logits(logits, truth, weight, reduction="none")
        return {"loss": value.sum(1).mean()}

    eye.train()
    fit(eye, loss, config.fit, folder, seed=seed, label="eye")
    return eye.eval()


def shifted(images: torch.Tensor, most: int, generator: torch.Generator) -> torch.Tensor:
    """Pictures (B, H, W, 3) moved together by up to `most` pixels either way; edges repeat."""
    if not most:
        return images
    dy, dx = torch.randint(-most, most + 1, (2,), generator=generator).tolist()
    rows = (torch.arange(images.shape[1]) + dy).clamp(0, images.shape[1] - 1)
    columns = (torch.arange(images.shape[2]) + dx).clamp(0, images.shape[2] - 1)
    return images[:, rows][:, :, columns]
