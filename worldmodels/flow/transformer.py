"""FlowTransformer: noisy future tokens, given context tokens and conditions, to clean ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from ..cells import CellBlock, to_cells, to_tokens
from ..conditioning import rich
from .config import FlowConfig

KeyValue = tuple[torch.Tensor, torch.Tensor]


@dataclass
class Context:
    """What future tokens get from the context frames."""

    cache: list[KeyValue]
    """Keys and values (B, heads, S, D/heads) of each block."""
    beneath: torch.Tensor
    """(B, 1, S, D) added to every future token at the same place."""
    cells: torch.Tensor
    """(B * cameras, W, h, w) added to the cells of every future frame."""


class _Block(nn.Module):
    """Pre-norm block; scale, shift and gate come per frame (adaLN-single of PixArt-alpha)."""

    def __init__(self, dim: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.heads = heads
        hidden = int(dim * mlp_ratio)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.up = nn.Linear(dim, hidden)
        self.down = nn.Linear(hidden, dim)
        self.table = nn.Parameter(torch.randn(6, dim) / math.sqrt(dim))

    def forward(
        self,
        x: torch.Tensor,
        condition: torch.Tensor,
        past: KeyValue | None = None,
        mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, KeyValue]:
        """X (B, T, S, D), condition (B, T, 6, D); `past` is seen by every token."""
        batch, frames, tokens, dim = x.shape
        shift1, scale1, gate1, shift2, scale2, gate2 = (
            (condition + self.table).unsqueeze(2).unbind(3)
        )
        h = F.layer_norm(x, (dim,)) * (1 + scale1) + shift1
        qkv = self.qkv(h).view(batch, frames * tokens, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        own = (k, v)
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        h = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        h = self.out(h.transpose(1, 2).reshape(x.shape))
        x = x + gate1 * h
        h = F.layer_norm(x, (dim,)) * (1 + scale2) + shift2
        return x + gate2 * self.down(F.gelu(self.up(h), approximate="tanh")), own


class FlowTransformer(nn.Module):
    """Context read once, then Euler steps over the future tokens alone.

    All context frames together are one set of S tokens (their channels side by side), kept as keys
    and values; future frames attend to it and, causally in time, to each other. So a longer
    context costs nothing, and an Euler step only K*S tokens. Around the blocks, convolutions over
    the cells of each frame (`cells.py`) see where inside a token a thing is.
    """

    def __init__(
        self,
        config: FlowConfig,
        num_tokens: int,
        channels: int,
        state_dim: int,
        action_dim: int,
        cameras: int = 1,
        cells: int = 4,
        carried: int = 0,
    ) -> None:
        super().__init__()
        dim = config.dim
        self.num_tokens = num_tokens
        self.position = nn.Parameter(torch.randn(num_tokens, dim) * 0.02)
        self.future_slot = nn.Parameter(torch.randn(config.max_chunk, dim) * 0.02)
        slots = 1 + config.context_length
        width, cell_channels = config.cell_width, channels // cells**2
        self.cameras, self.cells = cameras, cells
        grid = cells * round((num_tokens // cameras) ** 0.5)
        self.context_in = nn.Linear(slots * channels, dim)
        self.noisy_in = nn.Linear(channels, dim)
        self.beneath_in = nn.Linear(slots * channels, dim)
        self.cell_position = nn.Parameter(torch.randn(width, grid, grid) * 0.02)
        self.context_cells = nn.Conv2d(slots * cell_channels, width, 3, padding=1)
        self.noisy_cells = nn.Conv2d(cell_channels, width, 3, padding=1)
        self.carried_cells: nn.Conv2d | None = None
        if carried:
            self.carried_cells = nn.Conv2d(carried, width, 3, padding=1)
            for parameter in self.carried_cells.parameters():
                nn.init.zeros_(parameter)
        self.before = nn.ModuleList(CellBlock(width, dim) for _ in range(config.cell_blocks[0]))
        self.cells_in = nn.Linear(cells**2 * width, dim)
        self.octaves = config.state_octaves
        rich_dim = state_dim * (1 + 2 * self.octaves)
        self.action_token = nn.Sequential(
            nn.Linear(action_dim + rich_dim, dim), nn.SiLU(), nn.Linear(dim, dim)
        )
        self.context_condition = nn.Linear(slots * rich_dim, dim)
        self.future_condition = nn.Sequential(
            nn.Linear(action_dim + 2 * rich_dim + state_dim, dim), nn.SiLU(), nn.Linear(dim, dim)
        )
        self.time = nn.Sequential(nn.Linear(64, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.modulation = nn.Linear(dim, 6 * dim)
        self.blocks = nn.ModuleList(
            _Block(dim, config.heads, config.mlp_ratio) for _ in range(config.layers)
        )
        self.head_condition = nn.Linear(dim, 2 * dim)
        self.back = nn.Linear(dim, cells**2 * width)
        self.after = nn.ModuleList(CellBlock(width, dim) for _ in range(config.cell_blocks[1]))
        self.head = nn.Linear(dim, channels)
        self.cell_head = nn.Conv2d(width, cell_channels, 1)
        for layer in (self.modulation, self.head_condition, self.head, self.cell_head):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    def read_context(self, latents: torch.Tensor, state: torch.Tensor) -> Context:
        """Latents (B, 1+c, S, C), anchor first, and their states (B, 1+c, D)."""
        stacked = latents.transpose(1, 2).flatten(2)
        x = (self.context_in(stacked) + self.position)[:, None]
        told = rich(state, self.octaves).flatten(1)
        condition = self._modulation(self.context_condition(told)[:, None])
        cache = []
        for block in self.blocks:
            x, key_value = block(x, condition)
            cache.append(key_value)
        slots = [to_cells(latents[:, i], self.cameras, self.cells) for i in range(latents.shape[1])]
        cells = self.context_cells(torch.cat(slots, 1))
        return Context(cache, self.beneath_in(stacked)[:, None], cells)

    def forward(
        self,
        noisy: torch.Tensor,
        level: torch.Tensor,
        actions: torch.Tensor,
        before: torch.Tensor,
        after: torch.Tensor,
        context: Context,
        carried: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The clean sample expected behind `noisy` (B, K, S, C).

        Args:
            noisy: the sample.
            level: (B, K) noise level of each frame, 1 = pure noise.
            actions: (B, K, A).
            before: state (B, K, D) before each action.
            after: state (B, K, D) after each action.
            context: what `read_context` returned.
            carried: (B * K * cameras, channels, h, w) of `carry.carried`.
        """
        frames = noisy.shape[1]
        was, now = (rich(x, self.octaves) for x in (before, after))
        token = self.action_token(torch.cat([actions, now], -1)) + self.future_slot[:frames]
        given = torch.cat([actions, was, now, after - before], -1)
        summary = self.future_condition(given) + self.time(_sinusoid(level))
        condition = self._modulation(summary)
        film = F.silu(summary).flatten(0, 1).repeat_interleave(self.cameras, 0)
        cells = self._cells(noisy, context)
        if self.carried_cells is not None:
            assert carried is not None
            cells = cells + self.carried_cells(carried)
        for block in self.before:
            cells = block(cells, film)
        x = self.cells_in(to_tokens(cells, self.cameras, self.cells)).unflatten(0, noisy.shape[:2])
        x = x + self.noisy_in(noisy) + context.beneath + self.position + token[:, :, None]
        mask = self._causal(frames, self.num_tokens, noisy.device)
        for block, past in zip(self.blocks, context.cache, strict=True):
            x, _ = block(x, condition, past, mask)
        shift, scale = self.head_condition(F.silu(summary)).unsqueeze(2).chunk(2, -1)
        x = F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift
        cells = cells + to_cells(self.back(x).flatten(0, 1), self.cameras, self.cells)
        for block in self.after:
            cells = block(cells, film)
        moved = to_tokens(self.cell_head(cells), self.cameras, self.cells).unflatten(
            0, noisy.shape[:2]
        )
        return self.head(x) + moved

    def _cells(self, noisy: torch.Tensor, context: Context) -> torch.Tensor:
        """Cells of the future frames (B * K * cameras, W, h, w) with the context beneath them."""
        batch, frames = noisy.shape[:2]
        own = self.noisy_cells(to_cells(noisy.flatten(0, 1), self.cameras, self.cells))
        own = own.unflatten(0, (batch, frames, self.cameras))
        beneath = context.cells.unflatten(0, (batch, 1, self.cameras)) + self.cell_position
        return (own + beneath).flatten(0, 2).contiguous(memory_format=torch.channels_last)

    def _modulation(self, summary: torch.Tensor) -> torch.Tensor:
        return self.modulation(F.silu(summary)).unflatten(-1, (6, -1))

    def _causal(self, frames: int, context: int, device: torch.device) -> torch.Tensor | None:
        """(K*S, context + K*S) True where a future token may look; None when all may."""
        if frames == 1:
            return None
        frame = torch.arange(frames, device=device).repeat_interleave(self.num_tokens)
        future = frame[:, None] >= frame[None]
        seen = torch.ones(len(frame), context, dtype=torch.bool, device=device)
        return torch.cat([seen, future], 1)


def _sinusoid(level: torch.Tensor, size: int = 64) -> torch.Tensor:
    """Noise level (...,) in [0, 1] to sines and cosines (..., size)."""
    half = size // 2
    scale = torch.exp(torch.arange(half, device=level.device) * (-math.log(1000.0) / half))
    angle = level[..., None] * 1000.0 * scale
    return torch.cat([angle.sin(), angle.cos()], -1)
