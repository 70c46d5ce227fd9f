"""KitchenTask: what the kitchen's tasks share: scene, places, starts and the words for states."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.rng import WorldRng
from sim.scene import Scene
from sim.world import Mask, World

from ...language import COLOR_NAMES
from ...rewards import tolerance
from ..places import Place, Range
from ..staged import Reading, StagedTask
from .scene import SIZES, kitchen_scene

DRAWER_OPEN = 0.12
"""Opening from which the drawer counts as open [m]: a block and both fingers pass."""
DRAWER_CLOSED = 0.012
"""Opening up to which it counts as closed [m]."""
DOOR_OPEN = np.deg2rad(60.0)
"""Angle from which the door counts as open [rad]."""
DOOR_CLOSED = np.deg2rad(4.0)
"""Angle up to which it counts as closed [rad]."""
SWITCHED = np.deg2rad(60.0)
"""Angle from which the stove's lever counts as on [rad]."""
NEAR = 0.045
"""Tool to handle, counted as reached [m]."""
PLATE_DISTANCE = 0.045
"""Block centre to plate centre, counted as on it [m]."""


class KitchenTask(StagedTask):
    """A job in the kitchen. Start states differ only in the joint that a task must find moved.

    Some tasks ask for one of the two blocks by its colour: the body "block" wears the colour that
    is asked for, the body "other" another one; their places are drawn alike.
    """

    things = (
        "block", "other", "plate_top", "drawer_handle", "drawer_inside", "door_handle", "lever_tip",
    )  # fmt: skip
    subject = "block"
    graspable = ("block", "other")
    landings = ("plate_top", "drawer_inside")
    fixtures = ("drawer_slide", "door_hinge", "lever_hinge")
    operated_at: ClassVar = {
        "drawer_slide": DRAWER_OPEN, "door_hinge": DOOR_OPEN, "lever_hinge": SWITCHED,
    }  # fmt: skip
    places: ClassVar = {
        "cabinet": Place((0.40, 0.44), (0.28, 0.30), 0.0),
        "cupboard": Place((0.40, 0.44), (-0.29, -0.27), 0.0),
        "stove": Place((0.64, 0.66), (0.23, 0.25), 0.0),
        "plate": Place((0.58, 0.66), (-0.14, 0.0), 0.06),
        "block": Place((0.54, 0.71), (-0.30, 0.02), 0.042, (-0.25, 0.25)),
        "other": Place((0.54, 0.71), (-0.30, 0.02), 0.042, (-0.25, 0.25)),
    }
    heights: ClassVar = {"block": SIZES.block_half, "other": SIZES.block_half}
    colored: ClassVar = {"block": "block", "other": "other"}
    slot_words: ClassVar = {"block": COLOR_NAMES}
    starts: ClassVar[dict[str, Range]] = {}
    """Joint -> range of its position at the start [m] or [rad]; 0 where none is said."""

    def scene(self) -> Scene:
        """The shared scene; the same object for all kitchen tasks."""
        return kitchen_scene(self.robot)

    def prepare(self, world: World, mask: Mask, rng: WorldRng) -> None:
        """Open what is open at the start."""
        for joint, (low, high) in self.starts.items():
            world.set_joint_position((joint,), rng.uniform(mask, low, high, (1,)), mask)

    def inside(self, r: Reading, block: str) -> NDArray[np.bool_]:
        """Whether the block is in the drawer's box, open or closed, (N,)."""
        width, depth, _ = SIZES.cabinet_half
        offset = r.at[block] - r.at["drawer_inside"]
        return (
            (np.abs(offset[:, 0]) < width - 0.02)
            & (np.abs(offset[:, 1]) < depth - 0.015)
            & (offset[:, 2] < 2 * SIZES.block_half)
        )

    def served(self, r: Reading, block: str) -> NDArray[np.bool_]:
        """Whether the block stands on the plate, (N,)."""
        height = r.at[block][:, 2] - r.at["plate_top"][:, 2]
        return (r.apart(block, "plate_top", 2) < PLATE_DISTANCE) & (
            np.abs(height - SIZES.block_half) < 0.012
        )


def tool_to(r: Reading, thing: str) -> NDArray:
    """Distance of the tool to a thing, (N,) [m]."""
    return np.linalg.norm(r.at[thing] - r.tool, axis=1)


def near(distance: NDArray, margin: float = 0.25) -> NDArray:
    """How near (N,) in [0, 1], from a distance (N,) [m]: 0 at the margin, 1 at 0."""
    return tolerance(distance, margin=margin, value_at_margin=0.0, shape="linear")


def moved(joint: NDArray, start: float, goal: float) -> NDArray:
    """Share (N,) in [0, 1] of a joint's way from `start` to `goal`."""
    return np.clip((joint - start) / (goal - start), 0.0, 1.0)
