"""StoreBlock and OpenStoreClose: put the asked block into the drawer and close it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task

from ...language import Templates
from ..skills import OPEN, StagedExpert, Wish, carry, choose, let_go
from ..staged import Reading
from .kitchen import DRAWER_CLOSED, DRAWER_OPEN, KitchenTask, moved, near, tool_to
from .moves import leave_handle, pick_for, pull_drawer, push_drawer
from .scene import SIZES

MIDDLE = np.array([0.0, -0.012, 0.0])
"""From the middle of the drawer's box to where blocks are let go: the cabinet is over the rest."""
WIDE = 0.135
"""Opening in which both open fingers have room beside the block [m]."""


class _StoreTask(KitchenTask):
    concerns = ("block", "drawer_slide")

    def stored(self, r: Reading) -> dict[str, NDArray]:
        """Inside, and closed with it: the asked block alone, let go."""
        inside = self.inside(r, "block")
        shut = r.joint["drawer_slide"] <= DRAWER_CLOSED
        alone = ~self.inside(r, "other") & ~r.grasped["block"]
        return {"inside": inside, "closed": inside & shut & alone}

    def shaping(self, r: Reading) -> dict[str, NDArray]:
        """Come to what is next, then move it."""
        opening = r.joint["drawer_slide"]
        to_handle = near(tool_to(r, "drawer_handle"))
        return {
            "opened": 0.3 * to_handle + 0.7 * moved(opening, 0.0, DRAWER_OPEN),
            "grasped": near(tool_to(r, "block"), 0.4),
            "inside": near(r.apart("block", "drawer_inside"), 0.5),
            "closed": 0.3 * to_handle + 0.7 * moved(opening, SIZES.drawer_travel, DRAWER_CLOSED),
        }

    def aim(self, r: Reading) -> tuple[NDArray, NDArray]:
        """The asked block and the drawer's inside."""
        return r.at["block"], r.at["drawer_inside"]

    def expert(self) -> StoreExpert:
        """Open what is closed, pick, put in, close."""
        return StoreExpert(self)


@register_task("StoreBlock")
class StoreBlock(_StoreTask):
    """Success: the asked block lies in the closed drawer, which was open at the start.

    The other block in it as well, or the drawer closed without the block, is no success.
    """

    name = "StoreBlock"
    max_seconds = 11.0
    starts: ClassVar = {"drawer_slide": (0.14, 0.16)}
    templates = Templates(
        "put the {block} block into the open drawer and close it",
        "store the {block} block in the open drawer, then shut the drawer",
        "place the {block} cube in the open drawer and push it shut",
        "the {block} block belongs in the open drawer: put it there and close the drawer",
        "lay the {block} block into the drawer that stands open and push the drawer in",
    )

    def stages(self, r: Reading) -> dict[str, NDArray]:
        """Grasped, inside, closed."""
        return {"grasped": r.grasped["block"], **self.stored(r)}


@register_task("OpenStoreClose")
class OpenStoreClose(_StoreTask):
    """Success: the asked block lies in the drawer, which is closed at the start and at the end."""

    name = "OpenStoreClose"
    max_seconds = 15.0
    templates = Templates(
        "open the drawer, put the {block} block inside and close it",
        "pull the drawer open, store the {block} block in it and shut it again",
        "put the {block} block away in the closed drawer and leave the drawer closed",
        "open the drawer, lay the {block} cube into it, then push the drawer shut",
        "stow the {block} block in the drawer: open it first and close it afterwards",
    )

    def stages(self, r: Reading) -> dict[str, NDArray]:
        """Opened, grasped (with the drawer open), inside, closed."""
        opened = r.joint["drawer_slide"] >= DRAWER_OPEN
        return {"opened": opened, "grasped": opened & r.grasped["block"], **self.stored(r)}


class StoreExpert(StagedExpert):
    """Opens the drawer if it is not, picks the asked block, lets it go inside, pushes."""

    task: _StoreTask
    release_height = 0.052
    """Of the tool, over the drawer's floor, under which the palm would meet the cabinet [m]."""

    def rule(self, r: Reading) -> Wish:
        """See the class."""
        inside = self.task.inside(r, "block")
        held = r.grasped["block"]
        narrow = r.joint["drawer_slide"] < np.where(held, 0.10, WIDE)
        goal = (r.at["drawer_inside"] + MIDDLE)[:, :2]
        take = leave_handle(r, pick_for(r, "block", goal))
        bring, there = carry(r, "block", goal, self.release_height)
        store = choose(held & (r.command < 0), bring, take)
        release = (np.zeros_like(r.tool), np.full(len(held), OPEN))
        store = choose(held & there, release, store)
        beside = np.linalg.norm((r.at["block"] - r.tool)[:, :2], axis=1)
        over = (beside < 0.05) & (r.tool[:, 2] < 0.11)
        finish = choose(over, let_go(r), push_drawer(r, self.step))
        return choose(inside, finish, choose(narrow, pull_drawer(r, self.step), store))
