"""Eyes of policies: a conv stem with coordinates; patches, and keypoints words pick."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F


def coordinate_grid(height: int, width: int) -> torch.Tensor:
    """(2, H, W): x to the right and y down, both from -1 to 1 over the pixel centres."""
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    return torch.stack([x, y])


class FilmBlock(nn.Module):
    """Residual convolution whose channels a condition scales and shifts (FiLM)."""

    def __init__(self, channels: int, condition_width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(8, channels)
        self.film = nn.Linear(condition_width, 2 * channels)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """From x (B, C, H, W) and condition (B, D) to (B, C, H, W)."""
        gain, shift = self.film(condition)[:, :, None, None].chunk(2, dim=1)
        return x + self.out(F.silu(self.norm(self.conv(x)) * (1 + gain) + shift))


class Keypoints(nn.Module):
    """Spatial soft-argmax: a heat map's mean position, and the features under it.

    A position found as an expectation is finer than the grid it is computed on, and two numbers a
    point leave little to overfit: what makes imitation from few demonstrations precise
    (Levine et al., End-to-End Training of Deep Visuomotor Policies, 2016).
    """

    def __init__(self, channels: int, num_keypoints: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.heat = nn.Conv2d(channels, num_keypoints, 1)
        # a flat heat map puts every point in the middle, where it tells nothing and learns slowly
        self.log_sharpness = nn.Parameter(torch.full((num_keypoints, 1), math.log(5.0)))

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """From features (B, C, H, W): positions (B, M, 2) in [-1, 1], features there (B, M, C)."""
        height, width = features.shape[2:]
        features = self.norm(features)
        heat = self.heat(features).flatten(2) * self.log_sharpness.exp()
        attention = heat.softmax(dim=-1)
        grid = coordinate_grid(height, width).to(features).flatten(1)
        return attention @ grid.T, attention @ features.flatten(2).transpose(1, 2)


class VisionStem(nn.Module):
    """One camera image and a condition -> 16 patch tokens and the keypoints."""

    grid: torch.Tensor

    def __init__(
        self, image_size: int, channels: int, condition_width: int, width: int, num_keypoints: int
    ) -> None:
        super().__init__()
        self.register_buffer("grid", coordinate_grid(image_size, image_size), persistent=False)
        half = channels // 2
        self.entry = nn.Conv2d(5, half, 5, stride=2, padding=2)
        self.entry_norm = nn.GroupNorm(half // 4, half)
        self.down = nn.Conv2d(half, channels, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(FilmBlock(channels, condition_width) for _ in range(2))
        self.keypoints = Keypoints(channels, num_keypoints)
        patch = image_size // 16
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)

    def forward(
        self, images: torch.Tensor, condition: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Look at images (B, 3, H, W) in [-1, 1] under a condition (B, D).

        Returns:
            patches (B, 16, width), keypoints (B, M, 2) in [-1, 1], their features (B, M, C).
        """
        grid = self.grid.expand(len(images), -1, -1, -1)
        x = torch.cat([images, grid], dim=1).contiguous(memory_format=torch.channels_last)
        x = F.silu(self.entry_norm(self.entry(x)))
        x = self.down(x)
        for block in self.blocks:
            x = block(x, condition)
        positions, features = self.keypoints(x)
        return self.patches(x).flatten(2).transpose(1, 2), positions, features
