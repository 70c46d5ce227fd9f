"""Advantage estimators: how much better an episode did than its group, or than a critic said."""

from __future__ import annotations

import torch

from octoworld.core.registry import register_estimator

STD_FLOOR = 1e-6
"""Added to a group's standard deviation, so that groups of equal returns give 0."""


@register_estimator("loo")
def leave_one_out(returns: torch.Tensor) -> torch.Tensor:
    """(M, G) returns -> (M, G) advantages against the mean of the other members; unbiased.

    Source: Kool et al. 2019; LOOP (arXiv 2502.01600).
    """
    size = returns.shape[-1]
    # A_i = R_i - 1/(G-1) sum_{j != i} R_j
    others = (returns.sum(-1, keepdim=True) - returns) / (size - 1)
    return returns - others


@register_estimator("grpo")
def group_normalised(returns: torch.Tensor) -> torch.Tensor:
    """(M, G) -> (M, G), centred and divided by the group's deviation (arXiv 2402.03300)."""
    # A_i = (R_i - mean(R)) / std(R)
    centred = returns - returns.mean(-1, keepdim=True)
    return centred / (returns.std(-1, keepdim=True) + STD_FLOOR)


@register_estimator("dr_grpo")
def group_centred(returns: torch.Tensor) -> torch.Tensor:
    """(M, G) -> (M, G), centred only: no weight on easy or hard groups (arXiv 2503.20783)."""
    # A_i = R_i - mean(R)
    return returns - returns.mean(-1, keepdim=True)


def gae(
    rewards: torch.Tensor,
    values: torch.Tensor,
    terminated: torch.Tensor,
    truncated: torch.Tensor,
    *,
    discount: float = 0.99,
    trace: float = 0.95,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Generalised advantage estimation (arXiv 1506.02438).

    Args:
        rewards: (T, N).
        values: (T + 1, N), value before each step and after the last; where an episode was
            truncated at t, `values[t + 1]` must be that of the final observation, not of the reset.
        terminated: (T, N) bool, ended by physics: nothing follows.
        truncated: (T, N) bool, ended by the clock: the value follows, the trace does not.
        discount: gamma, per step.
        trace: lambda in [0, 1].

    Returns:
        Advantages (T, N) and value targets (T, N).
    """
    goes_on = (~terminated).float()
    same_episode = (~(terminated | truncated)).float()
    advantages = torch.zeros_like(rewards)
    running = torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        # delta_t = r_t + gamma V(s_{t+1}) [not terminated] - V(s_t)
        delta = rewards[t] + discount * values[t + 1] * goes_on[t] - values[t]
        # A_t = delta_t + gamma lambda A_{t+1} [same episode]
        running = delta + discount * trace * same_episode[t] * running
        advantages[t] = running
    return advantages, advantages + values[:-1]
