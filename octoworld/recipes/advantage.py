"""Advantages of a roll-out: how much better each action turned out than the critic expected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from octoworld.data.episode import Episode
from octoworld.rl.advantages import gae

from .actors import VALUE

ADVANTAGE = "policy.advantage"
"""Column of the generalised advantage, in the task's rewards."""


def add_advantages(
    episodes: Sequence[Episode],
    values: NDArray[np.float32],
    ended: NDArray[np.bool_],
    discount: float,
    trace: float,
) -> None:
    """Add `policy.advantage` (T,) to each episode, and `info["advantage"]`: discount and trace.

    What follows the first end is not the policy's doing as its training knew it: 0. An episode cut
    by the clock goes on in the critic's eyes, as in training.

    Args:
        episodes: N, of T <= S steps each.
        values: (S + 1, N) before each step of the roll-out and after its last.
        ended: (S, N) whether training would have ended the episode after this step.
        discount: gamma, per step.
        trace: lambda of GAE.
    """
    for world, episode in enumerate(episodes):
        length = len(episode)
        over = ended[:length, world]
        advantages, _ = gae(
            torch.from_numpy(episode["next.reward"])[:, None],
            torch.from_numpy(np.append(episode[VALUE], values[length, world]))[:, None],
            torch.from_numpy(over)[:, None],
            torch.zeros(length, 1, dtype=torch.bool),
            discount=discount,
            trace=trace,
        )
        after = np.cumsum(over) - over > 0
        episode.columns[ADVANTAGE] = np.where(after, 0, advantages[:, 0].numpy())
        episode.info["advantage"] = {"discount": discount, "trace": trace}
