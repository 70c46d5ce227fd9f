"""CodeHead: from what is known of a token to its codes, one after the other."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from .fsq import FiniteScalars

COPY = 6.0
"""Logit with which training starts to repeat the code of the frame before: about even with all of a
thousand others together."""


class CodeHead(nn.Module):
    """Logits of G codes, each told the codes before it (their levels, so near codes are alike).

    Codes of a token describe one patch and hang together: drawn independently they would mix two
    futures in one patch. To tell each the ones before costs a small layer, not a transformer step.
    A code's row of weights is the sum of rows for its levels and one of its own, so that rare codes
    learn from their neighbours. One logit says that the code is that of the frame before.
    """

    mask: torch.Tensor
    """(G * width, G * d): 1 where a group may be told of another's levels."""
    one_hot: torch.Tensor
    """(V, levels of all numbers): which levels a code is made of."""

    def __init__(self, dim: int, width: int, levels: tuple[int, ...], fsq: FiniteScalars) -> None:
        super().__init__()
        groups, codes, size = fsq.groups, fsq.num_codes, len(levels)
        self.enter = nn.Linear(dim, groups * width)
        self.told = nn.Linear(groups * size, groups * width, bias=False)
        self.middle = nn.Parameter(torch.randn(groups, width, width) / width**0.5)
        self.level_rows = nn.Parameter(torch.randn(groups, sum(levels), width) / width**0.5)
        self.own_rows = nn.Parameter(torch.zeros(groups, codes, width))
        self.bias = nn.Parameter(torch.zeros(groups, codes))
        self.copy = nn.Linear(dim, groups)
        nn.init.zeros_(self.copy.weight)
        nn.init.constant_(self.copy.bias, COPY)
        before = torch.ones(groups, groups).tril(-1)
        mask = before.repeat_interleave(width, 0).repeat_interleave(size, 1)
        self.register_buffer("mask", mask, persistent=False)
        level = torch.round((fsq.table + 1) / 2 * (fsq.count - 1)).long()
        offset = torch.tensor([0, *levels[:-1]]).cumsum(0)
        one_hot = F.one_hot(level + offset, sum(levels)).sum(1).float()
        self.register_buffer("one_hot", one_hot, persistent=False)

    def rows(self) -> torch.Tensor:
        """Output weights (G, width, V)."""
        return (self.one_hot @ self.level_rows + self.own_rows).transpose(1, 2)

    def forward(self, x: torch.Tensor, values: torch.Tensor, beneath: torch.Tensor) -> torch.Tensor:
        """Logits (..., G, V).

        Args:
            x: what is known (..., D).
            values: levels of the codes themselves (..., G * d), of which each sees those before it.
            beneath: codes (..., G) of the same place one frame before.
        """
        told = F.linear(values, self.told.weight * self.mask)
        u = (self.enter(x) + told).unflatten(-1, (self.copy.out_features, -1))
        lead, u = u.shape[:-2], u.flatten(0, -3).transpose(0, 1)
        logits = self._logits(u, self.middle, self.rows(), self.bias)
        logits = logits.transpose(0, 1).unflatten(0, lead)
        return logits.scatter_add(-1, beneath[..., None], self.copy(x)[..., None].to(logits.dtype))

    @torch.no_grad()
    def choose(
        self,
        x: torch.Tensor,
        beneath: torch.Tensor,
        rows: torch.Tensor,
        table: torch.Tensor,
        draw: Callable[[torch.Tensor, int], tuple[torch.Tensor, torch.Tensor]],
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Codes (N, G), their log-probabilities and levels (N, G * d), drawn in order.

        Args:
            x: (N, D).
            beneath: (N, G).
            rows: what `rows()` gives, made once.
            table: (V, d) levels of each code.
            draw: (logits (N, V), number of the group) -> (codes (N,), log-probabilities (N,)).
        """
        groups = beneath.shape[-1]
        known, copy = self.enter(x).unflatten(-1, (groups, -1)), self.copy(x)
        told = self.told.weight.unflatten(0, (groups, -1)).unflatten(-1, (groups, -1))
        codes, logs, levels = [], [], []
        for g in range(groups):
            u = known[:, g]
            for earlier, value in enumerate(levels):
                u = u + F.linear(value, told[g, :, earlier])
            one = slice(g, g + 1)
            logits = self._logits(u[None], self.middle[one], rows[one], self.bias[one])[0]
            logits.scatter_add_(-1, beneath[:, one], copy[:, one])
            code, log = draw(logits, g)
            codes.append(code)
            logs.append(log)
            levels.append(table[code])
        return torch.stack(codes, -1), torch.stack(logs, -1), torch.cat(levels, -1)

    @staticmethod
    def _logits(
        u: torch.Tensor, middle: torch.Tensor, rows: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        """U (G, N, width) to (G, N, V)."""
        u = F.silu(u)
        u = F.rms_norm(u + F.silu(u @ middle), u.shape[-1:])
        return torch.baddbmm(bias[:, None], u, rows)
