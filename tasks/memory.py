"""Memories as rows: named arrays (N, ...) to one (N, E) array and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ConfigError
from sim.world import Mask


def width_of(memory: Mapping[str, NDArray]) -> int:
    """E, numbers a world."""
    return sum(value[0].size for value in memory.values())


def rows_of(memory: Mapping[str, NDArray], num_worlds: int) -> NDArray[np.float64]:
    """(N, E): the arrays in the order of their names."""
    parts = [memory[name].reshape(num_worlds, -1) for name in sorted(memory)]
    return np.concatenate([np.zeros((num_worlds, 0)), *parts], axis=1)


def write_rows(memory: Mapping[str, NDArray], rows: ArrayLike, mask: Mask) -> None:
    """Write rows (n, E) of `rows_of` back into the masked worlds; ConfigError if they misfit."""
    rows = np.asarray(rows, np.float64)
    expected = (int(np.sum(mask)), width_of(memory))
    if rows.shape != expected:
        raise ConfigError(f"memory of shape {rows.shape}, expected {expected}")
    at = 0
    for name in sorted(memory):
        value = memory[name]
        size = value[0].size
        value[mask] = rows[:, at : at + size].reshape(len(rows), *value.shape[1:])
        at += size
