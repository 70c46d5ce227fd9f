"""How pictures look, as numbers to watch while a model is rewarded: motion, light, sharpness."""

from __future__ import annotations

import torch

from octoworld.core.errors import ConfigError

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness (ITU-R BT.601)."""


def luminance(images: torch.Tensor) -> torch.Tensor:
    """Mean brightness of uint8 images (..., H, W, 3), (...) in [0, 1]."""
    return _luma(images).mean((-2, -1))


def sharpness(images: torch.Tensor) -> torch.Tensor:
    """Mean square of the Laplacian of brightness of uint8 images (..., H, W, 3), (...).

    Blur takes away its high frequencies first (Pech-Pacheco et al. 2000); compare with real
    images of the same scene, it has no scale of its own.
    """
    luma = _luma(images)
    middle = luma[..., 1:-1, 1:-1]
    around = luma[..., :-2, 1:-1] + luma[..., 2:, 1:-1] + luma[..., 1:-1, :-2] + luma[..., 1:-1, 2:]
    return (around - 4 * middle).square().mean((-2, -1))


def motion(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of uint8 images (..., H, W, 3), (...) in [0, 1]."""
    return (after.float() - before.float()).abs().div(255).mean((-3, -2, -1))


def moving_areas(real: torch.Tensor, threshold: float = 0.08) -> torch.Tensor:
    """Pixels of real clips (B, T, H, W, 3) uint8 that change between any two successive frames.

    Returns (B, H, W) bool; `threshold` is a channel's change in [0, 1] from which it counts, twice
    the noise that a video codec leaves.
    """
    change = (real[:, 1:].float() - real[:, :-1].float()).abs().div(255).amax(-1)
    return (change > threshold).any(1)


def motion_ratio(imagined: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Motion of imagined clips over that of real ones, where the real ones move; (B,).

    1 is as much as in reality, 0 a frozen picture. NaN where the real clip shows no motion.

    Args:
        imagined: (B, T, H, W, 3) uint8.
        real: what was recorded under the same actions from the same start, the same shape.

    Raises:
        ConfigError: the shapes differ.
    """
    if imagined.shape != real.shape or real.ndim != 5:
        raise ConfigError(
            "motion_ratio: expected two clips (B, T, H, W, 3) of one shape, got "
            f"{tuple(imagined.shape)} and {tuple(real.shape)}"
        )
    where = moving_areas(real)[:, None, :, :, None].float()
    amounts = [
        ((x[:, 1:].float() - x[:, :-1].float()).abs() * where).sum((1, 2, 3, 4))
        for x in (imagined, real)
    ]
    return torch.where(amounts[1] > 0, amounts[0] / amounts[1].clamp(min=1e-6), torch.nan)


def below_motion_floor(
    imagined: torch.Tensor, real: torch.Tensor, floor: float = 0.5
) -> torch.Tensor:
    """Whether clips move less than `floor` of what real ones do, (B,) bool; still ones never."""
    return motion_ratio(imagined, real) < floor


def _luma(images: torch.Tensor) -> torch.Tensor:
    weights = torch.tensor(LUMA, device=images.device)
    return images.float().div(255) @ weights
