"""Explore: attempts as a learner would make them, failures and their mending included.

A teacher that forgets is the documented default for experiments with feedback: its programs leave
out steps with known probabilities, fail, and are continued after the feedback.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from octoworld.core.rng import derive_seed

from .goals import text
from .household import Household
from .oracle import OracleError, solve
from .programs import run, straight
from .result import SkillCall
from .tasks import Instance


@dataclass(frozen=True)
class Teacher:
    """What a teacher forgets. All zero: the oracle."""

    forget_open: float = 0.0
    """Probability that an `open` is left out."""
    forget_close: float = 0.0
    """That a `close` is."""
    forget_switch: float = 0.0
    """That a `turn_on` or `turn_off` is."""
    forget_second: float = 0.0
    """That all after the first thing that was put down is left out."""
    wrong_place: float = 0.0
    """That a `go_to` goes to another piece of furniture."""
    seed: int = 0


PERFECT = Teacher()
IMPERFECT = Teacher(0.45, 0.45, 0.25, 0.45, 0.02)
"""Between 55 and 60 of its first 100 programs succeed (tests hold it in 45 to 65 %)."""


@dataclass(frozen=True)
class Turn:
    """One program and what came of it."""

    program: str
    calls: tuple[SkillCall, ...]
    feedback: tuple[dict[str, Any], ...]
    """Result of each call that was carried out."""
    success: bool
    """Whether the goal held afterwards."""
    progress: float
    """Share of the goal's parts that held."""


@dataclass(frozen=True)
class Attempt:
    """An episode of a teacher."""

    instance: Instance
    instruction: str
    goal: str
    turns: tuple[Turn, ...]

    @property
    def success(self) -> bool:
        """Whether the goal held at the end."""
        return self.turns[-1].success


def forgetful(
    calls: tuple[SkillCall, ...], teacher: Teacher, household: Household, rng: np.random.Generator
) -> tuple[SkillCall, ...]:
    """The calls that a teacher makes of the right ones."""
    chances = {
        "open": teacher.forget_open, "close": teacher.forget_close,
        "turn_on": teacher.forget_switch, "turn_off": teacher.forget_switch,
    }  # fmt: skip
    kept = []
    places = [p.name for p in household.home.pieces]
    for call in calls:
        draw, other = rng.random(), places[int(rng.integers(len(places)))]
        if draw < chances.get(call.name, 0.0):
            continue
        if call.name == "go_to" and draw < teacher.wrong_place:
            call = replace(call, args=(other,))
        kept.append(call)
    put = [i for i, c in enumerate(kept) if c.name in ("place_on", "place_in")]
    if len(put) > 1 and rng.random() < teacher.forget_second:
        kept = [*kept[: put[0] + 1], *(c for c in kept[-1:] if c.name == "done")]
    return tuple(kept)


def explore(instance: Instance, teacher: Teacher = PERFECT, max_turns: int = 3) -> Attempt:
    """One attempt of a teacher at an instance, turn after turn until it is done or gives up.

    Raises:
        OracleError: the task cannot be solved at all from its start.
    """
    household = Household(instance)
    turns: list[Turn] = []
    for number in range(max_turns):
        try:
            solution = solve(household)
        except OracleError:
            if not turns:
                raise
            break  # spoiled: an egg that was cooked does not get raw again
        rng = np.random.default_rng(derive_seed(teacher.seed, instance.key, number))
        calls = forgetful(solution.calls, teacher, household, rng)
        program = solution.program if calls == solution.calls else straight(calls)
        household.begin_program(program)
        results = run(household, calls)
        feedback = tuple(r.as_dict() for r in results)
        turns.append(Turn(program, calls, feedback, household.success, household.progress))
        if household.state.finished:
            break
    return Attempt(instance, household.instruction, text(household.goal), tuple(turns))
