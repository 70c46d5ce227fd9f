"""Reward and judge: two networks with nothing in common, and the check that it is so.

A judge that shares data, architecture or weights with the reward shares its blind spots: what
fools one then fools both, and the gain that it reports may be the reward's own error.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
import torch

from octoworld.core.errors import CheckpointError, DatasetError
from octoworld.core.rng import torch_generator

from ..dataset import EpisodeDataset
from .model import InverseDynamics

Role = Literal["reward", "judge"]
"""What a network is for: to be optimised against, or to say whether that helped."""


def episode_ids(dataset: EpisodeDataset) -> list[str]:
    """An id of every episode, 16 hexadecimal digits: of what was felt and done, not of images.

    So an episode keeps its id whatever cameras it is read with, and redrawn by an autoencoder.
    """
    ids = []
    for episode in range(len(dataset)):
        rows = torch.from_numpy(dataset.rows(episode))
        state = hashlib.blake2b(digest_size=8)
        for column in (dataset.proprio[rows], dataset.actions[rows]):
            state.update(column.contiguous().numpy().tobytes())
        ids.append(state.hexdigest())
    return ids


def split_for_roles(
    dataset: EpisodeDataset, *, seed: int, held_out: float = 0.2
) -> tuple[EpisodeDataset, EpisodeDataset, EpisodeDataset]:
    """Episodes for the reward, for the judge, and a share for neither; copies go together.

    Raises:
        DatasetError: there are fewer than three different episodes.
    """
    ids = np.array(episode_ids(dataset))
    different = np.unique(ids)
    if len(different) < 3:
        raise DatasetError(
            f"{len(different)} different episodes: expected at least 3, one for the reward, one "
            "for the judge and one that neither has seen"
        )
    order = torch.randperm(len(different), generator=torch_generator(seed, "roles", "split"))
    kept = min(max(1, round(held_out * len(different))), len(different) - 2)
    half = kept + (len(different) - kept) // 2
    rest, reward, judge = (
        dataset.subset(np.flatnonzero(np.isin(ids, part)))
        for part in np.split(different[order.numpy()], [kept, half])
    )
    return reward, judge, rest


def check_unseen(model: InverseDynamics, dataset: EpisodeDataset, purpose: str) -> None:
    """Raise DatasetError if `model` learned from an episode of `dataset`."""
    seen = [i for i, name in enumerate(episode_ids(dataset)) if name in model.trained_on]
    if seen:
        raise DatasetError(
            f"{purpose}: the inverse-dynamics model was trained on {len(seen)} of the "
            f"{len(dataset)} episodes (the first is number {seen[0]}); give held-out ones, see "
            "split_for_roles"
        )


def check_independent(reward: InverseDynamics, judge: InverseDynamics) -> None:
    """Raise CheckpointError unless `judge` has nothing in common with `reward`.

    They must have been trained for these roles, on disjoint episodes, from different seeds, and
    be of different architectures (so their weights differ as well).
    """
    problems = []
    if (reward.role, judge.role) != ("reward", "judge"):
        problems.append(
            f"they were trained as {reward.role!r} and {judge.role!r}, expected 'reward' and "
            "'judge'"
        )
    if reward.fingerprint() == judge.fingerprint():
        problems.append("they have the same weights")
    if reward.settings.architecture == judge.settings.architecture:
        problems.append(f"both are of architecture {reward.settings.architecture!r}")
    if reward.seed == judge.seed:
        problems.append(f"both were trained from seed {reward.seed}")
    if not reward.trained_on or not judge.trained_on:
        problems.append("one does not say which episodes it was trained on")
    if shared := reward.trained_on & judge.trained_on:
        problems.append(
            f"{len(shared)} episodes were used for both (of {len(reward.trained_on)} and "
            f"{len(judge.trained_on)}); split them by split_for_roles"
        )
    if problems:
        raise CheckpointError(
            "this judge is not independent of this reward: " + "; ".join(problems)
        )
