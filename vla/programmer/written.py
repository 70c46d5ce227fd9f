"""Written: programs as the trainer sees them, a row of tokens each."""

from __future__ import annotations

from dataclasses import dataclass

import torch

PAD = -1
"""Fills rows after a program's end."""


@dataclass
class Written:
    """Programs: as a policy's `ActionChunk`, whose only step is a whole program."""

    actions: torch.Tensor
    """(N, 1, L) float32 tokens, PAD after the end."""
    raw_actions: torch.Tensor
    """The same."""
    log_prob: torch.Tensor
    """(N, L) float32 of each token; 0 after the end."""
    chosen: torch.Tensor
    """(N, L) bool: tokens that were drawn here; not those after the end, nor copied beginnings."""

    @property
    def tokens(self) -> torch.Tensor:
        """(N, L) int64."""
        return self.actions[:, 0].long()
