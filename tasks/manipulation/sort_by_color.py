"""SortByColor: bring each of two blocks to the pad of its own colour."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task

from ..language import COLOR_NAMES, Templates
from .skills import StagedExpert, Wish, carry, choose, let_go, pick
from .staged import REST_SPEED, Reading
from .workbench import SIZES
from .workbench_task import OPEN_GAP, WorkbenchTask, clearance, near

PAIRS = (("block_a", "pad_a"), ("block_b", "pad_b"))


@register_task("SortByColor")
class SortByColor(WorkbenchTask):
    """Success: both blocks rest on the pads of their colours and are let go, in any order.

    The sentence names first what the expert brings first.
    """

    name = "SortByColor"
    concerns = ("block_a", "block_b")
    max_seconds = 10.0
    templates = Templates(
        "put the {block} block on the {block} pad and the {other} block on the {other} pad",
        "sort the blocks by colour, {block} first, then {other}",
        "bring the {block} and the {other} block to the pads of their own colours",
        "place the {block} cube on its pad, then the {other} cube on its own",
        "move every block to the pad that looks like it: {block}, then {other}",
        "match the {block} cube and the {other} cube with their pads",
    )
    slot_words: ClassVar = {"block": COLOR_NAMES, "other": COLOR_NAMES}
    lift_height: ClassVar[float] = 0.03
    """Clearance under a block, counted as lifted [m]."""
    offset: ClassVar[float] = 0.03
    """Most horizontal distance of a block's centre from its pad's, counted as placed [m]."""

    def stages(self, r: Reading) -> dict[str, NDArray]:
        """Reached, grasped, lifted, placed (one of the two), the same again, and sorted."""
        placed = [self.is_placed(r, *pair) for pair in PAIRS]
        close = [_reach(r, block) < 0.03 for block, _ in PAIRS]
        held = [r.grasped[block] for block, _ in PAIRS]
        # over its pad it may come down again
        high = [
            r.grasped[b] & ((clearance(r, b) > self.lift_height) | (r.apart(b, p, 2) < self.offset))
            for b, p in PAIRS
        ]
        return {
            "reached": close[0] | close[1],
            "grasped": held[0] | held[1],
            "lifted": high[0] | high[1],
            "placed": placed[0] | placed[1],
            "reached_second": (placed[0] & close[1]) | (placed[1] & close[0]),
            "grasped_second": (placed[0] & held[1]) | (placed[1] & held[0]),
            "lifted_second": (placed[0] & high[1]) | (placed[1] & high[0]),
            "sorted": placed[0] & placed[1] & (r.gap > OPEN_GAP),
        }

    def is_placed(self, r: Reading, block: str, pad: str) -> NDArray:
        """The block lies on the pad, let go, (N,) bool."""
        resting = r.speed[block] < REST_SPEED
        return lies_on(r, block, pad, self.offset) & ~r.grasped[block] & resting

    def shaping(self, r: Reading) -> dict[str, NDArray]:
        """Distances to go, of 20 cm."""
        placed = [self.is_placed(r, *pair) for pair in PAIRS]
        reach = [near(_reach(r, block)) for block, _ in PAIRS]
        lift = [clearance(r, block) / self.lift_height for block, _ in PAIRS]
        bring = [near(r.apart(*pair, 2), 0.4) for pair in PAIRS]
        held = [r.grasped[block] for block, _ in PAIRS]
        return {
            "reached": np.maximum(*reach),
            "lifted": np.where(held[0], lift[0], lift[1]),
            "placed": np.where(held[0], bring[0], bring[1]),
            "reached_second": np.where(placed[0], reach[1], reach[0]),
            "lifted_second": np.where(placed[0], lift[1], lift[0]),
            "sorted": np.where(placed[0], bring[1], bring[0]),
        }

    def turn(self, r: Reading) -> NDArray[np.bool_]:
        """Whether block b is the one to be handled now: it is held, or a is done (N,)."""
        return r.grasped["block_b"] | self.is_placed(r, *PAIRS[0])

    def aim(self, r: Reading) -> tuple[NDArray, NDArray]:
        """The block whose turn it is, and its pad."""
        b = self.turn(r)[:, None]
        return (
            np.where(b, r.at["block_b"], r.at["block_a"]),
            np.where(b, r.at["pad_b"], r.at["pad_a"]),
        )

    def expert(self) -> SortByColorExpert:
        """One after the other, as said."""
        return SortByColorExpert(self)


class SortByColorExpert(StagedExpert):
    """Each block in turn: grasp, carry over its pad, lower, open, leave upwards."""

    clear_height = 0.072
    """Of the tool [m]: the fingers are above a block that lies."""

    def rule(self, r: Reading) -> Wish:
        """See the class."""
        first, pad = PAIRS[0]
        low = (_reach(r, first, 2) < 0.045) & (r.tool[:, 2] < self.clear_height)
        done = lies_on(r, first, pad, 0.02) & ~low
        holds = r.grasped["block_b"] & (r.command < 0)
        return choose(done | holds, self.bring(r, *PAIRS[1]), self.bring(r, first, pad))

    def bring(self, r: Reading, block: str, pad: str) -> Wish:
        """One block to one pad."""
        # as high as it is held above the block's centre; 3 mm deeper, so that it surely touches
        touch = SIZES.block_half + (r.tool - r.at[block])[:, 2] - 0.003
        away, there = carry(r, block, r.at[pad][:, :2], touch)
        held = r.grasped[block] & (r.command < 0)
        wish = choose(held, away, pick(r, block))
        on = lies_on(r, block, pad, 0.02)
        return choose((held & there) | (on & ~held), let_go(r), wish)


def lies_on(r: Reading, block: str, pad: str, offset: float) -> NDArray[np.bool_]:
    """Within `offset` [m] of the pad's middle and as low as the table lets it, (N,)."""
    return (r.apart(block, pad, 2) < offset) & (np.abs(clearance(r, block)) < 0.008)


def _reach(r: Reading, block: str, axes: int = 3) -> NDArray:
    return np.linalg.norm((r.at[block] - r.tool)[:, :axes], axis=1)
