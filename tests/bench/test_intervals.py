"""Intervals cover as often as they say, on synthetic paired data, and match closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoworld.bench.intervals import bootstrap_mean, interquartile_mean, wilson
from octoworld.core.errors import ConfigError


def _coverage(seed_std, start_std, noise_std, shared, repeats=200, shape=(5, 80)):
    rng, covered = np.random.default_rng(0), 0
    for repeat in range(repeats):
        start_effects = rng.normal(size=(1, shape[1]) if shared else shape)
        values = 0.3 + seed_std * rng.normal(size=(shape[0], 1)) + start_std * start_effects
        values = values + noise_std * rng.normal(size=shape)
        interval = bootstrap_mean(values, shared_starts=shared, resamples=400, seed=repeat)
        covered += interval.low <= 0.3 <= interval.high
    return covered / repeats


@pytest.mark.parametrize("stds", [(0.0, 0.0, 1.0), (0.0, 1.0, 0.5), (0.3, 0.5, 1.0)])
def test_coverage_with_shared_starts(stds):
    # five seeds give a percentile interval a few points less than it says when seeds dominate
    assert 0.86 <= _coverage(*stds, shared=True) <= 1.0


@pytest.mark.parametrize("stds", [(0.0, 0.0, 1.0), (0.2, 0.0, 1.0)])
def test_coverage_of_the_hierarchical_bootstrap(stds):
    assert 0.86 <= _coverage(*stds, shared=False, repeats=60) <= 1.0


def test_ignoring_the_starts_luck_would_be_too_narrow():
    rng = np.random.default_rng(1)
    values = np.repeat(rng.normal(size=(1, 100)), 5, axis=0)
    shared = bootstrap_mean(values, shared_starts=True)
    nested = bootstrap_mean(values, shared_starts=False)
    assert shared.high - shared.low > 1.8 * (nested.high - nested.low)
    # all seeds alike: the width is that of one row of 100
    expected = 2 * 1.96 * values[0].std() / math.sqrt(100)
    assert math.isclose(shared.high - shared.low, expected, rel_tol=0.08)


def test_pairing_removes_what_both_arms_share():
    rng = np.random.default_rng(2)
    luck = rng.normal(size=(3, 200))
    arm, base = luck + 0.1 + 0.05 * rng.normal(size=luck.shape), luck
    paired = bootstrap_mean(arm - base)
    assert 0 < paired.low < 0.1 < paired.high < 0.15
    alone = bootstrap_mean(arm)
    assert alone.high - alone.low > 5 * (paired.high - paired.low)


def test_one_seed_is_the_ordinary_bootstrap():
    values = np.random.default_rng(3).binomial(1, 0.4, size=(1, 400)).astype(float)
    interval, closed = bootstrap_mean(values), wilson(int(values.sum()), 400)
    assert interval.estimate == closed.estimate
    assert math.isclose(interval.low, closed.low, abs_tol=0.01)
    assert math.isclose(interval.high, closed.high, abs_tol=0.01)


def test_it_is_reproducible():
    values = np.random.default_rng(4).normal(size=(3, 50))
    assert bootstrap_mean(values) == bootstrap_mean(values)
    assert bootstrap_mean(values) != bootstrap_mean(values, seed=1)


@pytest.mark.parametrize("values", [[], [[float("nan")]], np.zeros((2, 2, 2))])
def test_bad_values_are_refused(values):
    with pytest.raises(ConfigError, match="finite"):
        bootstrap_mean(values)


def test_wilson_against_published_numbers():
    # Newcombe 1998, table I: 81/263, 15/148, 0/20, 1/29
    for successes, trials, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        interval = wilson(successes, trials)
        assert math.isclose(interval.low, low, abs_tol=1e-4)
        assert math.isclose(interval.high, high, abs_tol=1e-4)


@pytest.mark.parametrize("counts", [(3, 2), (-1, 2), (0, 0)])
def test_wilson_refuses_impossible_counts(counts):
    with pytest.raises(ConfigError, match="successes"):
        wilson(*counts)


def test_interquartile_mean_by_hand():
    assert interquartile_mean([1, 2, 3, 100]) == 2.5
    assert interquartile_mean([0, 0, 3, 5, 7, 9, 99, 99]) == 6
    # each of three covers a third of the mass; [1/4, 3/4] holds 1/12 + 1/3 + 1/12 of it
    assert math.isclose(interquartile_mean([0, 3, 12]), (3 / 3 + 12 / 12) / 0.5)
    with pytest.raises(ConfigError):
        interquartile_mean([])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_interquartile_mean_lies_between_the_extremes(values):
    mean = interquartile_mean(values)
    assert min(values) - 1e-6 <= mean <= max(values) + 1e-6
