"""Ways in which a clip can be wrong: each keeps its first frame, which a model is always given."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch.nn import functional as F

from octoworld.core.errors import ConfigError

Frames = dict[str, torch.Tensor]
"""camera -> clips (B, 1+K, H, W, 3) uint8."""


def static(frames: Frames) -> Frames:
    """Nothing ever moves."""
    return {c: x[:, :1].expand_as(x) for c, x in frames.items()}


def reversed_in_time(frames: Frames) -> Frames:
    """All happens backwards."""
    return {c: x.flip(1) for c, x in frames.items()}


def shuffled(frames: Frames, generator: torch.Generator) -> Frames:
    """Frames 1 .. K in an order in which none follows the one that it followed.

    Raises:
        ConfigError: there are fewer than three of them, which have no such order.
    """
    first = next(iter(frames.values()))
    count, steps = first.shape[0], first.shape[1] - 1
    if steps < 3:
        raise ConfigError(f"clips of {steps} steps cannot be shuffled; expected 3 or more")
    order = torch.arange(steps + 1).repeat(count, 1)
    left = torch.arange(count)
    while len(left):
        draw = torch.rand(len(left), steps, generator=generator, device=generator.device)
        order[left, 1:] = 1 + draw.argsort(1).cpu()
        left = left[(order[left].diff(dim=1) == 1).any(1)]
    rows = torch.arange(count)[:, None]
    return {c: x[rows.to(x.device), order.to(x.device)] for c, x in frames.items()}


def blurred(frames: Frames, sigma: float) -> Frames:
    """Frames 1 .. K under a Gaussian of standard deviation `sigma` [pixel]."""
    return _changed(frames, lambda x: gaussian_blur(x.movedim(-1, 2), sigma).movedim(2, -1))


def darkened(frames: Frames, brightness: float) -> Frames:
    """Frames 1 .. K at `brightness`, as a share of their own."""
    return _changed(frames, lambda x: x * brightness)


def _changed(frames: Frames, change: Callable[[torch.Tensor], torch.Tensor]) -> Frames:
    made = {}
    for camera, clips in frames.items():
        later = change(clips[:, 1:].float()).round().clamp(0, 255).to(torch.uint8)
        made[camera] = torch.cat([clips[:, :1], later], 1)
    return made


def gaussian_blur(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """Images (..., H, W) under a Gaussian [pixel], one pass along each side; borders repeated."""
    reach = max(1, math.ceil(3 * sigma))
    offsets = torch.arange(-reach, reach + 1, device=images.device)
    kernel = torch.exp(-0.5 * (offsets / sigma).square())
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    flat = images.reshape(-1, 1, *images.shape[-2:])
    flat = F.conv2d(F.pad(flat, (reach, reach, 0, 0), mode="replicate"), kernel)
    flat = F.conv2d(F.pad(flat, (0, 0, reach, reach), mode="replicate"), kernel.mT)
    return flat.view(images.shape)
