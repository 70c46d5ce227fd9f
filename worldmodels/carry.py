"""Carrying things over: what stood at a point of an old frame, put where the point is now.

A state that tells where things are is linear algebra away from where a camera sees them. Drawing
them there from old frames is then copying, which a network need not learn for every colour.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

PLANES = 2
"""Planes of a point beside the copies: where it is now, and where it was."""


@dataclass
class Sight:
    """Where cameras see P points that a state (D numbers, own units) tells of."""

    maps: torch.Tensor
    """(cameras, P, 3, D + 1): state with a 1 behind it to homogeneous image coordinates, whose
    quotients are x and y in [-1, 1] from the left and from the top."""
    spread: torch.Tensor
    """(P,) how far around its point a thing reaches, as a standard deviation in [-1, 1] units."""

    @property
    def num_points(self) -> int:
        """P."""
        return self.maps.shape[1]


def points_in_image(maps: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    """States (..., D) to image coordinates (..., cameras, P, 2)."""
    ones = torch.ones_like(state[..., :1])
    flat = torch.einsum("cpij,...j->...cpi", maps, torch.cat([state, ones], -1))
    return flat[..., :2] / flat[..., 2:].clamp(min=1e-3)


def carried(
    old: list[torch.Tensor], was: list[torch.Tensor], now: torch.Tensor, spread: torch.Tensor
) -> torch.Tensor:
    """Planes that show each point's thing where it is now: (B * K * cameras, channels, h, w).

    Args:
        old: frames as cells, each (B * cameras, C, h, w).
        was: where the points were in them, each (B, cameras, P, 2).
        now: where they are, (B, K, cameras, P, 2).
        spread: (P,), see `Sight`.

    Channels are, point after point, PLANES soft spots and then a copy from each old frame, shifted
    so that the thing lies at its new place and faded out around it.
    """
    batch, frames, cameras, points, _ = now.shape
    height, width = old[0].shape[-2:]
    rows, columns = (
        (torch.arange(n, device=now.device) + 0.5) * (2 / n) - 1 for n in (height, width)
    )
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1)

    def spot(place: torch.Tensor) -> torch.Tensor:
        square = (grid - place[..., None, None, :]).pow(2).sum(-1)
        return (-0.5 * square / spread[:, None, None].pow(2)).exp()

    here = spot(now)
    planes = [here, spot(was[-1][:, None].expand_as(now))]
    for cells, place in zip(old, was, strict=True):
        shift = now - place[:, None]
        where = grid - shift[..., None, None, :]
        source = cells.view(batch, 1, cameras, 1, *cells.shape[1:])
        source = source.expand(batch, frames, cameras, points, *cells.shape[1:])
        copy = F.grid_sample(
            source.flatten(0, 3), where.flatten(0, 3), padding_mode="border", align_corners=False
        )
        planes += list((copy.unflatten(0, now.shape[:-1]) * here[..., None, :, :]).unbind(4))
    return torch.stack(planes, 4).flatten(0, 2).flatten(1, 2)


def channels(points: int, cell_channels: int, frames: int) -> int:
    """Planes that `carried` gives for `frames` old frames."""
    return points * (PLANES + frames * cell_channels)
