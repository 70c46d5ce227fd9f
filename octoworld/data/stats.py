"""Statistics of features: exact for columns, by histogram for images; LeRobot's aggregation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
STATISTICS = ("min", "max", "mean", "std", "count", *QUANTILES)

Stats = dict[str, NDArray]
"""`min max mean std q01 q10 q50 q90 q99`, (D,) or for images (3, 1, 1); `count` (1,)."""


def column_stats(values: NDArray) -> Stats:
    """Statistics of (N, D) or (N,) numbers along N; std is the population's."""
    values = np.asarray(values, np.float64).reshape(len(values), -1)
    out = {
        "min": values.min(0),
        "max": values.max(0),
        "mean": values.mean(0),
        "std": values.std(0),
        "count": np.array([len(values)]),
    }
    return out | dict(zip(QUANTILES, np.quantile(values, [*QUANTILES.values()], 0), strict=True))


def sample_indices(length: int) -> NDArray[np.int64]:
    """The frames of an episode that image statistics look at: LeRobot's T^0.75, at least 100."""
    count = min(length, max(100, int(length**0.75)))
    return np.round(np.linspace(0, length - 1, count)).astype(np.int64)


def image_stats(frames: NDArray[np.uint8]) -> Stats:
    """Statistics a channel of (T, H, W, 3) uint8 frames, scaled to [0, 1], each (3, 1, 1).

    `count` is the number of frames, as in LeRobot, not of pixels.
    """
    # 256 levels hold everything that the statistics need, whatever the number of pixels
    levels = np.arange(256) / 255.0
    rows: dict[str, list[float]] = {k: [] for k in STATISTICS if k != "count"}
    for channel in range(3):
        counts = np.bincount(frames[..., channel].ravel(), minlength=256)
        total, cumulative = counts.sum(), counts.cumsum()
        present = np.flatnonzero(counts)
        mean = float(counts @ levels / total)
        rows["min"].append(float(levels[present[0]]))
        rows["max"].append(float(levels[present[-1]]))
        rows["mean"].append(mean)
        rows["std"].append(float(np.sqrt(counts @ (levels - mean) ** 2 / total)))
        for name, q in QUANTILES.items():
            rank = q * (total - 1)
            low, high = np.searchsorted(cumulative, [np.floor(rank), np.ceil(rank)], "right")
            share = rank - np.floor(rank)
            rows[name].append(float(levels[low] * (1 - share) + levels[high] * share))
    out: Stats = {k: np.array(v).reshape(3, 1, 1) for k, v in rows.items()}
    return out | {"count": np.array([len(frames)])}


def aggregate(parts: Sequence[Stats]) -> Stats:
    """Statistics of the union, from those of its parts.

    min, max, mean, std and count are exact; quantiles are the parts' mean weighted by count, as in
    LeRobot.
    """
    counts = np.array([float(p["count"][0]) for p in parts])
    weights = (counts / counts.sum()).reshape(-1, *[1] * np.ndim(parts[0]["mean"]))

    def weighted(values: list[NDArray]) -> NDArray:
        return (np.stack(values) * weights).sum(0)

    mean = weighted([p["mean"] for p in parts])
    variance = weighted([p["std"] ** 2 + (p["mean"] - mean) ** 2 for p in parts])
    return {
        "min": np.stack([p["min"] for p in parts]).min(0),
        "max": np.stack([p["max"] for p in parts]).max(0),
        "mean": mean,
        "std": np.sqrt(variance),
        "count": np.array([int(counts.sum())]),
        **{name: weighted([p[name] for p in parts]) for name in QUANTILES},
    }
