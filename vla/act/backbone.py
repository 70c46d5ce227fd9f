"""ACT's eyes: a small residual network that words condition, and positions of its cells."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from ..vision import coordinate_grid


class ResidualFilm(nn.Module):
    """Basic block of a ResNet (He et al. 2016) at half the size, with group norm and FiLM."""

    def __init__(self, inputs: int, channels: int, condition_width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, channels, 3, stride=2, padding=1, bias=False)
        self.first_norm = nn.GroupNorm(8, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.GroupNorm(8, channels)
        self.film = nn.Linear(condition_width, 2 * channels)
        self.shortcut = nn.Conv2d(inputs, channels, 1, stride=2)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """From x (B, C, H, W) and condition (B, D) to (B, channels, H/2, W/2)."""
        gain, shift = self.film(condition)[:, :, None, None].chunk(2, dim=1)
        y = F.relu(self.first_norm(self.first(x)))
        y = self.second_norm(self.second(y)) * (1 + gain) + shift
        return F.relu(self.shortcut(x) + y)


class Backbone(nn.Module):
    """One camera image and a condition -> a token for each cell of the last feature map."""

    grid: torch.Tensor

    def __init__(
        self, image_size: int, channels: Sequence[int], condition_width: int, width: int
    ) -> None:
        super().__init__()
        self.register_buffer("grid", coordinate_grid(image_size, image_size), persistent=False)
        # with where a pixel is beside what it is (CoordConv, Liu et al. 2018): the paper's network
        # brings pretrained features instead
        self.entry = nn.Conv2d(5, channels[0], 5, stride=2, padding=2, bias=False)
        self.entry_norm = nn.GroupNorm(8, channels[0])
        self.blocks = nn.ModuleList(
            ResidualFilm(a, b, condition_width) for a, b in itertools.pairwise(channels)
        )
        self.out = nn.Linear(channels[-1], width)

    def forward(self, images: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) in [-1, 1], condition (B, D) -> tokens (B, cells, width)."""
        grid = self.grid.expand(len(images), -1, -1, -1)
        x = torch.cat([images, grid], dim=1).contiguous(memory_format=torch.channels_last)
        x = F.relu(self.entry_norm(self.entry(x)))
        for block in self.blocks:
            x = block(x, condition)
        return self.out(x.flatten(2).transpose(1, 2))


def sinusoids(positions: torch.Tensor, width: int) -> torch.Tensor:
    """(L,) positions -> (L, width) sines and cosines (Vaswani et al. 2017); width is even."""
    half = width // 2
    rates = torch.exp(-math.log(10_000.0) * torch.arange(half) / half)
    angles = positions[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def grid_positions(cells: int, width: int) -> torch.Tensor:
    """(cells * cells, width): half of the width tells the row, half the column (as in DETR)."""
    place = sinusoids(torch.arange(cells).float(), width // 2)
    rows = place[:, None].expand(cells, cells, -1)
    columns = place[None].expand(cells, cells, -1)
    return torch.cat([rows, columns], dim=-1).flatten(0, 1)
