"""Noise over a chunk of actions: correlated in time, with the exact density of what is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch


def mixing_matrix(length: int, correlation: float) -> torch.Tensor:
    """L (K, K), lower triangular, float32: white noise of unit variance -> AR(1) of unit variance.

    e_0 = z_0 and e_k = rho e_(k-1) + sqrt(1 - rho^2) z_k, so corr(e_i, e_j) = rho^|i-j| and
    |det L| = (1 - rho^2)^((K-1)/2).
    """
    lags = torch.arange(length)[:, None] - torch.arange(length)[None, :]
    rho = torch.tensor(float(correlation), dtype=torch.float64)
    powers = torch.where(lags >= 0, rho ** lags.clamp(min=0), torch.zeros((), dtype=torch.float64))
    gains = torch.full((length,), math.sqrt(1 - correlation**2), dtype=torch.float64)
    gains[0] = 1.0
    return (powers * gains).float()


@dataclass(frozen=True)
class ChunkDistribution:
    """raw = mean + scale * (L z), the same L for each action dimension, z independent.

    Mixing by a fixed, invertible L leaves a density in closed form by change of variables:
    log p(raw) = sum log p_z(L^-1 ((raw - mean) / scale)) - sum log scale - A log |det L|.
    """

    mean: torch.Tensor
    """(N, K, A) [action units]."""
    scale: torch.Tensor
    """(N, K, A) Laplace's b, or Gauss's standard deviation [action units]."""
    correlation: float = 0.0
    """rho of `mixing_matrix`."""
    family: Literal["laplace", "gaussian"] = "laplace"

    def sample(self, generator: torch.Generator | None = None) -> torch.Tensor:
        """(N, K, A) not clipped; drawn on the generator's device (CPU when None)."""
        device = generator.device if generator is not None else torch.device("cpu")
        shape = self.mean.shape
        if self.family == "gaussian":
            white = torch.randn(shape, generator=generator, device=device)
        else:
            # inverse of the distribution function; u = -1/2 exactly would be minus infinity
            u = torch.rand(shape, generator=generator, device=device) - 0.5
            white = -u.sign() * torch.log1p((-2 * u.abs()).clamp(min=-1 + 1e-7))
        return self.mean + self.scale * torch.einsum(
            "ij,nja->nia", self._mix(), white.to(self.mean)
        )

    def log_prob(self, raw: torch.Tensor) -> torch.Tensor:
        """(N,) log-density of `raw` (N, K, A), divided by its K*A dimensions, in float32.

        The mean, not the sum: a probability ratio of a whole chunk would explode with K*A.
        """
        mean, scale = self.mean.float(), self.scale.float()
        colored = (raw.float() - mean) / scale
        mix = self._mix()
        white = torch.linalg.solve_triangular(mix, colored, upper=False)
        if self.family == "gaussian":
            density = -0.5 * white.square() - 0.5 * math.log(2 * math.pi)
        else:
            density = -white.abs() - math.log(2)
        log_determinant = mix.diagonal().log().mean()
        return (density - scale.log()).mean(dim=(1, 2)) - log_determinant

    def entropy(self) -> torch.Tensor:
        """(N,) differential entropy divided by the K*A dimensions [nat]."""
        unit = (
            0.5 * math.log(2 * math.pi * math.e) if self.family == "gaussian" else 1 + math.log(2)
        )
        return (
            unit + self.scale.float().log().mean(dim=(1, 2)) + self._mix().diagonal().log().mean()
        )

    def _mix(self) -> torch.Tensor:
        return mixing_matrix(self.mean.shape[1], self.correlation).to(self.mean.device)
