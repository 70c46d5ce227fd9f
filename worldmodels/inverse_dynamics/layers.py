"""Layers that both architectures share: convolutions to cells, and a transformer block."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def group_norm(channels: int) -> nn.GroupNorm:
    """GroupNorm of at most 8 groups: no batch statistics, so a clip is read alike in any batch."""
    return nn.GroupNorm(min(8, channels // 4), channels)


def coordinate_grid(size: int) -> torch.Tensor:
    """(2, size, size) x and y of every pixel, from -1 to 1."""
    line = torch.linspace(-1, 1, size)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y])


class Residual(nn.Module):
    """x + 1x1(act(3x3(act(norm(x)))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.mix = nn.Conv2d(channels, channels, 3, padding=1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) to the same."""
        return x + self.out(F.silu(self.mix(F.silu(self.norm(x)))))


class Stem(nn.Module):
    """Images (B, C, H, W) to features of cells, (B, width, H / 4, W / 4)."""

    def __init__(self, channels: int, width: int, num_blocks: int) -> None:
        super().__init__()
        half = width // 2
        self.enter = nn.Conv2d(channels, half, 5, stride=2, padding=2)
        self.norm = group_norm(half)
        self.down = nn.Conv2d(half, width, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(*(Residual(width) for _ in range(num_blocks)))
        self.out_norm = group_norm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        x = self.down(F.silu(self.norm(self.enter(x))))
        return F.silu(self.out_norm(self.blocks(x)))


class Block(nn.Module):
    """Pre-norm transformer block over tokens (B, S, dim)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, S, dim) to the same."""
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))
