"""SkillExecutor: somebody else, a trained policy say, moves the robot while a skill lasts.

    Household(instance, fidelity="physical", executors={"pick": PolicyExecutor(policy)})

The skill still checks what must be the case beforehand, and reads off the physics afterwards
whether it came about; in between the executor alone acts, at 10 Hz. Programs see no difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from numpy.typing import NDArray

from .result import SkillCall

EXECUTED = ("go_to", "pick", "place_on", "place_in", "open", "close", "turn_on", "turn_off")
"""Skills that can be executed by somebody else."""
ACTIONS = (
    "base_forward", "base_left", "base_turn", "tool_x", "tool_y", "tool_z", "tool_roll",
    "tool_pitch", "tool_yaw", "gripper",
)  # fmt: skip
"""Components of an action, each in [-1, 1]. Speed of the base in its own frame (times BASE_SPEED),
shift and turn of the tool in the base's frame (times TOOL_STEP), gripper (-1 closed, 1 open)."""
BASE_SPEED = (0.5, 0.5, 1.0)
"""[m/s], [m/s], [rad/s] at 1."""
TOOL_STEP = (0.03, 0.10)
"""[m], [rad] of one action at 1."""
PERIOD = 0.1
"""Of one action [s]."""
CAMERAS = ("surround0", "wrist")
"""What an executor sees: ahead from the mast, and from the hand."""
STATE_SIZE = 18
"""Tool pose in the base's frame (7), arm joints (7), gap between the fingers (1), speed of the base
(3)."""


@dataclass(frozen=True)
class SkillView:
    """What an executor is given at each step."""

    images: Mapping[str, NDArray]
    """Camera of CAMERAS -> (H, W, 3) uint8; empty for executors that want none."""
    state: NDArray
    """(STATE_SIZE,) float32."""


class SkillExecutor(Protocol):
    """Carries out single skills."""

    image_size: tuple[int, int] | None
    """(H, W) of the pictures it wants; None: none are drawn."""
    max_seconds: float
    """After which a skill is over, done or not [s]."""

    def begin(self, call: SkillCall, instruction: str) -> None:
        """A skill starts: its call, and the same in words."""
        ...

    def act(self, view: SkillView) -> NDArray | None:
        """The next action (10,), see ACTIONS; None: it thinks that it is done."""
        ...


def in_words(call: SkillCall) -> str:
    """A call as an instruction: "pick the red mug" for a policy that reads words."""
    verb = call.name.replace("_", " ")
    return " ".join((verb, *(str(a).replace("_", " ") for a in call.args)))
