"""PushToZone: slide the block over the table into the coloured zone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task

from ..language import Templates
from ..rewards import tolerance
from ..task import Evaluation, weighted
from .expert import PushToZoneExpert
from .tabletop import Measurement, TabletopTask


@register_task("PushToZone")
class PushToZone(TabletopTask):
    """Success: the block rests on the table within 5 cm of the zone's centre, not grasped."""

    name = "PushToZone"
    stage_names = ("reached", "in_zone")
    templates = Templates(
        "push the {block} block to the {zone} zone",
        "slide the {block} cube onto the {zone} circle",
        "move the {block} block over to the {zone} area by pushing it",
        "shove the {block} block into the {zone} zone",
    )

    def aim(self, m: Measurement) -> tuple[NDArray, NDArray]:
        """The block, and the zone."""
        return m.block, m.zone

    def succeeded(self, e: Evaluation) -> NDArray[np.bool_]:
        """Inside and resting."""
        return e["in_zone"] & e["resting"]

    def dense_reward(self, evaluation: Evaluation) -> tuple[NDArray, dict[str, NDArray]]:
        """Reach, approach of block and zone, done."""
        e = evaluation
        reach = tolerance(e["tool_to_block"], (0.0, 0.045), 0.2)
        approach = tolerance(e["block_to_zone"], (0.0, 0.02), 0.2)
        return weighted(
            {
                "reach": (0.2, np.maximum(reach, e["in_zone"])),
                "approach": (0.4, approach),
                "success": (0.4, e["success"]),
            }
        )

    def expert(self) -> PushToZoneExpert:
        """Go behind the block, push along the line to the zone."""
        return PushToZoneExpert(self)
