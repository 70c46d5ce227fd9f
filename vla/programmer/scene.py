"""Scene: what the agent loop asks of a world with skills. Household scenes have this face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from .steps import Call


class Result(Protocol):
    """What came of one skill call."""

    @property
    def ok(self) -> bool:
        """Whether the skill did what it is for."""
        ...

    @property
    def message(self) -> str:
        """What happened, or why it did not, for the model to read."""
        ...

    @property
    def code(self) -> str:
        """Kind of failure, for programs that read records; empty where there is none."""
        ...

    @property
    def value(self) -> Any:
        """What the program is given, plain data; None counts as True."""
        ...

    @property
    def seconds(self) -> float:
        """Simulated time that it took [s]."""
        ...


class Observed(Protocol):
    """What an agent may know of the world at one moment."""

    @property
    def text(self) -> str:
        """What is held, what is seen in words; empty for agents that only see."""
        ...

    @property
    def images(self) -> Mapping[str, NDArray[Any]]:
        """Camera -> (H, W, 3) uint8."""
        ...


@dataclass(frozen=True)
class Observation:
    """An `Observed` for scenes that have no more to tell."""

    text: str = ""
    images: Mapping[str, NDArray[Any]] = field(default_factory=dict)


class Scene(Protocol):
    """A world, a task in it, and the skills of the robot there."""

    @property
    def instruction(self) -> str:
        """The task in words."""
        ...

    @property
    def skills(self) -> Mapping[str, str]:
        """Name -> signature and meaning, as `Skill.parse` reads them."""
        ...

    @property
    def finished(self) -> bool:
        """Whether nothing more can be done: the agent has said so, or the clock has run out."""
        ...

    @property
    def success(self) -> bool:
        """Whether the task's goal holds now. Never shown to the agent."""
        ...

    @property
    def progress(self) -> float:
        """The part of the goal that holds now, 0 to 1. Never shown to the agent."""
        ...

    def observe(self) -> Observed:
        """What the agent sees now."""
        ...

    def execute(self, call: Call) -> Result:
        """Carry out a skill. A mistake of the program is a failed result, not an exception."""
        ...

    def snapshot(self) -> Any:
        """The state of the world, to be restored any number of times."""
        ...

    def restore(self, snapshot: Any) -> None:
        """Undo everything since `snapshot`."""
        ...
