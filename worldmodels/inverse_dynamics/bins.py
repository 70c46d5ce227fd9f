"""Actions in [-1, 1] as equal bins, and what an action over several steps is."""

from __future__ import annotations

import torch

from octoworld.core.errors import ActionError


def to_bins(actions: torch.Tensor, num_bins: int) -> torch.Tensor:
    """Bin numbers, (...) float in [-1, 1] -> (...) int64 in [0, num_bins); others are clipped."""
    return ((actions + 1) / 2 * num_bins).floor().long().clamp(0, num_bins - 1)


def bin_centres(num_bins: int, like: torch.Tensor | None = None) -> torch.Tensor:
    """The middle of each bin, (num_bins,), on the device of `like`."""
    device = None if like is None else like.device
    return (torch.arange(num_bins, device=device) + 0.5) * (2 / num_bins) - 1


def bin_labels(actions: torch.Tensor, num_bins: int, spread: float) -> torch.Tensor:
    """Training targets (..., num_bins) that add up to 1.

    `spread` is the standard deviation of the label in bin widths: an action near an edge is nearly
    as much the next bin's, and is learned so. 0 puts all on the action's own bin.
    """
    if spread <= 0:
        return torch.nn.functional.one_hot(to_bins(actions, num_bins), num_bins).float()
    distance = (actions.clamp(-1, 1)[..., None] - bin_centres(num_bins, actions)) * (num_bins / 2)
    return (-0.5 * (distance / spread).square()).softmax(-1)


def mean_actions(actions: torch.Tensor, stride: int) -> torch.Tensor:
    """Means over `stride` steps, (B, K, A) -> (B, K / stride, A).

    Raises:
        ActionError: K is no multiple of `stride`.
    """
    steps = actions.shape[1]
    if steps % stride:
        raise ActionError(f"{steps} actions: expected a multiple of stride = {stride}")
    return actions.unflatten(1, (steps // stride, stride)).mean(2)
