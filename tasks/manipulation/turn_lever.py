"""TurnLever: turn the lever to the asked side."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task

from ..language import Templates
from .skills import CLOSED, StagedExpert, Wish, choose, funnel, rise, to
from .staged import Reading
from .workbench import SIZES
from .workbench_task import LEFT, TURNED, WorkbenchTask, near

STAGE = SIZES.knob_radius + 0.033
"""From the lever to the middle of the closed fingers that are about to push it [m]."""


@register_task("TurnLever")
class TurnLever(WorkbenchTask):
    """Success: the lever is turned by 60 degrees to the asked side, left and right of the robot."""

    name = "TurnLever"
    concerns = ("lever_hinge",)
    subject = "lever_base"
    templates = Templates(
        "turn the lever to the {direction}",
        "push the lever over to the {direction}",
        "tilt the lever {direction}",
        "flip the lever to the {direction} side",
        "move the handle of the lever to the {direction}",
        "swing the lever all the way {direction}",
    )
    slot_words: ClassVar = {"direction": ("left", "right")}
    least_turn: ClassVar[float] = TURNED
    """[rad]."""
    first_turn: ClassVar[float] = math.radians(10.0)
    """Turn at which it is moving [rad]."""

    @property
    def instructions(self) -> list[str]:
        """The sentence of every world."""
        words = np.where(self.memory["direction"] == LEFT, *self.slot_words["direction"])
        wording = self.memory["wording"].astype(int)
        return [
            self.templates.fill(w, direction=word)
            for w, word in zip(wording, words.tolist(), strict=True)
        ]

    def turned(self, r: Reading) -> NDArray:
        """Angle of the lever to the asked side, (N,) [rad]."""
        return self.memory["direction"] * r.joint["lever_hinge"]

    def behind(self, r: Reading) -> NDArray:
        """Where the tool starts to push, (N, 2) [m]: beside the lever, away from the goal."""
        side, base = self.memory["direction"], r.at["lever_base"]
        lean = np.minimum(side * (r.at["knob"] - base)[:, 1], 0.0)
        return np.stack([base[:, 0], base[:, 1] + side * (lean - STAGE)], axis=1)

    def stages(self, r: Reading) -> dict[str, NDArray]:
        """Reached (beside the lever, low enough to push), moving, turned."""
        way = r.tool[:, :2] - self.behind(r)
        reached = (np.linalg.norm(way, axis=1) < 0.03) & (r.tool[:, 2] < r.at["knob"][:, 2] + 0.03)
        angle = self.turned(r)
        return {
            "reached": reached,
            "moving": angle > self.first_turn,
            "turned": angle >= self.least_turn,
        }

    def strayed(self, r: Reading) -> NDArray[np.bool_]:
        """As elsewhere; the lever turned to the other side counts too."""
        return super().strayed(r) | (self.turned(r) <= -self.least_turn)

    def shaping(self, r: Reading) -> dict[str, NDArray]:
        """Distance of the tool, of 30 cm; then the angle."""
        across = self.behind(r) - r.tool[:, :2]
        way = np.concatenate([across, (r.at["knob"] - r.tool)[:, 2:]], axis=1)
        return {
            "reached": near(np.linalg.norm(way, axis=1), 0.3),
            "moving": self.turned(r) / self.first_turn,
            "turned": self.turned(r) / self.least_turn,
        }

    def aim(self, r: Reading) -> tuple[NDArray, NDArray]:
        """The knob, and where it is when the lever is at its end."""
        angle = self.memory["direction"] * SIZES.lever_range
        zero = np.zeros(len(angle))
        axis = np.array([0.0, 0.0, SIZES.pivot_height])
        end = SIZES.lever_length * np.stack([zero, np.sin(angle), np.cos(angle)], axis=1)
        return r.at["knob"], r.at["lever_base"] + axis + end

    def expert(self) -> TurnLeverExpert:
        """Closed fingers beside the lever, then across."""
        return TurnLeverExpert(self)


class TurnLeverExpert(StagedExpert):
    """Closed fingers down beside the knob, then with it along its circle, and up again.

    The fingers stay at the knob's height: the palm is 3.7 cm above their tips' middle, and passes
    over the knob.
    """

    task: TurnLever

    def rule(self, r: Reading) -> Wish:
        """See the class."""
        side, knob = self.task.memory["direction"], r.at["knob"]
        across = self.task.behind(r) - r.tool[:, :2]
        error = np.linalg.norm(across, axis=1)
        closed = np.full(len(side), CLOSED)
        come = to(r, across, funnel(error, knob[:, 2], hover=0.05))
        low = r.tool[:, 2] < knob[:, 2] + 0.02
        pushing = low & (np.abs(across[:, 0]) < 0.02) & (side * across[:, 1] < 0.02)
        angle = self.task.turned(r)
        along = np.stack([across[:, 0], side * self.step * np.cos(angle)], axis=1)
        push = to(r, along, knob[:, 2] - self.step * np.sin(angle))
        done = angle > self.task.least_turn + 0.05
        wish = choose(pushing, (push, closed), (come, closed))
        # first back, or the fingers would take the knob up with them
        touching = np.linalg.norm(r.tool - knob, axis=1) < 0.05
        back = np.stack([0 * side, -side * self.step], axis=1)
        leave = choose(touching, (to(r, back, r.tool[:, 2]), closed), (rise(r), closed))
        return choose(done, leave, wish)
