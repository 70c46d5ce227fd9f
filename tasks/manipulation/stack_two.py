"""StackTwo: put one block on the other."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task

from ..language import COLOR_NAMES, Templates
from .skills import StagedExpert, Wish, carry, choose, let_go, pick
from .staged import Reading
from .workbench import SIZES
from .workbench_task import WorkbenchTask, clearance, is_let_go, near

EDGE = 2 * SIZES.block_half
"""Of a block, so how high one stands on another [m]."""


@register_task("StackTwo")
class StackTwo(WorkbenchTask):
    """Success: the named block rests on the other one, and the gripper has let it go."""

    name = "StackTwo"
    concerns = ("block_a",)
    max_seconds = 6.0
    templates = Templates(
        "put the {block} block on the {other} block",
        "stack the {block} block on top of the {other} one",
        "place the {block} cube on the {other} cube",
        "set the {block} block down on the {other} block",
        "build a tower with the {block} block on the {other} block",
        "lay the {block} cube onto the {other} cube",
    )
    slot_words: ClassVar = {"block": COLOR_NAMES, "other": COLOR_NAMES}
    lift_height: ClassVar[float] = 0.04
    """Clearance under the block, counted as lifted [m]."""
    offset: ClassVar[float] = 0.02
    """Most horizontal distance of the blocks' centres, counted as one on the other [m]."""

    def stages(self, r: Reading) -> dict[str, NDArray]:
        """Reached, grasped, lifted, aligned (above the other), placed (on it), released."""
        over = r.apart("block_a", "block_b", 2) < self.offset
        above = (r.at["block_a"] - r.at["block_b"])[:, 2]
        held = r.grasped["block_a"]
        placed = over & (np.abs(above - EDGE) < 0.008) & (r.at["block_b"][:, 2] < EDGE)
        return {
            "reached": np.linalg.norm(r.at["block_a"] - r.tool, axis=1) < 0.03,
            "grasped": held,
            "lifted": held & (clearance(r, "block_a") > self.lift_height),
            "aligned": held & over & (above > EDGE - 0.008),
            "placed": placed,
            "released": placed & is_let_go(r, "block_a"),
        }

    def shaping(self, r: Reading) -> dict[str, NDArray]:
        """Distances to go, of 20 cm."""
        above = (r.at["block_a"] - r.at["block_b"])[:, 2] - EDGE
        return {
            "reached": near(np.linalg.norm(r.at["block_a"] - r.tool, axis=1)),
            "lifted": clearance(r, "block_a") / self.lift_height,
            "aligned": near(r.apart("block_a", "block_b", 2)),
            "placed": near(np.abs(above)),
        }

    def aim(self, r: Reading) -> tuple[NDArray, NDArray]:
        """The block, and its place on the other."""
        return r.at["block_a"], r.at["block_b"] + np.array([0.0, 0.0, EDGE])

    def expert(self) -> StackTwoExpert:
        """Grasp, carry over the other, lower, open, leave upwards."""
        return StackTwoExpert(self)


class StackTwoExpert(StagedExpert):
    """Grasp, carry over the other, lower until they touch, open, leave upwards."""

    def rule(self, r: Reading) -> Wish:
        """See the class."""
        block, base = r.at["block_a"], r.at["block_b"]
        # as high as it is held above the block's centre; 3 mm deeper, so that it surely touches
        touch = base[:, 2] + EDGE + (r.tool - block)[:, 2] - 0.003
        away, there = carry(r, "block_a", base[:, :2], touch)
        held = r.grasped["block_a"] & (r.command < 0)
        on = (r.apart("block_a", "block_b", 2) < 0.025) & (block[:, 2] > base[:, 2] + 0.8 * EDGE)
        wish = choose(held, away, pick(r, "block_a"))
        return choose((held & there) | (on & ~held), let_go(r), wish)
