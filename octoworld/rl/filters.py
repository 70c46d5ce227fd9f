"""Filters: which groups teach. A group whose members all return the same has no gradient."""

from __future__ import annotations

import torch


def live_groups(returns: torch.Tensor, min_std: float) -> torch.Tensor:
    """(M, G) returns -> (M,) bool: the population deviation is above `min_std`.

    Dynamic sampling of DAPO (arXiv 2503.14476): dead groups are left out of the batch, so they
    shrink neither the mean loss nor the step.
    """
    return returns.std(-1, correction=0) > min_std


def live_share(returns: torch.Tensor, min_std: float) -> float:
    """Share of groups that teach, in [0, 1]."""
    return float(live_groups(returns, min_std).float().mean())
