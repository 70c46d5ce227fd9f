"""ServeAndSwitch: put the asked block on the plate, then turn the stove on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task

from ...language import Templates
from ..skills import OPEN, StagedExpert, Wish, carry, choose, let_go, pick
from ..staged import Reading
from .kitchen import SWITCHED, KitchenTask, moved, near, tool_to
from .moves import turn_lever
from .scene import SIZES


@register_task("ServeAndSwitch")
class ServeAndSwitch(KitchenTask):
    """Success: the asked block, alone, stands on the plate, let go, and the stove's lever is on.

    Judged by how things are: who turns the lever first and serves then has done it too.
    """

    name = "ServeAndSwitch"
    concerns = ("block", "lever_hinge")
    max_seconds = 9.5
    templates = Templates(
        "put the {block} block on the plate, then turn the stove on",
        "serve the {block} block on the plate and switch the stove on",
        "place the {block} cube onto the plate and then turn the lever of the stove",
        "lay the {block} block on the plate; after that switch on the stove",
        "first the {block} block goes on the plate, then the stove is turned on",
    )

    def stages(self, r: Reading) -> dict[str, NDArray]:
        """Grasped, served, switched."""
        served = self.served(r, "block")
        alone = ~self.served(r, "other") & ~r.grasped["block"]
        on = r.joint["lever_hinge"] >= SWITCHED
        return {"grasped": r.grasped["block"], "served": served, "switched": served & on & alone}

    def shaping(self, r: Reading) -> dict[str, NDArray]:
        """Come to the block, carry it, come to the lever, turn it."""
        turned = moved(r.joint["lever_hinge"], 0.0, float(SWITCHED))
        return {
            "grasped": near(tool_to(r, "block"), 0.4),
            "served": near(r.apart("block", "plate_top"), 0.4),
            "switched": 0.3 * near(tool_to(r, "lever_tip")) + 0.7 * turned,
        }

    def aim(self, r: Reading) -> tuple[NDArray, NDArray]:
        """The asked block and the plate."""
        return r.at["block"], r.at["plate_top"]

    def expert(self) -> ServeExpert:
        """Pick, put on the plate, turn the lever."""
        return ServeExpert(self)


class ServeExpert(StagedExpert):
    """Picks the asked block, lets it go on the plate, then pushes the lever around."""

    task: ServeAndSwitch
    release_height = SIZES.plate_height + SIZES.block_half + 0.002
    """Of the tool over the counter [m]."""

    def rule(self, r: Reading) -> Wish:
        """See the class."""
        held = r.grasped["block"]
        bring, there = carry(r, "block", r.at["plate_top"][:, :2], self.release_height)
        serve = choose(held & (r.command < 0), bring, pick(r, "block"))
        release = (np.zeros_like(r.tool), np.full(len(held), OPEN))
        serve = choose(held & there, release, serve)
        beside = np.linalg.norm((r.at["block"] - r.tool)[:, :2], axis=1)
        over = (beside < 0.05) & (r.tool[:, 2] < 0.09)
        finish = choose(over, let_go(r), turn_lever(r, self.step))
        return choose(self.task.served(r, "block"), finish, serve)
