"""Confidence intervals: paired bootstrap over (seed, start state), Wilson, interquartile mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.rng import derive_seed

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate between its bounds."""

    estimate: float
    low: float
    high: float


def bootstrap_mean(
    values: ArrayLike,
    *,
    shared_starts: bool = True,
    level: float = 0.95,
    resamples: int = 4000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of the mean over seeds and start states.

    Give it paired differences (one arm minus the other, from the same seed and start) and the
    noise that both arms share is gone.

    With `shared_starts` every seed was tested from the same starts, so a start's luck repeats in
    every row. Seed effects and start effects are then resampled on their own, and added:
    mean* = mean + mean(a*) + mean(b*), with a = row means - mean and b = column means - mean. What
    is left over after both is in each of them, so the interval is never too narrow for it.
    Otherwise starts are resampled inside resampled seeds (the hierarchical bootstrap).

    With S seeds, resampling finds only (S - 1) / S of the variance between them: seed effects are
    widened by sqrt(S / (S - 1)). One seed says nothing about other seeds: the interval is then
    over start states alone.

    Args:
        values: (S, E), one row a seed, one column a start state.
        shared_starts: column e is the same start in every row.
        level: share of repetitions whose interval holds the true mean.
        resamples: bootstrap samples.
        seed: of the resampling, so that a report is the same each time.

    Raises:
        ConfigError: empty, not (S, E), or not finite.
    """
    values = np.atleast_2d(np.asarray(values, np.float64))
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise ConfigError(f"values: expected finite (seeds, starts), got shape {values.shape}")
    num_seeds, num_starts = values.shape
    mean = float(values.mean())
    rng = np.random.default_rng(derive_seed(seed, "bootstrap", num_seeds, num_starts))
    rows = values.mean(1) - mean
    if num_seeds > 1:
        rows = rows * math.sqrt(num_seeds / (num_seeds - 1))
    picked = rng.integers(num_seeds, size=(resamples, num_seeds))
    draws = mean + rows[picked].mean(1)
    if shared_starts:
        draws += _resampled_means(values.mean(0) - mean, resamples, rng)
    else:
        inside = values - values.mean(1, keepdims=True)
        for position in range(num_seeds):
            columns = np.stack([_resampled_means(row, resamples, rng) for row in inside])
            draws += columns[picked[:, position], np.arange(resamples)] / num_seeds
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high))


def wilson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a success rate; honest near 0 and 1, where the normal one fails.

    Raises:
        ConfigError: not 0 <= successes <= trials with trials >= 1.
    """
    if not (trials >= 1 and 0 <= successes <= trials):
        raise ConfigError(f"expected 0 <= successes <= trials >= 1, got {successes}/{trials}")
    z = NormalDist().inv_cdf((1 + level) / 2)
    rate = successes / trials
    # centre = (p + z^2 / 2n) / (1 + z^2 / n)
    shrink = 1 + z**2 / trials
    centre = (rate + z**2 / (2 * trials)) / shrink
    half = z / shrink * math.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    return Interval(rate, max(0.0, centre - half), min(1.0, centre + half))


def interquartile_mean(values: ArrayLike) -> float:
    """Mean of the middle half, robust to a lucky or failed run (Agarwal et al. 2021).

    Values that straddle a quartile count with the share of them inside, so that it is defined for
    any number of runs.
    """
    ordered = np.sort(np.asarray(values, np.float64).ravel())
    if ordered.size == 0:
        raise ConfigError("interquartile_mean of no values")
    edges = np.arange(ordered.size + 1) / ordered.size
    # value i covers [i/n, (i+1)/n] of the ordered mass; its weight is the part within [1/4, 3/4]
    weights = np.clip(np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25), 0, None)
    return float((weights * ordered).sum() / weights.sum())


def _resampled_means(values: Floats, resamples: int, rng: np.random.Generator) -> Floats:
    """(E,) -> (resamples,) means of E draws with replacement."""
    # counts of distinct values, not indices: outcomes of episodes take few values, and this
    # keeps thousands of resamples of thousands of starts small
    levels, counts = np.unique(values, return_counts=True)
    drawn = rng.multinomial(values.size, counts / values.size, size=resamples)
    return drawn @ levels / values.size
