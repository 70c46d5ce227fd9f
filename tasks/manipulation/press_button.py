"""PressButton: press the named one of two buttons down until it clicks."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task

from ..language import COLOR_NAMES, Templates
from .skills import CLOSED, StagedExpert, Wish, choose, funnel, rise, to
from .staged import Reading
from .workbench import SIZES
from .workbench_task import CLICK, WorkbenchTask, near


@register_task("PressButton")
class PressButton(WorkbenchTask):
    """Success: the named button is all the way down, where it stays, and the other one is not."""

    name = "PressButton"
    concerns = ("button_a_slide",)
    subject = "button_a_base"
    templates = Templates(
        "press the {button} button",
        "push the {button} button down",
        "press down on the {button} button until it clicks",
        "hit the {button} button",
        "use your fingers to push the {button} button",
        "switch on the {button} button",
    )
    slot_words: ClassVar = {"button": COLOR_NAMES}
    click: ClassVar[float] = CLICK
    """Depth at which a button clicks [m]."""
    touch: ClassVar[float] = 0.002
    """Depth at which it is being pressed [m]."""

    def stages(self, r: Reading) -> dict[str, NDArray]:
        """Reached (the fingers are just above), pressed (it gives way), clicked."""
        depth, wrong = r.joint["button_a_slide"], r.joint["button_b_slide"]
        way = r.at["button_a"] - r.tool
        aligned = np.linalg.norm(way[:, :2], axis=1) < SIZES.cap_radius
        return {
            "reached": aligned & (np.abs(way[:, 2]) < 0.03),
            "pressed": depth > self.touch,
            "clicked": (depth > self.click) & (wrong < self.click),
        }

    def shaping(self, r: Reading) -> dict[str, NDArray]:
        """Distance of the tool, of 30 cm; then the depth."""
        reach = np.linalg.norm(r.at["button_a"] - r.tool, axis=1)
        return {
            "reached": near(reach, 0.3),
            "pressed": r.joint["button_a_slide"] / self.touch,
            "clicked": r.joint["button_a_slide"] / self.click,
        }

    def aim(self, r: Reading) -> tuple[NDArray, NDArray]:
        """The button's top, and where it is when it is down."""
        left = SIZES.button_travel - r.joint["button_a_slide"]
        return r.at["button_a"], r.at["button_a"] - left[:, None] * np.array([0.0, 0.0, 1.0])

    def expert(self) -> PressButtonExpert:
        """Closed fingers over the button, then down."""
        return PressButtonExpert(self)


class PressButtonExpert(StagedExpert):
    """Closed fingers over the button, straight down to its end, and up again."""

    bottom = SIZES.housing_height + SIZES.cap_height - SIZES.button_travel + 0.0095 - 0.003
    """Tool height to press towards [m]: fingertips, 9.5 mm lower, 3 mm below the button's end."""

    def rule(self, r: Reading) -> Wish:
        """See the class."""
        across = (r.at["button_a"] - r.tool)[:, :2]
        error = np.linalg.norm(across, axis=1)
        height = funnel(error, self.bottom, hover=0.13)  # over the lever
        closed = np.full(len(error), CLOSED)
        done = r.joint["button_a_slide"] > SIZES.button_travel - 0.002
        return choose(done, (rise(r), closed), (to(r, across, height), closed))
