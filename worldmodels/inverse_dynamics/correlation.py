"""CorrelationTrunk: reads motion off a cost volume, by patch tokens and attention."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .config import CELL, InverseDynamicsConfig
from .layers import Block, Stem

MATCH_DIM = 32
"""Numbers by which cells are compared."""
SHARPNESS = 15.0
"""Of the softmax over likenesses in [-1, 1], at first; it is learned."""
HEADS = 4
"""Attention heads."""


class CorrelationTrunk(nn.Module):
    """Cells of a frame are looked for in the next one; what was found where goes to attention.

    As in FlowNet's correlation layer (Dosovitskiy et al. 2015), each cell has the likeness of all
    cells at most `reach` away, and the shift expected under it. The difference of the two images
    is looked at beside it. Tokens of 2 x 2 cells are read by a query, and on average.
    """

    near: torch.Tensor
    inside: torch.Tensor
    shifts: torch.Tensor

    def __init__(self, config: InverseDynamicsConfig) -> None:
        super().__init__()
        width, cells, reach = config.width, config.image_size // CELL, config.reach
        self.stem = Stem(3, width, 1)
        self.match = nn.Conv2d(width, MATCH_DIM, 1)
        self.log_sharpness = nn.Parameter(torch.tensor(SHARPNESS).log())
        shifts = _shifts(reach)
        near, inside = _neighbours(cells, shifts)
        self.register_buffer("near", near, persistent=False)
        self.register_buffer("inside", inside, persistent=False)
        self.register_buffer("shifts", shifts.float() / reach, persistent=False)
        dim = width
        seen = len(shifts) + 2 + width + 3
        self.enter = nn.Conv2d(seen, dim, 2, stride=2)
        self.position = nn.Parameter(torch.randn((cells // 2) ** 2, dim) * 0.02)
        self.query = nn.Parameter(torch.randn(dim) * 0.02)
        self.blocks = nn.ModuleList(Block(dim, HEADS) for _ in range(config.layers))
        self.out = nn.Sequential(nn.LayerNorm(2 * dim), nn.Linear(2 * dim, config.hidden))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, T, 3, H, W) in [-1, 1] to transitions (B, T-1, hidden)."""
        batch, steps = images.shape[:2]
        features = self.stem(images.flatten(0, 1))
        cells = features.shape[-1]
        keys = self.match(features).flatten(2)
        # what all cells of a picture share tells none from another
        keys = F.normalize(keys - keys.mean(2, keepdim=True), dim=1).unflatten(0, (batch, steps))
        likeness = torch.einsum("btcm,btcn->btmn", keys[:, :-1], keys[:, 1:]).flatten(0, 1)
        near = likeness.gather(2, self.near.expand(len(likeness), -1, -1))
        near = near.masked_fill(~self.inside, -1.0)
        shift = (near * self.log_sharpness.exp()).softmax(-1) @ self.shifts
        found = torch.cat([near, shift], -1).transpose(1, 2).unflatten(2, (cells, cells))
        now = features.unflatten(0, (batch, steps))[:, 1:].flatten(0, 1)
        change = F.avg_pool2d((images[:, 1:] - images[:, :-1]).flatten(0, 1), CELL)
        tokens = torch.cat([found, now, 2 * change], 1)
        tokens = self.enter(tokens).flatten(2).transpose(1, 2)
        tokens = tokens + self.position
        x = torch.cat([self.query.expand(len(tokens), 1, -1), tokens], 1)
        for block in self.blocks:
            x = block(x)
        seen = torch.cat([x[:, 0], x[:, 1:].mean(1)], 1)
        return self.out(seen).unflatten(0, (batch, steps - 1))


def _shifts(reach: int) -> torch.Tensor:
    """(S, 2) int64 (x, y) of all shifts of at most `reach` cells."""
    line = torch.arange(-reach, reach + 1)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)


def _neighbours(cells: int, shifts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers (cells^2, S) of the cells that each cell's shifts lead to, and whether inside."""
    line = torch.arange(cells)
    y, x = torch.meshgrid(line, line, indexing="ij")
    there = torch.stack([x.flatten(), y.flatten()], 1)[:, None] + shifts
    inside = ((there >= 0) & (there < cells)).all(-1)
    there = there.clamp(0, cells - 1)
    return there[..., 1] * cells + there[..., 0], inside
