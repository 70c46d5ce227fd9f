"""Scripted teachers that carry the block somewhere: into the bin, onto the zone, over the bin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .expert import OPEN, TabletopExpert
from .scene import SIZES
from .tabletop import Measurement


class CarryExpert(TabletopExpert):
    """Grasp, then carry to a place, high enough for the bin's walls."""

    carry_height = 0.105
    """Of the tool near the place [m]."""
    end_height = 0.105
    """Of the tool over it [m]."""

    def goal(self, m: Measurement) -> NDArray:
        """Where the block is carried to, (N, 3)."""
        return m.bin

    def carried(self, m: Measurement) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Shift, gripper command, whether the block is over its goal, and whether it is held."""
        shift, gripper, held = self.reach_and_grasp(m)
        across = (self.goal(m) - m.block)[:, :2]
        error = np.linalg.norm(across, axis=1)
        over = error < 0.03
        height = np.where(over, self.end_height, np.where(error < 0.08, self.carry_height, 0.12))
        # Sideways only once the block clears the table, fully when it clears the walls.
        freedom = np.clip((m.tool[:, 2] - 0.045) / 0.04, 0.0, 1.0)
        carry = np.concatenate(
            [across * freedom[:, None], (height - m.tool[:, 2])[:, None]], axis=1
        )
        return np.where(held[:, None], carry, shift), gripper, over, held

    def rule(self, m: Measurement) -> tuple[NDArray, NDArray]:
        """See the class."""
        shift, gripper, _, _ = self.carried(m)
        return shift, gripper


class HoldOverBinExpert(CarryExpert):
    """Stays over the bin."""


class PlaceInBinExpert(CarryExpert):
    """Lower over the bin, open, and leave upwards."""

    end_height = 0.062

    def is_low(self, m: Measurement) -> NDArray[np.bool_]:
        """Low enough to let go, (N,)."""
        return m.tool[:, 2] < self.end_height + 0.012

    def is_inside(self, m: Measurement) -> NDArray[np.bool_]:
        """Whether the block is where it should be, (N,)."""
        half = SIZES.bin_half - 0.015
        across = np.abs((m.bin - m.block)[:, :2])
        return (across < half).all(axis=1) & (m.block[:, 2] < 0.09)

    def rule(self, m: Measurement) -> tuple[NDArray, NDArray]:
        """See the class."""
        shift, gripper, over, held = self.carried(m)
        release = held & over & self.is_low(m)
        leave = self.is_inside(m) & (~held | (m.command > 0))
        away = np.zeros_like(shift)
        away[:, 2] = np.where(m.gap > 0.055, self.leave_height - m.tool[:, 2], 0.0)
        shift = np.where(release[:, None], 0.0, shift)
        shift = np.where(leave[:, None], away, shift)
        return shift, np.where(release | leave, OPEN, gripper)


class PlaceOnZoneExpert(PlaceInBinExpert):
    """The same with the coloured zone, where the block is set down on the table."""

    end_height = 0.021

    def goal(self, m: Measurement) -> NDArray:
        """The zone's middle."""
        return m.zone

    def is_low(self, m: Measurement) -> NDArray[np.bool_]:
        """The block nearly touches the table."""
        return m.block[:, 2] - SIZES.block_half < 0.006

    def is_inside(self, m: Measurement) -> NDArray[np.bool_]:
        """On the table, and nearer to the zone's middle than success asks for."""
        apart = np.linalg.norm((m.zone - m.block)[:, :2], axis=1)
        return (apart < 0.04) & self.is_low(m)
