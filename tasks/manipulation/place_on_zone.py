"""PlaceOnZone: set the block down on the coloured zone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task

from ..language import Templates
from ..task import Evaluation
from .carrying import PlaceOnZoneExpert
from .place_in_bin import placing
from .tabletop import Measurement, TabletopTask


@register_task("PlaceOnZone")
class PlaceOnZone(TabletopTask):
    """Success: as `PushToZone`, with an open gripper: the block was let go there."""

    name = "PlaceOnZone"
    stage_names = ("reached", "grasped", "in_zone")
    templates = Templates(
        "put the {block} block on the {zone} zone",
        "place the {block} cube on the {zone} circle",
        "pick the {block} block up and set it down on the {zone} area",
        "carry the {block} block to the {zone} zone and let it go",
    )

    def aim(self, m: Measurement) -> tuple[NDArray, NDArray]:
        """The block, and the zone."""
        return m.block, m.zone

    def succeeded(self, e: Evaluation) -> NDArray[np.bool_]:
        """Inside, resting, released."""
        return e["in_zone"] & e["resting"] & e["released"]

    def dense_reward(self, evaluation: Evaluation) -> tuple[NDArray, dict[str, NDArray]]:
        """See `placing`."""
        return placing(evaluation, evaluation["in_zone"], evaluation["block_to_zone"])

    def expert(self) -> PlaceOnZoneExpert:
        """Grasp, carry, lower, open."""
        return PlaceOnZoneExpert(self)
