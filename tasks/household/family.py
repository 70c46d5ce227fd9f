"""Family: a template of tasks: words, what must be in the home, and what is then asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ..language import Templates
from .result import SkillCall

Words = dict[str, str]


@dataclass
class Asked:
    """What a family asks for in one start."""

    goal: str
    """As `goals.parse` reads it."""
    words: Words = field(default_factory=dict)
    """For the slots of the templates."""
    first: tuple[SkillCall, ...] = ()
    """What the robot must do before it can know the rest: questions to the person."""
    program: str = ""
    """A program for any start of this task, which finds out by itself; empty: straight calls."""


@dataclass(frozen=True)
class Family:
    """One kind of task, with every choice of its parameters."""

    name: str
    category: Literal["routine", "reasoning"]
    templates: Templates
    """Paraphrases; the last one is kept for tests."""
    choices: tuple[tuple[str, ...], ...]
    """Parameters of each task: kinds of things and furniture, colours, numbers."""
    ask: Callable[..., Asked]
    """(setting, *parameters) -> what is asked for; puts what it needs into the setting."""


FAMILIES: dict[str, Family] = {}


def family(
    name: str,
    category: Literal["routine", "reasoning"],
    choices: list[tuple[str, ...]],
    *templates: str,
) -> Callable[[Callable[..., Asked]], Callable[..., Asked]]:
    """Decorator of a family's `ask`."""

    def add(ask: Callable[..., Asked]) -> Callable[..., Asked]:
        FAMILIES[name] = Family(name, category, Templates(*templates), tuple(choices), ask)
        return ask

    return add


def spaced(name: str) -> str:
    """A kind as it is said."""
    return name.replace("_", " ")
