"""Tree: credit for single tokens, from group members that part ways after a common beginning.

Members that share their first t tokens and drew the next one themselves stood before the same
choice, so their returns are a baseline for token t: the nearer to the leaves, the fewer things
beside that choice differ. What the others drew does not depend on the choice that is judged, so the
gradient stays unbiased; a member that was given token t as a beginning would be biased, and is
left out.
"""

from __future__ import annotations

import torch

from octoworld.core.errors import ConfigError

from .rollout import Rollouts


def prefix_leave_one_out(
    tokens: torch.Tensor, chosen: torch.Tensor, returns: torch.Tensor
) -> torch.Tensor:
    """Rows (M, G, L), what each drew (M, G, L) bool, returns (M, G) -> advantages (M, G, L).

    A_it = R_i - mean of R_j over the other members j with the same first t tokens that drew token
    t; where nobody did, over those of the longest common beginning.
    """
    length = tokens.shape[-1]
    # same[m, i, j, t]: i and j agree in all tokens before t
    agree = (tokens[:, :, None] == tokens[:, None]).long().cumprod(-1).bool()
    same = torch.cat([torch.ones_like(agree[..., :1]), agree[..., : length - 1]], -1)
    same = same & ~torch.eye(tokens.shape[1], dtype=torch.bool, device=tokens.device)[..., None]
    same = same & chosen[:, None]
    count = same.sum(2)
    total = (same * returns[:, None, :, None]).sum(2)
    mean = total / count.clamp_min(1)
    # the last position at which somebody was still there
    spots = torch.arange(length, device=tokens.device)
    last = torch.where(count > 0, spots, 0).cummax(-1).values
    return returns[..., None] - mean.gather(-1, last)


def tree_advantages(rollouts: Rollouts, returns: torch.Tensor) -> torch.Tensor:
    """(1, N, L) for rollouts of one decision.

    Raises:
        ConfigError: the policy does not write tokens, or decides more than once.
    """
    if rollouts.chosen is None or len(rollouts.log_prob) != 1:
        raise ConfigError("credit 'tree' is for policies that write one row of tokens an episode")
    shape = (-1, rollouts.group_size)
    tokens = rollouts.raw_actions[0].flatten(1).unflatten(0, shape)
    chosen = rollouts.chosen[0].unflatten(0, shape)
    return prefix_leave_one_out(tokens, chosen, rollouts.grouped(returns)).flatten(0, 1)[None]
