"""OpenDrawer: pull the drawer open by its handle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task
from sim.world import World

from ..language import Templates
from ..rewards import tolerance
from ..task import Evaluation, weighted
from .expert import OpenDrawerExpert
from .scene import SIZES
from .tabletop import Measurement, TabletopTask


@register_task("OpenDrawer")
class OpenDrawer(TabletopTask):
    """Success: the drawer is open by 10 cm."""

    name = "OpenDrawer"
    stage_names = ("at_handle", "ajar", "drawer_open")
    subject = "cabinet"
    templates = Templates(
        "open the drawer",
        "pull the drawer open",
        "pull out the drawer by its handle",
        "slide the drawer of the cabinet open",
    )

    def aim(self, m: Measurement) -> tuple[NDArray, NDArray]:
        """The handle, and where it ends up when the drawer is open."""
        return m.handle, m.handle - np.array([0.0, 1.0, 0.0]) * (SIZES.drawer_travel - m.opening)[
            :, None
        ]

    def evaluate(self, world: World) -> Evaluation:
        """As the others', and how far the drawer's own stages came."""
        e = super().evaluate(world)
        e["at_handle"] = e["tool_to_handle"] < self.judge.handle_distance
        e["ajar"] = e["opening"] > self.judge.drawer_moved
        return e

    def succeeded(self, e: Evaluation) -> NDArray[np.bool_]:
        """Open."""
        return e["drawer_open"]

    def dense_reward(self, evaluation: Evaluation) -> tuple[NDArray, dict[str, NDArray]]:
        """Reach the handle, open, done."""
        e = evaluation
        opening = np.clip(e["opening"] / self.judge.drawer_open, 0.0, 1.0)
        reach = tolerance(e["tool_to_handle"], (0.0, 0.03), 0.2)
        return weighted(
            {
                "reach": (0.3, np.maximum(reach, e["success"])),
                "open": (0.4, opening),
                "success": (0.3, e["success"]),
            }
        )

    def expert(self) -> OpenDrawerExpert:
        """Hook the handle from above and pull."""
        return OpenDrawerExpert(self)
