"""WorkbenchTask: what the four workbench tasks share: things, start, colours, distractors."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.rng import WorldRng
from sim.randomize import PRESETS, Spread
from sim.scene import Scene
from sim.world import Mask, World

from .places import Place
from .staged import REST_SPEED, Reading, StagedTask
from .workbench import DISTRACTORS, SIZES, workbench_scene

NEAR_X, NEAR_Y = (0.36, 0.555), (-0.24, 0.24)
"""Where blocks and pads start [m]; nearer to its base the arm crawls along its joint limits."""
FAR_X = (0.63, 0.67)
"""Where lever and buttons stand [m]."""
PARKED = (0.4, 0.0, -0.3, 1.0, 0.0, 0.0, 0.0)
"""Pose of a distractor that nobody asked for: under the table [m, wxyz]."""
CLUTTER = np.array([[1.0, 0.60, 0.75, 1.0], [0.42, 0.24, 0.12, 1.0], [0.93, 0.93, 0.93, 1.0]])
"""Pink, brown, white: colours that no instruction names."""
LEFT, RIGHT = 1.0, -1.0
CLICK = 0.011
"""Depth at which a button clicks [m], of a travel of 14 mm."""
TURNED = math.radians(60.0)
"""Angle at which the lever is turned [rad]."""
MASS = FRICTION = Spread(0.5, 2.0, log=True)
"""What the split `physics` multiplies by: as on the table-top."""
OPEN_GAP = 0.06
"""Finger gap of an open gripper [m]; a block is 0.05 m."""


class WorkbenchTask(StagedTask):
    """A job on the shared workbench. A subclass says which: stages, reward, words, expert.

    The start states of all four have one distribution, and the same seed gives the same start:
    only the instruction tells them apart. Blocks, pads and buttons come in pairs `_a` and `_b`,
    drawn alike, and the instruction speaks of `_a` first: `block` is the colour of block and pad
    a, `other` that of block and pad b, `button` that of button a, `spare` that of button b.
    """

    remembers = ("direction", "gripper", "wording")
    things = ("block_a", "block_b", "pad_a", "pad_b", "button_a", "button_b", "knob", "lever_base")
    graspable = ("block_a", "block_b")
    landings = ("pad_a", "pad_b")
    fixtures = ("button_a_slide", "button_b_slide", "lever_hinge")
    has_distractors = True
    subject = "block_a"
    physics: ClassVar = {
        **{f"{block}.mass": MASS for block in ("block_a", "block_b")},
        **{f"{thing}.friction": FRICTION for thing in ("block_a", "block_b", "table")},
        **PRESETS["servos"],
    }
    operated_at: ClassVar = {
        "button_a_slide": CLICK,
        "button_b_slide": CLICK,
        "lever_hinge": TURNED,
    }
    places: ClassVar = {
        "lever_base": Place(FAR_X, (-0.01, 0.01), 0.10),
        "button_a_base": Place(FAR_X, (-0.25, 0.25), 0.045),
        "button_b_base": Place(FAR_X, (-0.25, 0.25), 0.045),
        "block_a": Place(NEAR_X, NEAR_Y, 0.058, (-0.25, 0.25)),
        "block_b": Place(NEAR_X, NEAR_Y, 0.058, (-0.25, 0.25)),
        "pad_a": Place(NEAR_X, NEAR_Y, 0.058),
        "pad_b": Place(NEAR_X, NEAR_Y, 0.058),
        "distractor_0": Place((0.36, 0.58), (-0.26, 0.26), 0.04),
        "distractor_1": Place((0.36, 0.58), (-0.26, 0.26), 0.04),
    }
    heights: ClassVar = {
        "block_a": SIZES.block_half,
        "block_b": SIZES.block_half,
        "pad_a": 0.0006,
        "pad_b": 0.0006,
    }
    colored: ClassVar = {
        "block_a": "block",
        "pad_a": "block",
        "block_b": "other",
        "pad_b": "other",
        "button_a": "button",
        "button_b": "spare",
    }

    def __init__(self, num_worlds: int, *, distractors: int = 0, **options: Any) -> None:
        """See `StagedTask`; `distractors` is how many fixed things of no use stand about, 0 to 2.

        With them a seed gives the start that it gives without them, and the things besides. The
        split `distractors` has both.

        Raises:
            ConfigError: no such number of distractors.
        """
        super().__init__(num_worlds, **options)
        if distractors not in range(len(DISTRACTORS) + 1):
            raise ConfigError(f"distractors {distractors!r}: expected 0 to {len(DISTRACTORS)}")
        asked = self.split is not None and self.split.distractors
        self.num_distractors = len(DISTRACTORS) if asked else distractors

    def scene(self) -> Scene:
        """The shared scene; the same object for all workbench tasks."""
        return workbench_scene(self.robot)

    def prepare(self, world: World, mask: Mask, rng: WorldRng) -> None:
        """Draw the lever's direction and the distractors' colours, and put away those not wanted.

        Draws are the same however many distractors there are.
        """
        self.memory["direction"][mask] = np.where(rng.integers(mask, 2), LEFT, RIGHT)
        shade = rng.integers(mask, len(CLUTTER), (len(DISTRACTORS),))
        for i, name in enumerate(DISTRACTORS):
            world.set_color(name, CLUTTER[shade[:, i]], mask)
            if i >= self.num_distractors:
                world.set_pose(name, np.tile(PARKED, (len(shade), 1)), mask)


def near(distance: NDArray, margin: float = 0.2) -> NDArray:
    """1 at no distance (N,) [m], falling evenly to 0 at `margin`."""
    return np.clip(1.0 - distance / margin, 0.0, 1.0)


def clearance(r: Reading, block: str) -> NDArray:
    """Air under a block, (N,) [m]."""
    return r.at[block][:, 2] - SIZES.block_half


def is_let_go(r: Reading, block: str) -> NDArray:
    """The gripper is open and the block rests, (N,) bool."""
    return ~r.grasped[block] & (r.gap > OPEN_GAP) & (r.speed[block] < REST_SPEED)
