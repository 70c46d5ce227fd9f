"""StartSampler: from which recorded rows imagined episodes begin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError, DatasetError

from .dataset import EpisodeDataset
from .surprise import surprise


@dataclass(frozen=True)
class StartConfig:
    """First rows of episodes, and rows in their middle where much happens."""

    middle_share: float = 0.3
    """Share of starts in the middle of an episode (key frames); the rest are first rows."""
    key_power: float = 0.5
    """How strongly rows before unusual change are preferred in the middle; 0 draws evenly."""
    key_horizon: int = 8
    """Steps ahead in which change is looked for."""


class StartSampler:
    """Draws (episode, time) from a seed. Rows that already show success are never used."""

    def __init__(self, dataset: EpisodeDataset, config: StartConfig) -> None:
        self.dataset, self.config = dataset, config
        self._first = np.flatnonzero(~dataset.success[dataset.starts])
        if not len(self._first):
            raise DatasetError("every episode starts in success; there is nothing to learn")
        if not 0 <= config.middle_share <= 1:
            raise ConfigError(f"middle_share must be in [0, 1], got {config.middle_share}")
        weight = surprise(dataset, config.key_horizon).numpy().astype(np.float64)
        weight = weight**config.key_power
        weight[dataset.success] = 0.0
        weight[dataset.starts] = 0.0
        self._cumulative = np.cumsum(weight)

    def draw(self, seed: int) -> tuple[int, int]:
        """The start that belongs to `seed`."""
        rng = np.random.default_rng(seed)
        if rng.random() < self.config.middle_share and self._cumulative[-1] > 0:
            point = rng.random() * self._cumulative[-1]
            row = int(np.searchsorted(self._cumulative, point, side="right"))
            episode = int(np.searchsorted(self.dataset.starts, row, side="right")) - 1
            return episode, row - int(self.dataset.starts[episode])
        return int(self._first[rng.integers(len(self._first))]), 0

    def check(self, starts: NDArray) -> NDArray[np.int64]:
        """Given starts (n, 2); raises ConfigError naming one that does not exist."""
        starts = np.asarray(starts, np.int64)
        if starts.ndim != 2 or starts.shape[1] != 2:
            raise ConfigError(f"starts must be (n, 2) episode and time, got {starts.shape}")
        for episode, time in starts:
            if not 0 <= episode < len(self.dataset):
                raise ConfigError(f"no episode {episode}; there are {len(self.dataset)}")
            if not 0 <= time < self.dataset.lengths[episode]:
                raise ConfigError(
                    f"no step {time} in episode {episode} of {self.dataset.lengths[episode]} steps"
                )
        return starts
