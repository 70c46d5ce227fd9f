"""Returns: one number an episode, from the rewards of its living steps."""

from __future__ import annotations

from collections.abc import Callable

import torch

from octoworld.core.registry import Registry

from .rollout import Rollouts

RETURNS: Registry[Callable[[Rollouts], torch.Tensor]] = Registry("return")
register_return = RETURNS.register


@register_return("sum")
def sum_of_rewards(rollouts: Rollouts) -> torch.Tensor:
    """(N,) sum of the rewards until the stop: for dense rewards."""
    return (rollouts.rewards * rollouts.alive).sum((0, 2))


@register_return("last")
def last_reward(rollouts: Rollouts) -> torch.Tensor:
    """(N,) reward of the last living step: the reflector's score at its stop, or at the end.

    World-Env's return: continuous in value, sparse in time.
    """
    flat = _by_step(rollouts.rewards)
    last = (rollouts.lengths - 1).clamp_min(0)
    # a world's living steps come first, so the last one stands at index length - 1
    return flat.gather(0, last[None])[0]


@register_return("success")
def final_success(rollouts: Rollouts) -> torch.Tensor:
    """(N,) 1 for success at the stop or the end, else 0."""
    return rollouts.success.float()


def rewards_to_go(rollouts: Rollouts) -> torch.Tensor:
    """(D, N) sum of the rewards from each decision on until the stop."""
    earned = (rollouts.rewards * rollouts.alive).sum(2)
    return earned.flip(0).cumsum(0).flip(0)


def discounted(returns: torch.Tensor, lengths: torch.Tensor, discount: float) -> torch.Tensor:
    """R * discount^(steps to the stop), (N,): below 1, the faster of two successes is better."""
    return returns * discount ** lengths.float()


def _by_step(values: torch.Tensor) -> torch.Tensor:
    """(D, N, K) -> (D * K, N)."""
    return values.permute(0, 2, 1).reshape(-1, values.shape[1])
