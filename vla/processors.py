"""What stands between the world's units and a network's: statistics, words, images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from octoworld.core.errors import CheckpointError, DatasetError
from octoworld.core.io import read_json, write_json
from octoworld.data.words import WordTokens, build_vocabulary

STATE_FLOOR = 1e-3
"""Least spread that the true state is scaled by."""


def images_to_float(images: torch.Tensor) -> torch.Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float32 in [-1, 1], channels-last in memory."""
    return images.permute(0, 3, 1, 2).to(torch.float32).mul(2 / 255).sub(1.0)


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each dimension of one column."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, values: NDArray, min_std: float) -> Statistics:
        """Of `values` (T, D); a spread below `min_std` is raised to it, so nothing blows up."""
        values = np.asarray(values, np.float64)
        std = np.maximum(values.std(axis=0), min_std)
        return cls(tuple(values.mean(axis=0).tolist()), tuple(std.tolist()))

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(D,) mean and (D,) std, float32."""
        return torch.tensor(self.mean), torch.tensor(self.std)


@dataclass(frozen=True)
class Processor:
    """Everything that a policy learnt from its data set besides its weights."""

    words: tuple[str, ...]
    """Vocabulary; word i has token id i + 2."""
    state: Statistics
    """Of the proprioception (P)."""
    action: Statistics
    """Of the actions (A)."""
    privileged: Statistics | None = None
    """Of the true state that an auxiliary head predicts in training (D), if it was recorded."""

    @classmethod
    def fit(
        cls,
        instructions: Sequence[str],
        states: NDArray,
        actions: NDArray,
        privileged: NDArray | None = None,
    ) -> Processor:
        """From the training instructions and the columns' rows (T, P), (T, A), (T, D)."""
        words = build_vocabulary(instructions)
        if not words:
            raise DatasetError("the training instructions hold no word")
        return cls(
            words=words,
            state=Statistics.of(states, min_std=1e-3),
            # an axis the demonstrations hardly move may not become the loss's dearest
            action=Statistics.of(actions, min_std=0.1),
            privileged=None if privileged is None else Statistics.of(privileged, STATE_FLOOR),
        )

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids."""
        return len(self.words) + 2

    def encode(self, instructions: Sequence[str], max_words: int) -> torch.Tensor:
        """(N, max_words) int64 token ids; longer instructions are cut, shorter ones padded."""
        return WordTokens(self.words, max_words)(instructions)

    def save(self, path: Path | str) -> None:
        """Write as JSON; floats survive to the bit."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path | str) -> Processor:
        """Read what `save` wrote; raises CheckpointError when missing or damaged."""
        values = read_json(path)
        try:
            privileged = values["privileged"]
            return cls(
                words=tuple(str(word) for word in values["words"]),
                state=_statistics(values["state"]),
                action=_statistics(values["action"]),
                privileged=None if privileged is None else _statistics(privileged),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{path} is damaged ({type(error).__name__}: {error}); restore or re-create it"
            ) from None


def _statistics(values: Mapping[str, Sequence[float]]) -> Statistics:
    mean, std = (tuple(float(v) for v in values[key]) for key in ("mean", "std"))
    if len(mean) != len(std) or not all(s > 0 for s in std):
        raise ValueError("mean and std must be of one length, std positive")
    return Statistics(mean, std)
