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
"""Candidates drawn at once for each thing; the first that keeps clear of those before it stands."""
ROUNDS = 8
"""How often a world whose things found no room is drawn anew."""


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
    subject: str = "",
) -> dict[str, NDArray[np.float64]]:
    """(x, y, yaw) of each named thing, (n, 3) [m, m, rad], in the n masked worlds.

    Things are put down one after another, in the order of `places`.

    Args:
        rng: the worlds' streams.
        mask: (N,) whose places are drawn.
        places: thing -> where it may stand.
        may_stand: of places (..., 2), which the subject may have; None: all.
        subject: the thing that `may_stand` is about; "" is the first one.

    Raises:
        ConfigError: no candidate fits in some world; the ranges leave too little room.
    """
    ranges = np.array([(p.x, p.y, p.yaw) for p in places.values()], float)
    room = np.array([p.room for p in places.values()])
    bound = list(places).index(subject) if subject else 0
    drawn = np.zeros((rng.num_worlds, *ranges.shape[:2]))
    left = np.array(mask, bool)
    for _ in range(ROUNDS):
        draws = rng.uniform(left, ranges[..., 0], ranges[..., 1], (TRIES, *ranges.shape[:2]))
        drawn[left], found = _one_after_another(draws, room, may_stand, bound)
        left[left] = ~found
        if not left.any():
            break
    else:
        raise ConfigError(
            f"no layout of {ROUNDS * TRIES} fits: {', '.join(places)} need wider ranges or less "
            "room"
        )
    return {name: drawn[mask, i] for i, name in enumerate(places)}


def _one_after_another(
    draws: NDArray,
    room: NDArray,
    may_stand: Callable[[NDArray], NDArray[np.bool_]] | None,
    bound: int,
) -> tuple[NDArray, NDArray[np.bool_]]:
    """The first of the candidates (n, TRIES, M, 3) that fits, for each thing: (n, M, 3).

    And whether all of a world's things found one, (n,). `may_stand` binds thing number `bound`.
    """
    rows = np.arange(len(draws))
    chosen = np.zeros((len(draws), *draws.shape[2:]))
    found = np.ones(len(draws), bool)
    for i in range(draws.shape[2]):
        apart = np.linalg.norm(draws[:, :, i, None, :2] - chosen[:, None, :i, :2], axis=-1)
        fits = (apart >= room[i] + room[:i]).all(axis=-1)
        if i == bound and may_stand is not None:
            fits &= may_stand(draws[:, :, i, :2])
        chosen[:, i] = draws[rows, fits.argmax(axis=1), i]
        found &= fits.any(axis=1)
    return chosen, found
