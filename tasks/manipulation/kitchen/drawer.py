"""KitchenOpenDrawer and KitchenCloseDrawer: pull the drawer open, push it shut."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task

from ...language import Templates
from ..skills import StagedExpert, Wish
from ..staged import Reading
from .kitchen import DRAWER_CLOSED, DRAWER_OPEN, NEAR, KitchenTask, moved, near, tool_to
from .moves import pull_drawer, push_drawer
from .scene import SIZES

OUTWARD = np.array([0.0, -1.0, 0.0])
"""The way in which the drawer opens."""


@register_task("KitchenOpenDrawer")
class KitchenOpenDrawer(KitchenTask):
    """Success: the drawer is open by 12 cm."""

    name = "KitchenOpenDrawer"
    concerns = ("drawer_slide",)
    subject = "cabinet"
    max_seconds = 4.8
    templates = Templates(
        "open the kitchen drawer",
        "pull the kitchen drawer open",
        "pull out the drawer of the kitchen cabinet",
        "slide the wooden kitchen drawer open",
        "make the kitchen drawer stand open",
        "draw out the kitchen drawer by its handle",
    )

    def stages(self, r: Reading) -> dict[str, NDArray]:
        """At the handle, ajar, open."""
        opening = r.joint["drawer_slide"]
        return {
            "reached": tool_to(r, "drawer_handle") < NEAR,
            "ajar": opening > 0.03,
            "open": opening >= DRAWER_OPEN,
        }

    def shaping(self, r: Reading) -> dict[str, NDArray]:
        """Come to the handle, then open."""
        opening = r.joint["drawer_slide"]
        return {
            "reached": near(tool_to(r, "drawer_handle")),
            "ajar": moved(opening, 0.0, 0.03),
            "open": moved(opening, 0.03, DRAWER_OPEN),
        }

    def aim(self, r: Reading) -> tuple[NDArray, NDArray]:
        """The handle, and where it is when the drawer is open."""
        rest = SIZES.drawer_travel - r.joint["drawer_slide"]
        handle = r.at["drawer_handle"]
        return handle, handle + OUTWARD * rest[:, None]

    def expert(self) -> OpenDrawerExpert:
        """Hook the handle from above and pull."""
        return OpenDrawerExpert(self)


class OpenDrawerExpert(StagedExpert):
    """Closed fingers behind the bar, then pull."""

    def rule(self, r: Reading) -> Wish:
        """See the class."""
        return pull_drawer(r, self.step)


@register_task("KitchenCloseDrawer")
class KitchenCloseDrawer(KitchenTask):
    """Success: the drawer, open at the start, is closed."""

    name = "KitchenCloseDrawer"
    concerns = ("drawer_slide",)
    subject = "cabinet"
    max_seconds = 4.8
    starts: ClassVar = {"drawer_slide": (0.135, 0.16)}
    templates = Templates(
        "close the kitchen drawer",
        "push the kitchen drawer shut",
        "shut the drawer of the kitchen cabinet",
        "slide the wooden kitchen drawer closed",
        "push the open kitchen drawer back in",
        "make sure that the kitchen drawer is closed",
    )

    def stages(self, r: Reading) -> dict[str, NDArray]:
        """At the handle, half closed, closed."""
        opening = r.joint["drawer_slide"]
        return {
            "reached": tool_to(r, "drawer_handle") < NEAR,
            "half_closed": opening < 0.08,
            "closed": opening <= DRAWER_CLOSED,
        }

    def shaping(self, r: Reading) -> dict[str, NDArray]:
        """Come to the handle, then close."""
        opening = r.joint["drawer_slide"]
        return {
            "reached": near(tool_to(r, "drawer_handle")),
            "half_closed": moved(opening, SIZES.drawer_travel, 0.08),
            "closed": moved(opening, 0.08, DRAWER_CLOSED),
        }

    def aim(self, r: Reading) -> tuple[NDArray, NDArray]:
        """The handle, and where it is when the drawer is closed."""
        handle = r.at["drawer_handle"]
        return handle, handle - OUTWARD * r.joint["drawer_slide"][:, None]

    def expert(self) -> CloseDrawerExpert:
        """Push the bar from outside."""
        return CloseDrawerExpert(self)


class CloseDrawerExpert(StagedExpert):
    """Closed fingers before the bar, then push."""

    def rule(self, r: Reading) -> Wish:
        """See the class."""
        return push_drawer(r, self.step)
