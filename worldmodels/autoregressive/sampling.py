"""Drawing codes from logits: temperature, top-k, and the log-probability under both."""

from __future__ import annotations

import torch
from torch.nn import functional as F

LAST = 1 - 2.0**-20
"""Largest uniform number used: 1 would point behind the last code that can be drawn."""


def log_softmax(logits: torch.Tensor, temperature: float, top_k: int) -> torch.Tensor:
    """Log-probabilities (..., V) of codes that are drawn so, from logits (..., V).

    `top_k` > 0 leaves the likeliest that many (more where some are equal); the others get -inf.
    """
    logits = logits.float()
    if 0 < top_k < logits.shape[-1]:
        least = logits.topk(top_k, -1).values[..., -1:]
        logits = torch.where(logits < least, -torch.inf, logits)
    return F.log_softmax(logits / temperature, -1)


def draw(
    logits: torch.Tensor, uniform: torch.Tensor, temperature: float, top_k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes (N,) and their log-probabilities (N,) from logits (N, V) and uniform numbers (N,)."""
    logs = log_softmax(logits, temperature, top_k)
    reach = logs.exp().cumsum(-1)
    aim = uniform.clamp(max=LAST)[:, None] * reach[:, -1:]
    codes = torch.searchsorted(reach, aim, right=True)
    return codes[:, 0], logs.gather(-1, codes)[:, 0]
