"""HoldOverBin: carry the block over the bin and keep it in the air."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task
from sim.world import World

from ..language import Templates
from ..rewards import tolerance
from ..task import Evaluation, weighted
from .carrying import HoldOverBinExpert
from .scene import SIZES
from .tabletop import Measurement, TabletopTask


@register_task("HoldOverBin")
class HoldOverBin(TabletopTask):
    """Success: the block is between the fingers, over the bin's middle and above its walls."""

    name = "HoldOverBin"
    stage_names = ("reached", "grasped", "over_bin")
    templates = Templates(
        "hold the {block} block over the bin",
        "lift the {block} cube above the box",
        "carry the {block} block over the bin and keep it there",
        "bring the {block} block above the open bin",
    )

    def aim(self, m: Measurement) -> tuple[NDArray, NDArray]:
        """The block, and the air over the bin."""
        return m.block, m.bin + np.array([0.0, 0.0, SIZES.block_half + SIZES.bin_height])

    def evaluate(self, world: World) -> Evaluation:
        """As the others', and whether the block is over the bin."""
        e = super().evaluate(world)
        e["over_bin"] = self.is_over(e)
        return e

    def is_over(self, e: Evaluation) -> NDArray[np.bool_]:
        """The block is over the bin's middle, higher than the walls (N,)."""
        return (e["block_to_bin"] < self.judge.over_distance) & (e["clearance"] > SIZES.bin_height)

    def succeeded(self, e: Evaluation) -> NDArray[np.bool_]:
        """Over the bin and held."""
        return self.is_over(e) & e["grasped"]

    def dense_reward(self, evaluation: Evaluation) -> tuple[NDArray, dict[str, NDArray]]:
        """Reach, grasp, lift, bring over the bin, done: a fifth each."""
        e = evaluation
        lift = np.clip(e["clearance"] / SIZES.bin_height, 0.0, 1.0)
        bring = tolerance(e["block_to_bin"], (0.0, 0.02), 0.2)
        return weighted(
            {
                "reach": (0.2, tolerance(e["tool_to_block"], (0.0, 0.01), 0.2)),
                "grasp": (0.2, e["grasped"]),
                "lift": (0.2, lift * e["grasped"]),
                "bring": (0.2, bring * e["grasped"]),
                "success": (0.2, e["success"]),
            }
        )

    def expert(self) -> HoldOverBinExpert:
        """Grasp, carry, stay."""
        return HoldOverBinExpert(self)
