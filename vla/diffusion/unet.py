"""The conditional U-Net over time of Chi et al. 2023: (noisy actions, condition) -> prediction."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F


class ConditionalBlock(nn.Module):
    """Two convolutions over time with a residual; the condition scales and shifts in between."""

    def __init__(self, inputs: int, channels: int, condition_width: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(inputs, channels, 3, padding=1)
        self.first_norm = nn.GroupNorm(8, channels)
        self.film = nn.Linear(condition_width, 2 * channels)
        self.second = nn.Conv1d(channels, channels, 3, padding=1)
        self.second_norm = nn.GroupNorm(8, channels)
        self.shortcut = nn.Conv1d(inputs, channels, 1) if inputs != channels else nn.Identity()

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """From x (B, C, L) and condition (B, D) to (B, channels, L)."""
        gain, shift = self.film(F.silu(condition)).unsqueeze(-1).chunk(2, dim=1)
        y = F.silu(self.first_norm(self.first(x))) * (1 + gain) + shift
        return self.shortcut(x) + F.silu(self.second_norm(self.second(y)))


class ConditionalUnet(nn.Module):
    """Halves the time resolution from one entry of `channels` to the next, and doubles it back."""

    def __init__(self, action_dim: int, channels: Sequence[int], condition_width: int) -> None:
        super().__init__()

        def block(inputs: int, outputs: int) -> ConditionalBlock:
            return ConditionalBlock(inputs, outputs, condition_width)

        pairs = list(zip((action_dim, *channels[:-1]), channels, strict=True))
        self.down = nn.ModuleList(block(a, b) for a, b in pairs)
        self.shrink = nn.ModuleList(nn.Conv1d(c, c, 3, stride=2, padding=1) for c in channels[:-1])
        self.middle = nn.ModuleList(block(channels[-1], channels[-1]) for _ in range(2))
        self.grow = nn.ModuleList(
            nn.ConvTranspose1d(b, a, 4, stride=2, padding=1)
            for a, b in itertools.pairwise(channels)
        )
        self.up = nn.ModuleList(block(2 * c, c) for c in channels[:-1])
        self.out = nn.Sequential(
            nn.Conv1d(channels[0], channels[0], 3, padding=1),
            nn.GroupNorm(8, channels[0]),
            nn.SiLU(),
            nn.Conv1d(channels[0], action_dim, 1),
        )

    def forward(self, noisy: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """From noisy actions (B, L, A) and a condition (B, D) to (B, L, A)."""
        x = noisy.transpose(1, 2)
        kept = []
        for level, block in enumerate(self.down):
            x = block(x, condition)
            if level < len(self.shrink):
                kept.append(x)
                x = self.shrink[level](x)
        for block in self.middle:
            x = block(x, condition)
        for level in reversed(range(len(self.grow))):
            x = torch.cat([self.grow[level](x), kept[level]], dim=1)
            x = self.up[level](x, condition)
        return self.out(x).transpose(1, 2)
