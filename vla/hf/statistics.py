"""Statistics of the training data, and actions as bins between two of their percentiles."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from octoworld.core.errors import CheckpointError
from octoworld.core.io import read_json, write_json

from ..processors import Statistics

PERCENTILES = (1.0, 99.0)
"""Range of the bins (OpenVLA, arXiv 2406.09246, section 3.2): outliers would widen every bin."""
_LEAST_RANGE = 1e-2
"""Least width of that range [action units, of 2 from end to end], for a dimension that stood."""


@dataclass(frozen=True)
class ActionRange:
    """B even bins of each action dimension; what lies outside falls into the outermost."""

    low: tuple[float, ...]
    """(A,) lower edge of the first bin [action units]."""
    high: tuple[float, ...]
    """(A,) upper edge of the last bin."""

    @classmethod
    def of(cls, actions: NDArray) -> ActionRange:
        """Of `actions` (T, A), by `PERCENTILES`."""
        low, high = np.percentile(np.asarray(actions, np.float64), PERCENTILES, axis=0)
        missing = np.maximum(_LEAST_RANGE - (high - low), 0) / 2
        return cls(tuple((low - missing).tolist()), tuple((high + missing).tolist()))

    def to_bins(self, actions: torch.Tensor, bins: int) -> torch.Tensor:
        """(..., A) actions -> (..., A) int64 in [0, bins)."""
        low, high = self._edges(actions.device)
        share = (actions.double() - low) / (high - low)
        return (share * bins).floor().clamp(0, bins - 1).long()

    def to_actions(self, index: torch.Tensor, bins: int) -> torch.Tensor:
        """(..., A) int64 -> (..., A) float32, the middle of each bin."""
        low, high = self._edges(index.device)
        return (low + (index.double() + 0.5) / bins * (high - low)).float()

    def _edges(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        # double: a bin's middle must come back as that bin
        low, high = (torch.tensor(v, dtype=torch.float64) for v in (self.low, self.high))
        return low.to(device), high.to(device)


@dataclass(frozen=True)
class HfStatistics:
    """What a policy learnt from its data set besides its weights."""

    state: Statistics
    """Of the proprioception (P)."""
    action: Statistics
    """Of the actions (A)."""
    action_range: ActionRange
    """Of the actions (A)."""

    @classmethod
    def fit(cls, states: NDArray, actions: NDArray) -> HfStatistics:
        """From the rows (T, P) and (T, A) of the training data."""
        return cls(
            Statistics.of(states, min_std=1e-3),
            # an axis the demonstrations hardly move may not become the loss's dearest
            Statistics.of(actions, min_std=0.1),
            ActionRange.of(actions),
        )

    def save(self, path: Path | str) -> None:
        """Write as JSON; floats survive to the bit."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path | str) -> HfStatistics:
        """Read what `save` wrote; raises CheckpointError when missing or damaged."""
        values = read_json(path)
        try:
            state, action, limits = (
                {key: tuple(float(v) for v in part) for key, part in values[name].items()}
                for name in ("state", "action", "action_range")
            )
            loaded = cls(Statistics(**state), Statistics(**action), ActionRange(**limits))
            lengths = {len(part) for part in (*action.values(), *limits.values())}
            widths = [h - lo for lo, h in zip(limits["low"], limits["high"], strict=True)]
            if len(lengths) != 1 or min((*state["std"], *action["std"], *widths)) <= 0:
                raise ValueError("lengths differ, or a spread is not positive")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{path} is damaged ({type(error).__name__}: {error}); restore or re-create it"
            ) from None
        return loaded
