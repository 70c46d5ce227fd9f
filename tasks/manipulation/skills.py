"""Skills: what scripted experts are made of; each says where the hand should go now.

A skill looks at the present reading alone (and the last gripper command), so that a policy can
learn it from pictures and proprioception. It returns the wished shift of the tool (N, 3) [m], of
any length, and the gripper's command (N,).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from robots.control.modes import ControlConfig
from sim.world import World

from .staged import Reading, StagedTask

OPEN, CLOSED = 1.0, -1.0
Wish = tuple[NDArray, NDArray]
"""Shift of the tool (N, 3) [m] and gripper command (N,)."""


def funnel(error: NDArray, bottom: NDArray | float, hover: float = 0.075) -> NDArray:
    """Height to hold at a horizontal error (N,) [m]: `bottom` when above the aim, else higher."""
    return bottom + np.clip((error - 0.008) * 4.0, 0.0, hover)


def to(r: Reading, across: NDArray, height: NDArray | float) -> NDArray:
    """Shift (N, 3): `across` (N, 2) over the table, and to a height of the tool."""
    rise = np.broadcast_to(np.asarray(height, float), (len(across),)) - r.tool[:, 2]
    return np.concatenate([across, rise[:, None]], axis=1)


def rise(r: Reading, height: float = 0.17) -> NDArray:
    """Straight up to a height."""
    return to(r, np.zeros((len(r.tool), 2)), height)


def choose(where: NDArray, a: Wish, b: Wish) -> Wish:
    """`a` in the worlds where it holds, `b` in the others."""
    return np.where(where[:, None], a[0], b[0]), np.where(where, a[1], b[1])


def pick(r: Reading, thing: str, grasp_below: float = 0.002, hover: float = 0.075) -> Wish:
    """Come down on `thing` with an open gripper, close, and hold it there."""
    across = (r.at[thing] - r.tool)[:, :2]
    error = np.linalg.norm(across, axis=1)
    bottom = np.maximum(r.at[thing][:, 2] - grasp_below, 0.014)
    low = r.tool[:, 2] < bottom + 0.008
    # once closing, keep closing while the thing is still between the fingers
    closing = low & ((error < 0.016) | ((r.command < 0) & (error < 0.02)))
    shift = to(r, across, funnel(error, bottom, hover))
    # fingers move it sideways as they close: follow it slowly
    shift = np.where(closing[:, None], 0.3 * shift, shift)
    held = r.grasped[thing] & (r.command < 0)
    return shift, np.where(closing | held, CLOSED, OPEN)


def carry(
    r: Reading, thing: str, goal: NDArray, release: NDArray | float, high: float = 0.12
) -> tuple[Wish, NDArray]:
    """Bring a held `thing` over `goal` (N, 2), lower it to a tool height `release`; and `there`.

    `there` (N,): it is over the goal and low enough to be let go.
    """
    across = goal - r.at[thing][:, :2]
    error = np.linalg.norm(across, axis=1)
    over = error < 0.012
    height = np.where(over, release, np.maximum(high, np.asarray(release) + 0.03))
    # sideways only once it clears what stands on the table
    freedom = np.clip((r.tool[:, 2] - 0.045) / 0.04, 0.0, 1.0)
    there = over & (r.tool[:, 2] < np.asarray(release) + 0.008)
    return (to(r, across * freedom[:, None], height), np.full(len(across), CLOSED)), there


def let_go(r: Reading, leave: float = 0.17) -> Wish:
    """Open, and leave upwards once the fingers are open."""
    up = rise(r, leave)
    up[:, 2] = np.where(r.gap > 0.055, up[:, 2], 0.0)
    return up, np.full(len(up), OPEN)


class StagedExpert(ABC):
    """Calls `rule` with the reading and turns its wish into actions of `ee_delta_pos`."""

    speed = 0.6
    """Largest action component; demonstrations that are never clipped can be outdone."""

    def __init__(self, task: StagedTask) -> None:
        self.task, self.step = task, ControlConfig().position_step

    @abstractmethod
    def rule(self, r: Reading) -> Wish:
        """What to do now."""

    def act(self, world: World) -> NDArray[np.float64]:
        """Actions (N, 4) in [-1, 1]; a shift beyond `speed` keeps its direction."""
        shift, gripper = self.rule(self.task.read(world))
        shift = shift / self.step
        largest = np.abs(shift).max(axis=1, keepdims=True)
        shift = shift * np.minimum(1.0, self.speed / np.maximum(largest, 1e-9))
        return np.concatenate([shift, gripper[:, None]], axis=1)
