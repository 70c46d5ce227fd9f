"""Rare pictures are told from usual ones, whichever part of them is rare."""

import numpy as np
import torch

from worldmodels.dataset import EpisodeDataset
from worldmodels.rarity import rarity


def pictures(frames: np.ndarray) -> EpisodeDataset:
    count = len(frames)
    return EpisodeDataset(
        frames={"front": torch.from_numpy(frames)},
        proprio=torch.zeros(count, 1),
        actions=torch.zeros(count, 1),
        success=np.zeros(count, bool),
        starts=np.zeros(1, np.int64),
        lengths=np.array([count]),
        episodes=[],
    )


def test_what_few_pictures_show_counts_more_than_what_all_show_somewhere():
    random = np.random.default_rng(0)
    frames = np.full((200, 32, 32, 3), 100, np.uint8)
    for frame in frames:  # a bright arm, in every picture, in any column
        column = 8 * random.integers(4)
        frame[:16, column : column + 8] = 220
    frames[7, 24:32, 24:32] = (200, 0, 0)  # a block where there never is one
    score = rarity(pictures(frames))
    assert score.argmax() == 7
    assert score[7] > 3 * score.median()


def test_noise_below_the_floor_is_not_rare():
    frames = np.full((50, 16, 16, 3), 90, np.uint8)
    frames[3] += 1
    assert rarity(pictures(frames)).max() < 0.1
