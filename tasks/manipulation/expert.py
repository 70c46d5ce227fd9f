"""Scripted teachers: closed-loop rules in array code, Markov in what the robot can observe.

An action depends on the present state and the last gripper command only, so that a policy can
learn the rule from pictures and proprioception. Positions in metres, world frame.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots.control.modes import ControlConfig
from sim.world import World

from .scene import SIZES
from .tabletop import Measurement, TabletopTask

OPEN, CLOSED = 1.0, -1.0


@dataclass(frozen=True)
class GraspConfig:
    """How the gripper comes down on the block and closes."""

    hover: float = 0.075
    """Height above the grasp while not yet over the block [m]."""
    slope: float = 4.0
    """Height allowed per horizontal error: a funnel that ends over the block [-]."""
    tolerance: float = 0.008
    """Horizontal error at which the funnel reaches the grasp [m]."""
    close_height: float = 0.008
    """Close when this near to the grasp height [m]."""
    grasp_below: float = 0.002
    """The tool's height below the block's centre when grasping [m]."""


class TabletopExpert(ABC):
    """Calls `rule` with the measured state and turns its wish into actions of `ee_delta_pos`."""

    speed = 0.6
    """Largest action component; demonstrations that are never clipped can be outdone."""
    leave_height = 0.17
    """Where the tool waits when all is done [m]."""

    def __init__(self, task: TabletopTask, grasp: GraspConfig | None = None) -> None:
        self.task, self.grasp = task, grasp or GraspConfig()
        self.step = ControlConfig().position_step

    @abstractmethod
    def rule(self, m: Measurement) -> tuple[NDArray, NDArray]:
        """Wished tool shift (N, 3) [m], of any length, and gripper command (N,)."""

    def act(self, world: World) -> NDArray[np.float64]:
        """Actions (N, 4) in [-1, 1]; a shift beyond `speed` keeps its direction."""
        shift, gripper = self.rule(self.task.measure(world))
        shift = shift / self.step
        largest = np.abs(shift).max(axis=1, keepdims=True)
        shift = shift * np.minimum(1.0, self.speed / np.maximum(largest, 1e-9))
        return np.concatenate([shift, gripper[:, None]], axis=1)

    def funnel(self, error: NDArray, bottom: NDArray | float, hover: float) -> NDArray:
        """Height to hold at a horizontal error (N,): `bottom` when aligned, else above it."""
        g = self.grasp
        return bottom + np.clip((error - g.tolerance) * g.slope, 0.0, hover)

    def reach_and_grasp(self, m: Measurement) -> tuple[NDArray, NDArray, NDArray]:
        """Shift, gripper command and `held` (N,) of going to the block and closing on it."""
        g = self.grasp
        held = m.grasped & (m.command < 0)
        across = (m.block - m.tool)[:, :2]
        error = np.linalg.norm(across, axis=1)
        bottom = np.maximum(m.block[:, 2] - g.grasp_below, 0.014)
        height = self.funnel(error, bottom, g.hover)
        low = m.tool[:, 2] < bottom + g.close_height
        # Once closing, keep closing while the block is still between the fingers.
        closing = low & ((error < 2 * g.tolerance) | ((m.command < 0) & (error < 0.02)))
        shift = np.concatenate([across, (height - m.tool[:, 2])[:, None]], axis=1)
        # Fingers move the block sideways as they close: follow it slowly.
        shift = np.where(closing[:, None], 0.3 * shift, shift)
        return shift, np.where(closing | held, CLOSED, OPEN), held


class PickUpExpert(TabletopExpert):
    """Grasp, then straight up."""

    def rule(self, m: Measurement) -> tuple[NDArray, NDArray]:
        """See the class."""
        shift, gripper, held = self.reach_and_grasp(m)
        up = np.zeros_like(shift)
        up[:, 2] = self.leave_height - m.tool[:, 2]
        return np.where(held[:, None], up, shift), gripper


class OpenDrawerExpert(TabletopExpert):
    """Closed fingers behind the bar, then pull; nothing to grasp."""

    behind = 0.028
    hook_height = 0.046

    def rule(self, m: Measurement) -> tuple[NDArray, NDArray]:
        """See the class."""
        hook = m.handle + np.array([0.0, self.behind, 0.0])
        across = (hook - m.tool)[:, :2]
        height = self.funnel(np.linalg.norm(across, axis=1), self.hook_height, 0.075)
        shift = np.concatenate([across, (height - m.tool[:, 2])[:, None]], axis=1)
        hooked = (
            (m.tool[:, 2] < self.hook_height + 0.012)
            & (np.abs(across[:, 0]) < 0.03)
            & (across[:, 1] > -0.02)
            & (across[:, 1] < self.behind)
        )
        pull = np.stack(
            [0.5 * across[:, 0], np.full(len(hooked), -self.step), self.hook_height - m.tool[:, 2]],
            axis=1,
        )
        done = m.opening > self.task.judge.drawer_open + 0.02
        shift = np.where(hooked[:, None], pull, shift)
        return np.where(done[:, None], 0.0, shift), np.full(len(hooked), CLOSED)


class PushToZoneExpert(TabletopExpert):
    """Closed fingers behind the block as seen from the zone, then push along the line."""

    push_height = 0.02
    push_step = 0.024
    clear_height = 0.06
    fingers = (0.010, 0.012)

    def rule(self, m: Measurement) -> tuple[NDArray, NDArray]:
        """See the class."""
        to_zone = (m.zone - m.block)[:, :2]
        distance = np.linalg.norm(to_zone, axis=1)
        d = to_zone / np.maximum(distance, 1e-6)[:, None]
        # Distance of the two centres at contact: half extents of block and closed fingers along d.
        w, x, y, z = m.block_quat.T
        yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
        c, s = np.cos(yaw), np.sin(yaw)
        along_block = np.abs(c * d[:, 0] + s * d[:, 1]) + np.abs(c * d[:, 1] - s * d[:, 0])
        contact = SIZES.block_half * along_block + np.abs(d) @ np.array(self.fingers)
        offset = (m.tool - m.block)[:, :2]
        along = (offset * d).sum(axis=1)
        lateral = offset - along[:, None] * d
        sideways = np.linalg.norm(lateral, axis=1)
        down = m.tool[:, 2] < self.push_height + 0.01
        pushing = down & (along < -(contact - 0.015)) & (along > -0.09) & (sideways < 0.015)
        # Push: up to the block's goal, steering the tool back onto the line.
        advance = np.minimum(-along - contact + distance, self.push_step)
        push = d * advance[:, None] - lateral * 1.2
        # Otherwise come to the staging point behind the block, over the block's top.
        stage = m.block[:, :2] - d * (contact + 0.014)[:, None]
        across = stage - m.tool[:, :2]
        height = self.funnel(np.linalg.norm(across, axis=1), self.push_height, self.clear_height)
        # Near the block and too low: first up, or the fingers would sweep it away.
        near = np.linalg.norm(offset, axis=1) < 0.075
        freedom = np.where(near, np.clip((m.tool[:, 2] - 0.035) / 0.025, 0.0, 1.0), 1.0)
        come = across * freedom[:, None]
        flat = np.where(pushing[:, None], push, come)
        rise = np.where(pushing, self.push_height, height) - m.tool[:, 2]
        shift = np.concatenate([flat, rise[:, None]], axis=1)
        done = distance < 0.02
        up = np.zeros_like(shift)
        up[:, 2] = self.leave_height - m.tool[:, 2]
        return np.where(done[:, None], up, shift), np.full(len(done), CLOSED)
