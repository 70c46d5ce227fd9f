"""Parts of team tasks: starts that lie apart, and the reward of getting somewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.rng import WorldRng
from sim.world import Mask

from ..rewards import tolerance

Drones = dict[str, NDArray]
"""Named quantities of each drone, (N, A)."""


def reaching(drones: Drones) -> dict[str, tuple[float, NDArray]]:
    """The terms of a drone that is to get somewhere and rest: near, nearer, calm once there."""
    near = tolerance(drones["error"], (0.0, 0.0), 1.0)
    close = tolerance(drones["error"], (0.0, 0.02), 0.2)
    calm = close * tolerance(drones["speed"], margin=1.0) * tolerance(drones["spin"], margin=4.0)
    return {"near": (0.2, near), "close": (0.5, close), "calm": (0.3, calm)}


def apart(mask: Mask, rng: WorldRng, draw: Any, gap: float, tries: int = 200) -> NDArray:
    """Points (n, A, 3) that lie at least `gap` apart, height counted half [m].

    `draw(mask)` gives candidates (n, A, 3) of the masked worlds; those with points too near to an
    earlier one are drawn again, world by world, so that a start stays a function of its seed.

    Raises:
        ConfigError: no room was found for the drones.
    """
    points = draw(mask)
    rows = np.flatnonzero(mask)
    for _ in range(tries):
        bad = crowded(points, gap)
        worlds = bad.any(axis=1)
        if not worlds.any():
            return points
        again = np.zeros_like(mask)
        again[rows[worlds]] = True
        points[worlds] = np.where(bad[worlds][..., None], draw(again), points[worlds])
    raise ConfigError(f"no room for {points.shape[1]} drones {gap:g} m apart: take fewer")


def crowded(points: NDArray, gap: float) -> NDArray[np.bool_]:
    """(n, A) points nearer than `gap` to one before them, height counted half [m]."""
    delta = (points[:, :, None] - points[:, None]) * (1.0, 1.0, 0.5)
    near = np.linalg.norm(delta, axis=-1) < gap
    return (near & np.tri(points.shape[1], k=-1, dtype=bool)).any(axis=2)
