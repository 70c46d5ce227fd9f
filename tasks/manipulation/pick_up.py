"""PickUp: lift the block off the table and hold it between the fingers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task

from ..language import Templates
from ..rewards import tolerance
from ..task import Evaluation, weighted
from .expert import PickUpExpert
from .tabletop import Measurement, TabletopTask


@register_task("PickUp")
class PickUp(TabletopTask):
    """Success: 8 cm of air under the block, both fingers on it."""

    name = "PickUp"
    stage_names = ("reached", "grasped", "lifted")
    templates = Templates(
        "pick up the {block} block",
        "lift the {block} cube off the table",
        "grab the {block} block and raise it",
        "take the {block} block up",
    )

    def aim(self, m: Measurement) -> tuple[NDArray, NDArray]:
        """The block, and the air above it."""
        return m.block, m.block + np.array([0.0, 0.0, self.judge.lift_height])

    def succeeded(self, e: Evaluation) -> NDArray[np.bool_]:
        """Lifted and held."""
        return e["lifted"] & e["grasped"]

    def dense_reward(self, evaluation: Evaluation) -> tuple[NDArray, dict[str, NDArray]]:
        """Reach, grasp, lift, done: a quarter each."""
        e = evaluation
        lift = np.minimum(np.maximum(e["clearance"] / self.judge.lift_height, 0.0), 1.0)
        return weighted(
            {
                "reach": (0.25, tolerance(e["tool_to_block"], (0.0, 0.01), 0.2)),
                "grasp": (0.25, e["grasped"]),
                "lift": (0.25, lift * e["grasped"]),
                "success": (0.25, e["success"]),
            }
        )

    def expert(self) -> PickUpExpert:
        """Grasp, then straight up."""
        return PickUpExpert(self)
