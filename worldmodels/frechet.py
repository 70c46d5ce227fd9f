"""Fréchet distance of two sets of features, freed of what small sets add to it."""

from __future__ import annotations

import torch

from octoworld.core.errors import ConfigError
from octoworld.core.rng import torch_generator

ROWS_PER_FEATURE = 4
"""Rows that a set must have for each of its features: with four, sets of one distribution come out
at zero to within 2 % of their total variance, 64 features and 256 rows (tests/.../test_frechet)."""
SPLITS = 8
"""Ways of halving the sets over which what half-sized sets give is averaged."""


def frechet_distance(a: torch.Tensor, b: torch.Tensor, seed: int = 0) -> float:
    """Squared Fréchet distance of the Gaussians through features (N, D) and (M, D).

    |mean difference|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2) with covariances A, B (Dowson and Landau
    1982; Heusel et al. 2017, arXiv 1706.08500). Finite sets are further apart than what they are
    drawn from, by about c / N (Chong and Forsyth 2020, arXiv 1911.07023): that is taken off by
    2 d(N) - d(N/2), so sets of one distribution come out around zero, also a little below.

    Args:
        a: one set; row i belongs to row i of `b` if they are as many (frames of the same moment),
            and halves are then of the same moments.
        b: the other set.
        seed: of the halves.

    Raises:
        ConfigError: other shapes, numbers that are not finite, or fewer than 4 rows a feature.
    """
    for name, x in (("a", a), ("b", b)):
        if x.ndim != 2 or x.shape[1] != a.shape[-1]:
            raise ConfigError(
                f"feature sets must be (N, D) and (M, D), got {tuple(a.shape)} and {tuple(b.shape)}"
            )
        if len(x) < rows_needed(x.shape[1]):
            raise ConfigError(
                f"set {name} has {len(x)} rows of {x.shape[1]} features; a Fréchet distance needs "
                f"{rows_needed(x.shape[1])} or more"
            )
        if not torch.isfinite(x).all():
            raise ConfigError(f"set {name} holds a NaN or an infinity")
    a, b = a.double().cpu(), b.double().cpu()
    generator, halves = torch_generator(seed, "frechet"), []
    for _ in range(SPLITS):
        first = torch.randperm(len(a), generator=generator)
        second = first if len(a) == len(b) else torch.randperm(len(b), generator=generator)
        middle_a, middle_b = len(a) // 2, len(b) // 2
        halves.append(_distance(a[first[:middle_a]], b[second[:middle_b]]))
        halves.append(_distance(a[first[middle_a:]], b[second[middle_b:]]))
    return float(2 * _distance(a, b) - torch.stack(halves).mean())


def rows_needed(features: int) -> int:
    """Rows that each set must have."""
    return ROWS_PER_FEATURE * features


def _distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """As it is for these sets."""
    cov_a, cov_b = torch.cov(a.T).view(a.shape[1], -1), torch.cov(b.T).view(a.shape[1], -1)
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors @ (values.clamp(min=0).sqrt()[:, None] * vectors.T)
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    shift = (a.mean(0) - b.mean(0)).pow(2).sum()
    return shift + cov_a.trace() + cov_b.trace() - 2 * cross
