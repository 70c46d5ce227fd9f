"""What a reflector hears and sees: a sentence as a vector, and frames looked at with it in mind."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from octoworld.data.words import PAD

from ..cells import CellBlock


class Block(nn.Module):
    """Attention and an MLP, both behind a norm and around a residual."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """X (B, L, dim); `mask` broadcasts to (B, heads, L, L), true where it may look."""
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        h = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
        x = x + F.dropout(self.out(h), self.dropout, self.training)
        h = self.down(F.gelu(self.up(self.norm2(x))))
        return x + F.dropout(h, self.dropout, self.training)


class Hearing(nn.Module):
    """Word numbers to a vector: which word stands where decides which colour is the block's."""

    def __init__(
        self, num_words: int, max_words: int, dim: int, heads: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(num_words, dim, padding_idx=PAD)
        self.position = nn.Parameter(torch.randn(max_words, dim) * 0.02)
        self.blocks = nn.ModuleList(Block(dim, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """(B, L) word numbers to (B, dim)."""
        known = words != PAD
        # without words attention would have nothing to look at
        known = known | (~known.any(1, keepdim=True))
        text = self.words(words) + self.position[: words.shape[1]]
        for block in self.blocks:
            text = block(text, known[:, None, None])
        share = known.unsqueeze(-1).to(text.dtype)
        return self.norm((text * share).sum(1) / share.sum(1))


class Sight(nn.Module):
    """Convolutions over the cells of frames, bent by the sentence, and where attention falls.

    A soft-argmax over cells finds a place to a fraction of a pixel (Levine et al. 2016, "End-to-end
    training of deep visuomotor policies"); what stands there is read beside it.
    """

    def __init__(
        self, channels: int, cameras: int, condition: int, *, width: int, blocks: int, points: int
    ) -> None:
        super().__init__()
        self.cameras, self.points_seen = cameras, points
        self.enter = nn.Conv2d(channels + 2, width, 3, padding=1)
        self.body = nn.ModuleList(CellBlock(width, condition) for _ in range(blocks))
        self.heat = nn.Conv2d(width, points, 1)
        self.sharpness = nn.Parameter(torch.full((points, 1), 3.0))
        self.num_features = cameras * points * (2 + width)

    def forward(self, cells: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Cells (N * cameras, c, h, w) and what is asked (N, D) to features (N, num_features)."""
        rows, columns = (torch.linspace(-1, 1, n, device=cells.device) for n in cells.shape[-2:])
        place = torch.stack(torch.meshgrid(columns, rows, indexing="xy"))
        x = self.enter(torch.cat([cells, place.expand(len(cells), -1, -1, -1)], 1))
        condition = condition.repeat_interleave(self.cameras, 0)
        for block in self.body:
            x = block(x, condition)
        x = F.silu(x)
        attention = (self.heat(x).flatten(2) * self.sharpness).softmax(-1)
        found = [attention @ place.flatten(1).T, attention @ x.flatten(2).transpose(1, 2)]
        return torch.cat(found, -1).reshape(len(cells) // self.cameras, -1)
