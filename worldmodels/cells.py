"""Convolutions over cells, the parts of a token: one rule of motion for all places."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class CellBlock(nn.Module):
    """x + conv(conv(x)), scaled and shifted per image by a condition (FiLM, Perez et al. 2018)."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(min(8, width // 4), width, affine=False)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(condition, 2 * width)
        for layer in (self.second, self.film):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """X (N, width, h, w), condition (N, D)."""
        scale, shift = self.film(condition)[..., None, None].chunk(2, 1)
        h = self.first(F.silu(self.norm(x) * (1 + scale) + shift))
        return x + self.second(F.silu(h))


def to_cells(tokens: torch.Tensor, cameras: int, side: int) -> torch.Tensor:
    """Tokens (N, S, side^2 c) to cells (N * cameras, c, side g, side g), S = cameras * g * g."""
    grid = round((tokens.shape[1] // cameras) ** 0.5)
    x = tokens.reshape(-1, grid, grid, tokens.shape[-1]).permute(0, 3, 1, 2)
    return F.pixel_shuffle(x, side).contiguous(memory_format=torch.channels_last)


def to_tokens(cells: torch.Tensor, cameras: int, side: int) -> torch.Tensor:
    """The inverse: cells (N * cameras, c, side g, side g) to tokens (N, S, side^2 c)."""
    x = F.pixel_unshuffle(cells, side).permute(0, 2, 3, 1)
    return x.reshape(cells.shape[0] // cameras, -1, x.shape[-1])
