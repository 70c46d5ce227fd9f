"""How rare what a picture shows is: a block in the bin stands out, an arm seldom does."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F

from .dataset import EpisodeDataset

CELL = 8
"""Side of the squares whose mean colours are compared [pixel]."""
FLOOR = 4 / 255
"""Spread of a colour below which nothing is called rare [0..1]."""


def rarity(dataset: EpisodeDataset, batch_size: int = 2048) -> torch.Tensor:
    """(F,) mean over cells and cameras of the squared deviation from the cell's usual colour.

    In units of the cell's own variance over the data set: what every picture shows somewhere else
    (the arm) counts about 1, what few show at all (a block on the drawer) counts many times that.
    """
    score = torch.zeros(dataset.num_rows)
    for frames in dataset.frames.values():
        cells = torch.cat([_means(part) for part in frames.split(batch_size)])
        variance = cells.var(0, correction=0) + FLOOR**2
        score += ((cells - cells.mean(0)).pow(2) / variance).mean((1, 2, 3))
    return score / max(len(dataset.frames), 1)


def rare_rows(
    dataset: EpisodeDataset, count: int, share: float
) -> Callable[[torch.Generator], torch.Tensor]:
    """Draws `count` row numbers: `share` of them by squared rarity, the others evenly."""
    rare = round(count * share)
    weight = rarity(dataset).square() if rare else torch.ones(dataset.num_rows)

    def draw(generator: torch.Generator) -> torch.Tensor:
        rows = torch.randint(dataset.num_rows, (count - rare,), generator=generator)
        if not rare:
            return rows
        chosen = torch.multinomial(weight, rare, replacement=True, generator=generator)
        return torch.cat([rows, chosen])

    return draw


def _means(images: torch.Tensor) -> torch.Tensor:
    """(B, H, W, 3) uint8 to mean colours (B, 3, H / CELL, W / CELL) in [0, 1]."""
    return F.avg_pool2d(images.movedim(-1, 1).float() / 255, CELL)
