"""Eye: a small convolutional network that says what a picture of a place shows, and where.

It is trained on pictures whose content the simulator knows, as a pretrained vision tower would be,
and is held still afterwards: policies read its features and what it recognised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import torch
from torch import nn
from torch.nn import functional as F

from octoworld.core.errors import ConfigError
from octoworld.core.fit import FitConfig, fit
from octoworld.core.rng import derive_seed

Labels: TypeAlias = tuple[str, ...]
"""What can be seen: a word (`oven`, `open`, `mug`), or how a thing looks (`red mug`)."""
CELL = 4
"""Edge of the parts of a picture in which things are looked for [px]; the smallest fill one."""


@dataclass(frozen=True)
class EyeConfig:
    """How it looks, and how it learns."""

    image_size: tuple[int, int] = (64, 64)
    """Of every picture, (H, W); multiples of 8."""
    channels: tuple[int, int, int, int] = (24, 48, 64, 96)
    """Of the convolutions at 1/2, of those at 1/4 on the way and for things, of those at 1/8."""
    features: int = 64
    """Numbers for the picture as a whole, beside those for labels."""
    present_weight: float = 4.0
    """Weight of what is there against what is not: most labels are seldom true."""
    shift: int = 4
    """Pictures are moved by up to so many pixels in training; a multiple of 4."""
    busy: float = 0.6
    """Share of a batch that shows things: most pictures of a home show none."""
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=2400, batch_size=96, learning_rate=2e-3, ema_decay=0.995
        )
    )
    """Optimiser."""

    def __post_init__(self) -> None:
        if self.shift % CELL or any(edge % 8 for edge in self.image_size):
            raise ConfigError(
                f"expected a shift in multiples of {CELL} and an image_size of 8, got {self.shift} "
                f"and {self.image_size}"
            )


GROUPS = 4
"""Of channels that are normalised together; at least two channels each."""


@dataclass(frozen=True)
class Stills:
    """B pictures and what they show."""

    images: torch.Tensor
    """(B, H, W, 3) uint8."""
    present: torch.Tensor
    """(B, labels) bool."""
    nouns: torch.Tensor
    """(B, H / CELL, W / CELL) uint8: 1 + number of the noun that is there, 0 for none."""
    looks: torch.Tensor
    """The same shape: bits of the adjectives that it looks like."""

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: torch.Tensor | slice) -> Stills:
        return Stills(self.images[rows], self.present[rows], self.nouns[rows], self.looks[rows])


class Eye(nn.Module):
    """Pictures (B, H, W, 3) uint8 -> features (B, `size`).

    What a picture is of is told from the whole; things are looked for cell by cell, and what is
    surest anywhere counts. Features are numbers for the whole, then a probability for each label.
    """

    spots: torch.Tensor
    """(1, 2, H / CELL, W / CELL) where a cell of the picture is."""

    def __init__(self, config: EyeConfig, labels: Labels, nouns: tuple[str, ...]) -> None:
        """`labels` that end with one of `nouns` are things; their other words are adjectives."""
        super().__init__()
        self.config, self.labels, self.nouns = config, labels, nouns
        split = [label.rpartition(" ")[::2] for label in labels]
        self.adjectives = tuple(dict.fromkeys(a for a, noun in split if a and noun in nouns))
        self._wholes = [i for i, (_, noun) in enumerate(split) if noun not in nouns]
        things = [(i, a, nouns.index(n)) for i, (a, n) in enumerate(split) if n in nouns]
        self._plain: list[tuple[int, ...]] = [(i, noun) for i, a, noun in things if not a]
        self._dressed: list[tuple[int, ...]] = [
            (i, noun, self.adjectives.index(a)) for i, a, noun in things if a
        ]
        a, b, c, d = config.channels
        height, width = config.image_size
        self.trunk = nn.Sequential(*_layer(3, a, 5, 2), *_layer(a, b, 3, 2))
        self.whole = nn.Sequential(
            *_layer(b, d, 3, 2), *_layer(d, d, 3, 2), nn.Flatten(),
            nn.Linear(d * (-(-height // 16)) * (-(-width // 16)), config.features), nn.ReLU(),
        )  # fmt: skip
        """What the picture is of."""
        self.kinds = nn.Linear(config.features, len(self._wholes))
        self.placed = nn.Sequential(
            *_layer(b + 2, c, 3, 1), *_layer(c, c, 3, 1), *_layer(c, c, 3, 1)
        )
        self.context = nn.Linear(config.features, c)
        """What stands where depends on what the picture is of."""
        self.cells = nn.Conv2d(c, 1 + len(nouns) + len(self.adjectives), 1)
        y, x = torch.meshgrid(
            torch.linspace(-1, 1, height // CELL), torch.linspace(-1, 1, width // CELL),
            indexing="ij",
        )  # fmt: skip
        # what is at the edge belongs to the neighbour
        self.register_buffer("spots", torch.stack([x, y])[None], persistent=False)

    @property
    def size(self) -> int:
        """Numbers that a picture becomes."""
        return self.config.features + len(self.labels)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (B, size)."""
        whole, kinds, nouns, looks = self.look(images)
        return torch.cat([whole, self._pooled(kinds, nouns, looks)], 1)

    def look(
        self, images: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Numbers for the whole (B, F) and logits.

        Of labels of the whole (B, wholes), of nouns (B, 1 + nouns, h, w) and adjectives
        (B, adjectives, h, w) in each cell.
        """
        x = self.trunk(images.permute(0, 3, 1, 2).float() / 127.5 - 1)
        whole = self.whole(x)
        x = torch.cat([x, self.spots.expand(len(x), -1, -1, -1)], 1)
        x = F.relu(self.placed(x) + self.context(whole)[..., None, None])
        nouns, looks = self.cells(x).split([1 + len(self.nouns), len(self.adjectives)], 1)
        return whole, self.kinds(whole), nouns, looks

    def _pooled(
        self, kinds: torch.Tensor, nouns: torch.Tensor, looks: torch.Tensor
    ) -> torch.Tensor:
        """Probability of each label (B, labels)."""
        found = kinds.new_zeros(len(kinds), len(self.labels))
        found[:, self._wholes] = kinds.sigmoid()
        nouns, looks = nouns.softmax(1)[:, 1:].flatten(2), looks.sigmoid().flatten(2)
        label, noun = _columns(self._plain, 2)
        found[:, label] = nouns[:, noun].amax(2)
        label, noun, adjective = _columns(self._dressed, 3)
        found[:, label] = (nouns[:, noun] * looks[:, adjective]).amax(2)
        return found

    def recognise(self, features: torch.Tensor) -> torch.Tensor:
        """Probability of each label (..., labels)."""
        return features[..., self.config.features :]

    def loss(self, stills: Stills) -> Mapping[str, torch.Tensor]:
        """How wrong it is: `loss`, and its parts."""
        _, kinds, nouns, looks = self.look(stills.images)
        present = stills.present.float()
        weight = 1 + (self.config.present_weight - 1) * present
        said = F.binary_cross_entropy_with_logits(
            kinds, present[:, self._wholes], weight[:, self._wholes], reduction="none"
        )
        truth = stills.nouns.long()
        here = truth > 0
        cell = F.cross_entropy(nouns, truth, reduction="none")
        bits = torch.arange(len(self.adjectives), device=truth.device)
        worn = (stills.looks.long()[:, None] >> bits[:, None, None]) & 1
        dress = F.binary_cross_entropy_with_logits(looks, worn.float(), reduction="none").sum(1)
        count = here.sum().clamp_min(1)
        parts = {
            "whole": said.sum(1).mean(),
            # cells with things weigh as much as all that are empty: there are few
            "things": cell[here].sum() / count,
            "nothing": cell[~here].sum() / count,
            "looks": dress[here].sum() / count,
        }
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}


def _columns(rows: list[tuple[int, ...]], count: int) -> list[list[int]]:
    return [[row[i] for row in rows] for i in range(count)]


def _layer(ins: int, outs: int, kernel: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(ins, outs, kernel, stride, kernel // 2)
    return [convolution, nn.GroupNorm(GROUPS, outs), nn.ReLU()]


def train_eye(
    stills: Stills,
    labels: Labels,
    nouns: tuple[str, ...],
    config: EyeConfig,
    folder: Path | str,
    *,
    seed: int,
) -> Eye:
    """An eye from nothing; a killed run in `folder` goes on.

    Args:
        stills: pictures and what they show.
        labels: what can be seen.
        nouns: those of them that are things.
        config: settings.
        folder: run folder.
        seed: of weights and batches.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "eye", "weights"))
        eye = Eye(config, labels, nouns)
    shows = (stills.nouns > 0).flatten(1).any(1)
    busy, calm = shows.nonzero()[:, 0], (~shows).nonzero()[:, 0]
    size = config.fit.batch_size

    def loss(step: int, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        many = round(config.busy * size) if len(busy) and len(calm) else size * bool(len(busy))
        rows = torch.cat(
            [
                part[torch.randint(max(len(part), 1), (count,), generator=generator)]
                for part, count in ((busy, many), (calm, size - many)) if count
            ]
        )  # fmt: skip
        return eye.loss(shifted(stills[rows], config.shift, generator))

    eye.train()
    fit(eye, loss, config.fit, folder, seed=seed, label="eye")
    return eye.eval()


def shifted(stills: Stills, most: int, generator: torch.Generator) -> Stills:
    """Pictures moved together by up to `most` pixels either way, whole cells; edges repeat."""
    if not most:
        return stills
    most //= CELL
    dy, dx = torch.randint(-most, most + 1, (2,), generator=generator).tolist()

    def moved(values: torch.Tensor, scale: int) -> torch.Tensor:
        rows = (torch.arange(values.shape[1]) + dy * scale).clamp(0, values.shape[1] - 1)
        columns = (torch.arange(values.shape[2]) + dx * scale).clamp(0, values.shape[2] - 1)
        return values[:, rows][:, :, columns]

    return Stills(
        moved(stills.images, CELL), stills.present, moved(stills.nouns, 1), moved(stills.looks, 1)
    )
