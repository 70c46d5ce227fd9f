"""Temporal ensembling: the mean of what the last K chunks say of the present step."""

from __future__ import annotations

import torch

from ..history import check_worlds


class TemporalEnsemble:
    """sum_i w_i a_i / sum_i w_i with w_i = exp(-m i), i = 0 the oldest chunk (arXiv 2304.13705).

    Each world has an age of its own, so that worlds can begin anew one by one. Only the running
    mean of each step to come is kept, not the chunks.
    """

    def __init__(self, chunk_size: int, decay: float) -> None:
        """Of chunks of K = `chunk_size`, with m = `decay`."""
        self._weights = torch.exp(-decay * torch.arange(chunk_size, dtype=torch.float64))
        self._sums = self._weights.cumsum(0)
        self._mean: torch.Tensor | None = None
        self._count: torch.Tensor | None = None

    def reset(self, mask: torch.Tensor | None = None) -> None:
        """Forget the chunks of the masked worlds (N,) bool; None: of all, whose number is free."""
        if mask is None or self._count is None:
            self._mean = self._count = None
            return
        mask = torch.as_tensor(mask, dtype=torch.bool, device=self._count.device)
        check_worlds(len(mask), len(self._count))
        self._count = torch.where(mask[:, None], 0, self._count)

    def __call__(self, chunk: torch.Tensor) -> torch.Tensor:
        """(N, K, A) from the present step on -> (N, A), the present action."""
        device = chunk.device
        if self._mean is None or self._count is None:
            self._mean = torch.zeros_like(chunk)
            self._count = torch.zeros(chunk.shape[:2], dtype=torch.long, device=device)
        check_worlds(len(chunk), len(self._count))
        mean, count = self._mean, self._count
        # the weight of the newest by the sum of all that spoke of that step, it included
        gain = (self._weights.to(device)[count] / self._sums.to(device)[count]).to(chunk)
        mean = mean + gain.unsqueeze(-1) * (chunk - mean)
        action = mean[:, 0]
        # step on: the last step to come is one of which no chunk has spoken yet
        self._mean = torch.cat([mean[:, 1:], torch.zeros_like(mean[:, :1])], dim=1)
        self._count = torch.cat([count[:, 1:] + 1, torch.zeros_like(count[:, :1])], dim=1)
        return action
