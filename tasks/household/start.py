"""Start: the state, the words and the goal of an instance, as functions of its seeds alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from octoworld.core.errors import ConfigError
from octoworld.core.rng import derive_seed

from .facts import StateFacts
from .goals import Goal, is_met, parse
from .home import Home
from .result import SkillCall
from .setting import Setting
from .state import State

if TYPE_CHECKING:
    from .tasks import Instance

ATTEMPTS = 40
CLUTTER = (5, 10)
"""Fewest and most things that nobody asks for."""


@dataclass(frozen=True)
class Setup:
    """Where an episode begins."""

    state: State
    goal: Goal
    instruction: str
    answers: dict[str, str]
    """What the person says: word in the question -> answer."""
    first: tuple[SkillCall, ...]
    """Questions that must be asked to know what is meant."""
    program: str
    """A program of loops and conditions that solves it; empty where straight calls do."""


def start_state(instance: Instance, home: Home) -> Setup:
    """Draw the start of an instance; its goal does not hold yet.

    Raises:
        ConfigError: the home cannot have it (as: it has no room for the things).
    """
    from .splits import HELD_OUT_OBJECTS

    task = instance.task
    banned = () if instance.any_clutter else tuple(HELD_OUT_OBJECTS)
    why = ""
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng(derive_seed(instance.start, "start", task.name, attempt))
        setting = Setting(home, rng, banned)
        try:
            asked = task.family.ask(setting, *task.parameters)
        except ConfigError as error:
            why = str(error)
            continue
        count = int(rng.integers(CLUTTER[0], CLUTTER[1] + 1))
        setting.clutter(count, without=task.parameters)
        setting.daily_life()
        goal = parse(asked.goal)
        if is_met(goal, StateFacts(setting.state, home)):
            why = "the goal holds at the start"
            continue
        words = task.family.templates.fill(instance.wording, **asked.words)
        return Setup(setting.state, goal, words, setting.answers, tuple(asked.first), asked.program)
    raise ConfigError(f"{task.name} in layout {home.seed}, start {instance.start}: {why}")
