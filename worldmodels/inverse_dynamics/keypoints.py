"""KeypointTrunk: reads motion as the shift of points that a network learned to follow."""

from __future__ import annotations

import math

import torch
from torch import nn

from .config import CELL, InverseDynamicsConfig
from .layers import Stem, coordinate_grid, group_norm

POINT_VALUES = 8
"""Numbers read off under each point, beside its place."""
SHIFT_GAIN = 16.0
"""Brings shifts, in half images, to about unit size: a step is 2 of 64 pixels."""


class KeypointTrunk(nn.Module):
    """Every frame by itself -> points by spatial soft-argmax; two frames -> how each point moved.

    A place found as an expectation is finer than the cells it is computed on (Levine et al.,
    End-to-End Training of Deep Visuomotor Policies, 2016). Frames go through the same layers one
    at a time, so that a frame repeated moves no point at all, whatever it shows.
    """

    grid: torch.Tensor
    places: torch.Tensor

    def __init__(self, config: InverseDynamicsConfig) -> None:
        super().__init__()
        width, points = config.width, config.num_points
        self.stem = Stem(5, width, 1)
        self.norm = group_norm(width)
        self.heat = nn.Conv2d(width, points, 1)
        # a flat heat map puts every point in the middle, where it tells nothing and learns slowly
        self.log_sharpness = nn.Parameter(torch.full((points, 1), math.log(8.0)))
        self.values = nn.Conv2d(width, POINT_VALUES, 1)
        self.join = nn.Linear(2 * points * (2 + POINT_VALUES), config.hidden)
        size = config.image_size
        self.register_buffer("grid", coordinate_grid(size), persistent=False)
        places = coordinate_grid(size // CELL).flatten(1).T
        self.register_buffer("places", places, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, T, 3, H, W) in [-1, 1] to transitions (B, T-1, hidden)."""
        batch, steps = images.shape[:2]
        flat = images.flatten(0, 1)
        flat = torch.cat([flat, self.grid.expand(len(flat), -1, -1, -1)], 1)
        features = self.norm(self.stem(flat))
        heat = self.heat(features).flatten(2) * self.log_sharpness.exp()
        attention = heat.softmax(-1)
        place = (attention @ self.places).flatten(1).view(batch, steps, -1)
        value = attention @ self.values(features).flatten(2).transpose(1, 2)
        value = value.flatten(1).view(batch, steps, -1)
        frames = torch.cat([2 * place, value], -1)
        moved = torch.cat(
            [SHIFT_GAIN * (place[:, 1:] - place[:, :-1]), value[:, 1:] - value[:, :-1]], -1
        )
        return self.join(torch.cat([frames[:, 1:], moved], -1))
