"""PlaceInBin: carry the block into the open bin and let it go."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task

from ..language import Templates
from ..rewards import tolerance
from ..task import Evaluation, weighted
from .carrying import PlaceInBinExpert
from .tabletop import Measurement, TabletopTask


@register_task("PlaceInBin")
class PlaceInBin(TabletopTask):
    """Success: the block rests inside the bin and the gripper is open."""

    name = "PlaceInBin"
    stage_names = ("reached", "grasped", "in_bin")
    templates = Templates(
        "put the {block} block in the bin",
        "place the {block} cube into the bin",
        "drop the {block} block in the box",
        "move the {block} block into the open bin",
    )

    def aim(self, m: Measurement) -> tuple[NDArray, NDArray]:
        """The block, and the bin."""
        return m.block, m.bin

    def succeeded(self, e: Evaluation) -> NDArray[np.bool_]:
        """Inside, resting, released."""
        return e["in_bin"] & e["resting"] & e["released"]

    def dense_reward(self, evaluation: Evaluation) -> tuple[NDArray, dict[str, NDArray]]:
        """See `placing`."""
        return placing(evaluation, evaluation["in_bin"], evaluation["block_to_bin"])

    def expert(self) -> PlaceInBinExpert:
        """Grasp, carry, lower, open."""
        return PlaceInBinExpert(self)


def placing(e: Evaluation, inside: NDArray, apart: NDArray) -> tuple[NDArray, dict[str, NDArray]]:
    """Reach, grasp, bring to the place, let go inside; earlier stages stay paid once inside.

    `inside` (N,) is whether the block is there, `apart` (N,) how far from it [m].
    """
    reach = tolerance(e["tool_to_block"], (0.0, 0.01), 0.2)
    bring = tolerance(apart, (0.0, 0.02), 0.2) * e["grasped"]
    inside = inside.astype(float)
    return weighted(
        {
            "reach": (0.2, np.maximum(reach, inside)),
            "grasp": (0.2, np.maximum(e["grasped"], inside)),
            "bring": (0.2, np.maximum(bring, inside)),
            "inside": (0.2, inside),
            "success": (0.2, e["success"]),
        }
    )
