"""What may happen to a picture: other light, which leaves it the same, and damage, which does not.

Functions of (B, 3, H, W) in [0, 1], with every draw from the generator given.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

LEAST_PATCH, MOST_PATCH = 0.1, 0.35
"""Sides of a part that is replaced, over the image's."""
MOST_SHIFT = 0.08
"""Largest shift over the image's side."""


def relit(
    images: torch.Tensor, light: float, noise: float, generator: torch.Generator
) -> torch.Tensor:
    """Gain of each channel and brightness within +-`light`, white noise of std up to `noise`."""
    draw = torch.rand(len(images), 5, generator=generator)[:, :, None, None]
    images = images * (1 + light * (2 * draw[:, :3] - 1)) + light * (2 * draw[:, 3:4] - 1)
    white = torch.randn(images.shape, generator=generator)
    return (images + noise * draw[:, 4:] * white).clamp(0, 1)


def spoiled(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each smoothed, shifted, or with a rectangle that another image of the batch has there."""
    kind = torch.randint(3, (len(images), 1, 1, 1), generator=generator)
    strong = int(torch.randint(1, 3, (), generator=generator))
    smooth, moved = blurred(images, strong), shifted(images, generator)
    other = with_part_of(images, images.roll(1, 0), generator)
    return torch.where(kind == 0, smooth, torch.where(kind == 1, moved, other))


def blurred(images: torch.Tensor, radius: int) -> torch.Tensor:
    """Mean over squares of 2 radius + 1 pixels, twice; 0 changes nothing."""
    for _ in range(2 if radius else 0):
        images = F.pad(images, (radius,) * 4, mode="replicate")
        images = F.avg_pool2d(images, 2 * radius + 1, stride=1)
    return images


def shifted(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Moved by 1 pixel to 8 % of the image's side along each axis; edges are repeated."""
    size = images.shape[-1]
    most = max(1, round(MOST_SHIFT * size))
    reach = torch.randint(1, most + 1, (2,), generator=generator)
    sign = 2 * torch.randint(2, (2,), generator=generator) - 1
    return moved(images, *(reach * sign).tolist())


def moved(images: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """Shifted down by `rows` and right by `columns` pixels; edges are repeated."""
    height, width = images.shape[-2:]
    down = (torch.arange(height) - rows).clamp(0, height - 1)
    right = (torch.arange(width) - columns).clamp(0, width - 1)
    return images[..., down.to(images.device), :][..., right.to(images.device)]


def with_part_of(
    images: torch.Tensor, others: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Each with one rectangle taken from the same place of `others`."""
    height, width = images.shape[-2:]
    draw = torch.rand(len(images), 4, generator=generator)
    side = LEAST_PATCH + (MOST_PATCH - LEAST_PATCH) * draw[:, :2]
    first = draw[:, 2:] * (1 - side)
    inside = []
    for axis, size in ((0, height), (1, width)):
        place = (torch.arange(size) + 0.5) / size
        begin = first[:, axis, None]
        inside.append((place >= begin) & (place < begin + side[:, axis, None]))
    mask = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return torch.where(mask, others, images)


def erased(images: torch.Tensor, background: torch.Tensor, side: float) -> torch.Tensor:
    """Each without the thing that differs most from `background` (3, H, W), in a square window.

    Args:
        images: what is damaged.
        background: shown in the window.
        side: of the window, over the image's longer side; 0 changes nothing.
    """
    height, width = images.shape[-2:]
    reach = round(side * max(height, width) / 2)
    if not reach:
        return images
    window = 2 * reach + 1
    gap = (images - background).abs().sum(1, keepdim=True)
    crowd = F.avg_pool2d(gap, window, stride=1, padding=reach).flatten(1)
    place = crowd.argmax(1)
    row, column = place // width, place % width
    rows = (torch.arange(height) - row[:, None]).abs() <= reach
    columns = (torch.arange(width) - column[:, None]).abs() <= reach
    mask = rows[:, None, :, None] & columns[:, None, None, :]
    return torch.where(mask, background, images)
