"""Objectives: clipped policy gradient over chunks, weighted by episode length; KL."""

from __future__ import annotations

import math

import torch


def ppo_loss(
    log_prob: torch.Tensor,
    old_log_prob: torch.Tensor,
    advantage: torch.Tensor,
    weight: torch.Tensor,
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.28,
    ratio_power: float = 1.0,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Clipped surrogate (arXiv 1707.06347) with a wider upper bound (clip-higher, DAPO).

    Args:
        log_prob: (B,) of the policy that learns, mean per action dimension, differentiable; at
            least float32, since ratios near 1 are all rounding in bfloat16.
        old_log_prob: (B,) of the policy that acted.
        advantage: (B,) of the decision's episode.
        weight: (B,), mean 1 over the whole batch; see `length_weights`.
        clip_low: the ratio gains nothing below 1 - clip_low.
        clip_high: the ratio gains nothing above 1 + clip_high.
        ratio_power: factor of the log-ratio; 1 is the ratio per dimension (a geometric mean over
            the chunk, which a long chunk cannot make explode), K * A that of the whole chunk.

    Returns:
        The scalar loss and monitors: `ratio_clip_share`, `approx_kl` (of the scaled ratio).
    """
    log_ratio = ratio_power * (log_prob - old_log_prob)
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    # L = - w * min(r A, clip(r) A)
    surrogate = torch.minimum(ratio * advantage, clipped * advantage)
    loss = -(weight * surrogate).mean()
    with torch.no_grad():
        # where the clipped branch was taken, the decision has no gradient
        idle = ((ratio > 1 + clip_high) & (advantage > 0)) | (
            (ratio < 1 - clip_low) & (advantage < 0)
        )
        monitors = {
            "ratio_clip_share": idle.float().mean(),
            "approx_kl": (ratio - 1 - log_ratio).mean(),
        }
    return loss, monitors


def kl_to_reference(log_prob: torch.Tensor, reference_log_prob: torch.Tensor) -> torch.Tensor:
    """Unbiased, non-negative estimate of KL(policy || reference) per dimension, (B,) -> scalar.

    Schulman's k3: exp(d) - d - 1 with d = log p_ref - log p.
    """
    difference = reference_log_prob - log_prob
    return (difference.exp() - difference - 1).mean()


def length_weights(mask: torch.Tensor) -> torch.Tensor:
    """(D, N) bool -> (D, N): every episode weighs the same, whatever its length; mean 1 over mask.

    Without it long (failing) episodes drown short (successful) ones.
    """
    lengths = mask.sum(0).clamp_min(1)
    num_episodes = mask.any(0).sum().clamp_min(1)
    # w_dn = (decisions in all) / (episodes * decisions of episode n)
    return mask * (mask.sum() / (num_episodes * lengths))


def laplace_log_scale(log_prob: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """Log-scale of the Laplace law that has the sampled entropy: a monitor of collapse. Scalar.

    Entropy per dimension = -E[log p] = 1 + log(2 b), and b = temperature * policy's own scale.
    """
    return -log_prob.mean() - 1 - math.log(2) - math.log(temperature)
