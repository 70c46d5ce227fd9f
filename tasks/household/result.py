"""SkillCall and SkillResult: what a program asks of the robot, and what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Value = str | int | float | bool | None | list | tuple | dict
"""All that crosses into programs; things are named by strings such as "mug_1"."""


class AnyCall(Protocol):
    """Whatever names a skill and its arguments: a `SkillCall`, or a program's own call."""

    @property
    def name(self) -> str:
        """Of the skill."""
        ...

    @property
    def args(self) -> tuple[Any, ...]:
        """Its arguments."""
        ...


@dataclass(frozen=True)
class SkillCall:
    """One call, as `pick("mug_1")`."""

    name: str
    args: tuple[Value, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(repr(a) for a in self.args)})"


@dataclass(frozen=True)
class SkillResult:
    """What came of one call. A failure has cost time and changed nothing but the clock."""

    ok: bool
    message: str
    """One line: what happened, or why it did not and what would help."""
    value: Value = None
    """What the call gives the program; None unless the skill says otherwise."""
    changed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Thing -> state -> its new value, for everything that differs from before."""
    seconds: float = 0.0
    """Simulated time that it took [s]."""
    code: str = ""
    """Kind of failure, one of `skills.CODES`; empty when ok."""

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON and for prompts."""
        return {
            "ok": self.ok,
            "code": self.code,
            "message": self.message,
            "value": self.value,
            "changed": {thing: dict(states) for thing, states in self.changed.items()},
            "seconds": round(self.seconds, 2),
        }


class SkillFailureError(Exception):
    """Inside a skill: it cannot be done. Becomes a failed SkillResult."""

    def __init__(self, code: str, message: str, seconds: float = 0.5) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.seconds = seconds
        """Time until the robot noticed [s]."""
