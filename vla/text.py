"""Pre-norm transformer block, and the text encoder: words -> one vector an instruction."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from octoworld.data.words import PAD


class Block(nn.Module):
    """Pre-norm attention and MLP with residuals."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None, last: int | None = None
    ) -> torch.Tensor:
        """From x (B, T, width) to the same shape, or to (B, last, width).

        Args:
            x: tokens.
            mask: (B, T), False for tokens that nobody may look at.
            last: only the last so many tokens are updated and returned, which look at all.
        """
        batch, width = x.shape[0], x.shape[2]
        normed = self.norm_attention(x)
        if last is not None:
            x = x[:, -last:]
        queries = self._split(self.query(normed[:, -x.shape[1] :]))
        keys, values = map(self._split, self.key_value(normed).chunk(2, dim=-1))
        allowed = None if mask is None else mask[:, None, None, :]
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=allowed)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, -1, width))
        return x + self.mlp(self.norm_mlp(x))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class TextEncoder(nn.Module):
    """Word embeddings, positions, a small transformer, the mean over words."""

    def __init__(self, vocabulary: int, width: int, depth: int, max_words: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=PAD)
        # small, so that the untrained embedding of an unknown word says next to nothing
        nn.init.normal_(self.words.weight, std=0.1)
        self.positions = nn.Parameter(0.02 * torch.randn(max_words, width))
        self.blocks = nn.ModuleList(Block(width, heads=4) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Token ids (U, L) -> (U, width)."""
        mask = tokens != PAD
        x = self.words(tokens) + self.positions[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x, mask)
        weights = mask.unsqueeze(-1).to(x.dtype)
        return (self.norm(x) * weights).sum(dim=1) / weights.sum(dim=1)
