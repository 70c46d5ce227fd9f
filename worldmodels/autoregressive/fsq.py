"""Finite scalar quantisation (Mentzer et al. 2023, arXiv 2309.15505): numbers to few levels each.

A code is a choice of one level for each of d numbers; there is no codebook to learn or to lose.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import nn

MEMORY = 0.98
"""Share of the running scale that a training step keeps."""


class FiniteScalars(nn.Module):
    """G groups of d numbers to G codes, straight-through, and codes to numbers.

    Numbers are first divided by their usual size, else they drift to where all round alike. Usual
    is the size of what carries the signal: sqrt(E x^4 / E x^2), for which the many zeros of what
    stands still do not count. The normal distribution function then makes levels about equally
    likely (tanh, as in the paper, crowds the middle ones).
    """

    count: torch.Tensor
    """(d,) levels of each number."""
    steps: torch.Tensor
    """(d,) how far the code moves with a level."""
    table: torch.Tensor
    """(V, d) levels of each code, in [-1, 1]."""
    scale: torch.Tensor
    """(G, d) usual size of the numbers."""

    def __init__(self, levels: tuple[int, ...], groups: int) -> None:
        super().__init__()
        self.groups, self.num_codes = groups, math.prod(levels)
        count = torch.tensor(levels, dtype=torch.float32)
        choices = torch.tensor(list(itertools.product(*(range(n) for n in levels))))
        steps = [math.prod(levels[i + 1 :]) for i in range(len(levels))]
        self.register_buffer("count", count, persistent=False)
        self.register_buffer("steps", torch.tensor(steps), persistent=False)
        self.register_buffer("table", 2 * choices / (count - 1) - 1, persistent=False)
        self.register_buffer("scale", torch.ones(groups, len(levels)))

    def forward(self, x: torch.Tensor, softness: float = 0.0) -> torch.Tensor:
        """X (..., G, d) to levels in [-1, 1], of the same shape.

        Args:
            x: any numbers.
            softness: 0 rounds to levels, 1 not at all; between, the values are between.
        """
        if self.training:
            scale = usual_size(x)
            with torch.no_grad():
                self.scale.lerp_(scale, 1 - MEMORY)
        else:
            scale = self.scale
        place = self._place(x, scale)
        level = self._level(place.detach())
        # gradients pass as if nothing had been rounded
        free = place - 0.5
        value = free + (1 - softness) * (level - free).detach()
        return 2 * value / (self.count - 1) - 1

    def codes(self, x: torch.Tensor) -> torch.Tensor:
        """X (..., G, d) to codes (..., G) in [0, V)."""
        return self._number(self._level(self._place(x, self.scale)))

    def nearest(self, values: torch.Tensor) -> torch.Tensor:
        """Codes (..., G) of the levels next to values (..., G, d) in [-1, 1]."""
        return self._number(self._level((values + 1) / 2 * (self.count - 1) + 0.5))

    def values(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes (..., G) to levels (..., G, d) in [-1, 1]."""
        return self.table[codes]

    def _level(self, place: torch.Tensor) -> torch.Tensor:
        return place.floor().clamp(min=0).minimum(self.count - 1)

    def _number(self, level: torch.Tensor) -> torch.Tensor:
        return (level.long() * self.steps).sum(-1)

    def _place(self, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """Where on an axis of length L, a level being one unit, x falls."""
        # for numbers normally spread where anything moves, `scale` is sqrt(3) standard deviations
        normal = torch.erf(x / scale * math.sqrt(1.5))
        return (normal + 1) * (self.count / 2)


def usual_size(x: torch.Tensor) -> torch.Tensor:
    """sqrt(E x^4 / E x^2) of (..., G, d) over all but the last two axes: (G, d)."""
    square = x.flatten(0, -3).pow(2)
    return (square.pow(2).mean(0) / square.mean(0).clamp(min=1e-12)).clamp(min=1e-12).sqrt()


def perplexity(codes: torch.Tensor, num_codes: int) -> torch.Tensor:
    """How many codes are in use, (..., G) to (G,): exp of their entropy; 1 is collapse."""
    flat = codes.flatten(0, -2)
    counts = torch.stack([torch.bincount(c, minlength=num_codes) for c in flat.unbind(-1)])
    share = counts.double() / max(len(flat), 1)
    return torch.special.entr(share).sum(-1).exp().float()
