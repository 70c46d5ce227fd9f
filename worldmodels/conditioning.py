"""Numbers as networks like them: noise on them, and sines that tell small differences apart."""

from __future__ import annotations

import math

import torch


def gaussian(
    shape: tuple[int, ...], generator: torch.Generator, like: torch.Tensor
) -> torch.Tensor:
    """Standard normal numbers from `generator`, on the device and of the type of `like`."""
    return torch.randn(shape, generator=generator, device=generator.device).to(like)


def rich(state: torch.Tensor, octaves: int) -> torch.Tensor:
    """Standardised state (..., D) with its sines and cosines (..., D * (1 + 2 octaves))."""
    scale = 2.0 ** torch.arange(octaves, device=state.device) * (math.pi / 2)
    angle = (state[..., None] * scale).flatten(-2)
    return torch.cat([state, angle.sin(), angle.cos()], -1)
