"""Places on a table, drawn for each world so that nothing stands in another thing's room."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.rng import WorldRng
from sim.world import Mask

Range = tuple[float, float]
TRIES = 64
"""Candidates drawn for each world at once; the first that fits is taken."""


@dataclass(frozen=True)
class Place:
    """Where a thing may stand, in the frame of the robot's base."""

    x: Range
    """[m]."""
    y: Range
    """[m]."""
    room: float
    """Radius of the free circle that it needs around its origin [m]."""
    yaw: Range = (0.0, 0.0)
    """[rad]."""


def draw_places(
    rng: WorldRng,
    mask: Mask,
    places: Mapping[str, Place],
    may_stand: Callable[[NDArray], NDArray[np.bool_]] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """(x, y, yaw) of each named thing, (n, 3) [m, m, rad], in the n masked worlds.

    Args:
        rng: the worlds' streams.
        mask: (N,) whose places are drawn.
        places: thing -> where it may stand.
        may_stand: of places (..., 2), which the first thing may have; None: all.

    Raises:
        ConfigError: no candidate fits in some world; the ranges leave too little room.
    """
    ranges = np.array([(p.x, p.y, p.yaw) for p in places.values()], float)
    draws = rng.uniform(mask, ranges[..., 0], ranges[..., 1], (TRIES, *ranges.shape[:2]))
    apart = np.linalg.norm(draws[:, :, :, None, :2] - draws[:, :, None, :, :2], axis=-1)
    room = np.array([p.room for p in places.values()])
    least = room[:, None] + room[None]
    np.fill_diagonal(least, 0.0)
    fits = (apart >= least).all(axis=(2, 3))
    if may_stand is not None:
        fits &= may_stand(draws[:, :, 0, :2])
    if not fits.any(axis=1).all():
        raise ConfigError(
            f"no layout of {TRIES} fits: {', '.join(places)} need wider ranges or less room"
        )
    chosen = draws[np.arange(len(draws)), fits.argmax(axis=1)]
    return {name: chosen[:, i] for i, name in enumerate(places)}
