"""Decoder block: causal attention over a program, then over what was seen; with a cache."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass
class Memory:
    """Keys and values of one layer over what was seen, made once for all programs of a scene."""

    keys: torch.Tensor
    """(U, heads, M, width / heads)."""
    values: torch.Tensor
    """As keys."""
    mask: torch.Tensor
    """(U, 1, 1, M), False where nothing is."""

    def of(self, owner: torch.Tensor) -> Memory:
        """For programs (N,) by the scene of each."""
        return Memory(self.keys[owner], self.values[owner], self.mask[owner])


@dataclass
class Cache:
    """Keys and values of the tokens so far, (N, heads, t, width / heads)."""

    keys: torch.Tensor | None = None
    values: torch.Tensor | None = None

    def add(self, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Append one token's, and give all."""
        if self.keys is not None and self.values is not None:
            keys = torch.cat([self.keys, keys], 2)
            values = torch.cat([self.values, values], 2)
        self.keys, self.values = keys, values
        return keys, values


class DecoderBlock(nn.Module):
    """Pre-norm self-attention, cross-attention and MLP with residuals."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_self, self.norm_cross = nn.LayerNorm(width), nn.LayerNorm(width)
        self.norm_mlp = nn.LayerNorm(width)
        self.qkv, self.out_self = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out_cross = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def remember(self, memory: torch.Tensor, mask: torch.Tensor) -> Memory:
        """Memory (U, M, width) and its mask (U, M) as this layer reads them."""
        keys, values = map(self._split, self.key_value(memory).chunk(2, dim=-1))
        return Memory(keys, values, mask[:, None, None, :])

    def forward(self, x: torch.Tensor, memory: Memory, cache: Cache | None = None) -> torch.Tensor:
        """(N, T, width) -> the same; with a cache T is 1 and the earlier tokens are in it."""
        query, key, value = map(self._split, self.qkv(self.norm_self(x)).chunk(3, dim=-1))
        if cache is not None:
            key, value = cache.add(key, value)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=cache is None)
        x = x + self.out_self(self._join(mixed))
        query = self._split(self.query(self.norm_cross(x)))
        mixed = F.scaled_dot_product_attention(
            query, memory.keys, memory.values, attn_mask=memory.mask
        )
        x = x + self.out_cross(self._join(mixed))
        return x + self.mlp(self.norm_mlp(x))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def _join(self, x: torch.Tensor) -> torch.Tensor:
        return x.transpose(1, 2).flatten(2)
