"""OpenDoor and CloseDoor: swing the cupboard's door open, push it shut."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task

from ...language import Templates
from ..skills import StagedExpert, Wish
from ..staged import Reading
from .kitchen import DOOR_CLOSED, DOOR_OPEN, NEAR, KitchenTask, moved, near, tool_to
from .moves import door_axes, pull_door, push_door
from .scene import SIZES


class _DoorTask(KitchenTask):
    concerns = ("door_hinge",)
    subject = "cupboard"
    goal_angle: ClassVar[float]
    """Where the door is to be [rad]."""

    def aim(self, r: Reading) -> tuple[NDArray, NDArray]:
        """The handle, and where it is when the door is as asked."""
        angle = r.joint["door_hinge"]
        handle = r.at["door_handle"]

        def from_hinge(angles: NDArray) -> NDArray:
            along, out = door_axes(angles)
            return SIZES.door_handle * along + SIZES.handle_reach * out

        way = from_hinge(np.full(len(angle), self.goal_angle)) - from_hinge(angle)
        return handle, handle + np.concatenate([way, np.zeros((len(way), 1))], axis=1)


@register_task("OpenDoor")
class OpenDoor(_DoorTask):
    """Success: the door is open by 60 degrees."""

    name = "OpenDoor"
    max_seconds = 6.0
    goal_angle = float(DOOR_OPEN)
    templates = Templates(
        "open the cupboard door",
        "pull the door of the cupboard open",
        "swing the cupboard's door open",
        "open up the cupboard",
        "make the cupboard door stand open",
        "pull the cupboard open by its handle",
    )

    def stages(self, r: Reading) -> dict[str, NDArray]:
        """At the handle, ajar, open."""
        angle = r.joint["door_hinge"]
        return {
            "reached": tool_to(r, "door_handle") < NEAR,
            "ajar": angle > 0.25,
            "open": angle >= DOOR_OPEN,
        }

    def shaping(self, r: Reading) -> dict[str, NDArray]:
        """Come to the handle, then open."""
        angle = r.joint["door_hinge"]
        return {
            "reached": near(tool_to(r, "door_handle")),
            "ajar": moved(angle, 0.0, 0.25),
            "open": moved(angle, 0.25, DOOR_OPEN),
        }

    def expert(self) -> OpenDoorExpert:
        """Hook the handle from above and pull along its circle."""
        return OpenDoorExpert(self)


class OpenDoorExpert(StagedExpert):
    """Closed fingers behind the bar, then pull it around."""

    def rule(self, r: Reading) -> Wish:
        """See the class."""
        return pull_door(r, self.step)


@register_task("CloseDoor")
class CloseDoor(_DoorTask):
    """Success: the door, open at the start, is closed."""

    name = "CloseDoor"
    max_seconds = 6.0
    goal_angle = 0.0
    starts: ClassVar = {"door_hinge": (1.1, 1.45)}
    templates = Templates(
        "close the cupboard door",
        "push the door of the cupboard shut",
        "swing the cupboard's door closed",
        "shut the cupboard",
        "push the open cupboard door back",
        "make sure that the cupboard is closed",
    )

    def stages(self, r: Reading) -> dict[str, NDArray]:
        """At the handle, half closed, closed."""
        angle = r.joint["door_hinge"]
        return {
            "reached": tool_to(r, "door_handle") < NEAR,
            "half_closed": angle < 0.7,
            "closed": angle <= DOOR_CLOSED,
        }

    def shaping(self, r: Reading) -> dict[str, NDArray]:
        """Come to the handle, then close."""
        angle = r.joint["door_hinge"]
        return {
            "reached": near(tool_to(r, "door_handle")),
            "half_closed": moved(angle, 1.5, 0.7),
            "closed": moved(angle, 0.7, float(DOOR_CLOSED)),
        }

    def expert(self) -> CloseDoorExpert:
        """Push the bar from outside along its circle."""
        return CloseDoorExpert(self)


class CloseDoorExpert(StagedExpert):
    """Closed fingers before the bar, then push it around."""

    def rule(self, r: Reading) -> Wish:
        """See the class."""
        return push_door(r, self.step)
