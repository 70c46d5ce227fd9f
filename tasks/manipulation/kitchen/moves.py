"""Moves of the kitchen's fixtures with closed fingers: hook and pull, or stand before and push.

All are memoryless: what they wish is a function of the present reading.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..skills import CLOSED, Wish, choose, funnel, pick, rise, to
from ..staged import Reading
from .kitchen import DOOR_CLOSED, DOOR_OPEN, DRAWER_CLOSED, DRAWER_OPEN, SWITCHED
from .scene import SIZES

BEHIND = 0.028
"""From a bar's axis to closed fingers between it and its panel, or before it [m]."""
LEAVE = 0.17
"""Where the tool waits when all is done [m]."""
CREEP = 0.04
"""Share of its way along x that a held block lags behind the hand, measured in MuJoCo [-]."""


def door_axes(angle: NDArray) -> tuple[NDArray, NDArray]:
    """Unit vectors (N, 2) along the door from its hinge, and out of its face; angle (N,) [rad]."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([-c, s], axis=1), np.stack([s, c], axis=1)


def lever_axes(angle: NDArray) -> tuple[NDArray, NDArray]:
    """Unit vectors (N, 2) along the lever from its knob, and the way its tip turns on."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([-s, -c], axis=1), np.stack([-c, s], axis=1)


def hook(
    r: Reading,
    bar: NDArray,
    along: NDArray,
    way: NDArray,
    step: float,
    low: float,
    hover: float = 0.075,
) -> Wish:
    """Come down beside a bar, on the far side from where it shall go, and move it.

    Args:
        r: The reading.
        bar: Point of the bar to press on (N, 3) [m].
        along: Unit vector along the bar (N, 2).
        way: Unit vector in which it shall move (N, 2).
        step: Length of a move [m].
        low: Height of the tool there [m].
        hover: Height above it while not yet over the place [m].
    """
    spot = bar[:, :2] - BEHIND * way
    across = spot - r.tool[:, :2]
    from_bar = r.tool[:, :2] - bar[:, :2]
    aside, ahead = (from_bar * along).sum(axis=1), (from_bar * way).sum(axis=1)
    error = np.linalg.norm(across, axis=1)
    come = to(r, across, funnel(error, low, hover))
    hooked = (
        (r.tool[:, 2] < low + 0.012)
        & (np.abs(aside) < 0.03)
        & (ahead > -BEHIND - 0.02)
        & (ahead < 0.005)
    )
    move = to(r, step * way - 0.5 * aside[:, None] * along, low)
    return np.where(hooked[:, None], move, come), np.full(len(error), CLOSED)


def _constant(r: Reading, *direction: float) -> NDArray:
    return np.broadcast_to(np.array(direction), (len(r.tool), 2))


def pull_drawer(r: Reading, step: float) -> Wish:
    """Open the drawer; when it is, stay."""
    pull = hook(
        r, r.at["drawer_handle"], _constant(r, 1.0, 0.0), _constant(r, 0.0, -1.0), step, 0.046
    )
    return _until(r.joint["drawer_slide"] > DRAWER_OPEN + 0.02, r, pull)


def push_drawer(r: Reading, step: float) -> Wish:
    """Close the drawer."""
    push = hook(
        r, r.at["drawer_handle"], _constant(r, 1.0, 0.0), _constant(r, 0.0, 1.0), step, 0.046
    )
    return _until(r.joint["drawer_slide"] < DRAWER_CLOSED - 0.006, r, push)


def pull_door(r: Reading, step: float) -> Wish:
    """Open the door, along the circle of its handle."""
    along, out = door_axes(r.joint["door_hinge"])
    pull = hook(r, r.at["door_handle"], along, out, step, 0.098)
    return _until(r.joint["door_hinge"] > DOOR_OPEN + 0.12, r, pull)


def push_door(r: Reading, step: float) -> Wish:
    """Close the door."""
    along, out = door_axes(r.joint["door_hinge"])
    push = hook(r, r.at["door_handle"], along, -out, step, 0.098)
    return _until(r.joint["door_hinge"] < DOOR_CLOSED - 0.03, r, push)


def turn_lever(r: Reading, step: float) -> Wish:
    """Turn the stove's lever on."""
    along, way = lever_axes(r.joint["lever_hinge"])
    turn = hook(r, r.at["lever_tip"], along, way, step, SIZES.lever_height - 0.002)
    return _until(r.joint["lever_hinge"] > SWITCHED + 0.15, r, turn)


def pick_for(r: Reading, thing: str, goal: NDArray) -> Wish:
    """`pick` for a long way to `goal` (N, 2): off the middle, so that creep ends as far beyond."""
    lead = np.zeros_like(r.tool)
    lead[:, 0] = 0.5 * CREEP * (r.at[thing][:, 0] - goal[:, 0])
    return pick(replace(r, at=r.at | {thing: r.at[thing] + lead}), thing)


def leave_handle(r: Reading, wish: Wish) -> Wish:
    """`wish`, but straight up first where the fingers are still behind the drawer's bar."""
    across = np.abs(r.at["drawer_handle"] - r.tool)
    caught = (across[:, 0] < 0.06) & (across[:, 1] < 0.06) & (r.tool[:, 2] < 0.08)
    return np.where(caught[:, None], rise(r, LEAVE), wish[0]), np.where(caught, CLOSED, wish[1])


def _until(done: NDArray, r: Reading, wish: Wish) -> Wish:
    return choose(done, (rise(r, LEAVE), np.full(len(done), CLOSED)), wish)
