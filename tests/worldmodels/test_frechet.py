"""Fréchet distances have known values, and small sets of one distribution are not far apart."""

import pytest
import torch

from octoworld.core.errors import ConfigError
from worldmodels.frechet import frechet_distance, rows_needed


def normal(rows: int, features: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, features, generator=torch.Generator().manual_seed(seed))


def test_gaussians_have_the_distance_of_the_formula():
    """N(0, I) and N(m, s^2 I) of D numbers: |m|^2 + D (s - 1)^2."""
    a, b = normal(4000, 8, 0), 1.5 * normal(4000, 8, 1) + 0.5
    assert frechet_distance(a, b) == pytest.approx(8 * 0.25 + 8 * 0.25, rel=0.05)
    turned = torch.linalg.qr(normal(8, 8, 2))[0]
    assert frechet_distance(a @ turned, b @ turned) == pytest.approx(frechet_distance(a, b))


@pytest.mark.parametrize("features", [16, 64])
def test_sets_of_one_distribution_come_out_at_zero(features):
    """With as few rows as are allowed, where the plain distance is an eighth of all variance."""
    rows = rows_needed(features)
    found = [
        frechet_distance(normal(rows, features, 2 * i), normal(rows, features, 2 * i + 1))
        for i in range(6)
    ]
    assert abs(sum(found) / len(found)) < 0.02 * features
    assert max(map(abs, found)) < 0.06 * features


def test_a_set_is_not_away_from_itself():
    a = normal(64, 8, 0)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(a, a + 1) == pytest.approx(8, rel=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ((64, 8), (64, 7), r"\(64, 8\) and \(64, 7\)"),
        ((64, 8), (31, 8), "set b has 31 rows of 8 features; a Fréchet distance needs 32"),
        ((64,), (64,), "must be"),
    ],
)
def test_sets_that_give_no_distance(a, b, message):
    with pytest.raises(ConfigError, match=message):
        frechet_distance(torch.zeros(a), torch.zeros(b))
    with pytest.raises(ConfigError, match="set a holds a NaN"):
        frechet_distance(torch.full((64, 8), torch.nan), torch.zeros(64, 8))
