"""Instances that the bench asks for, teachers' attempts at them, and how a program comes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from octoworld.core.errors import ConfigError
from octoworld.core.rng import derive_seed
from tasks.household import Household, Instance, SkillCall, Teacher, household_split, solve
from tasks.household.explore import forgetful
from tasks.household.oracle import OracleError
from tasks.household.text_view import inventory
from vla.programmer import describe_execution, make_runner, run_program
from vla.programmer.tiny import Grammar, Line, program_text

from .language import GRAMMAR, SKILLS, is_hidden, said

if TYPE_CHECKING:
    from .after import After

LEFT_OUT = ("search", "locked", "my_own", "how_many")
"""Families that no single look can solve, or whose end is an answer in words."""
SHOWN_OPEN = ("fetch",)
"""Families whose sentence says in which closed piece the thing is."""
GRAMMAR_TABLES = Grammar(GRAMMAR)


def household(
    instance: Instance, image_size: tuple[int, int] = (64, 64), verifies: bool = False
) -> Household:
    """The scene of an instance as every arm gets it.

    In episodes of several programs it `verifies`: whoever says too early that the task is done is
    told what is not so, and may go on.
    """
    return Household(
        instance, skills=SKILLS, packing="album", image_size=image_size, verifies=verifies
    )


def suitable(instance: Instance, max_tokens: int) -> bool:
    """Whether pictures and sentence suffice: what is asked for is in sight and can be named."""
    if instance.task.family_name in LEFT_OUT:
        return False
    try:
        house = household(instance)
        calls = solve(house).calls
    except (OracleError, ConfigError):
        return False
    state = house.setup.state
    taken = [str(c.args[0]) for c in calls if c.name == "pick"]
    if instance.task.family_name not in SHOWN_OPEN and any(
        is_hidden(state, house.home, thing) for thing in taken if thing in state.place
    ):
        return False
    lines = said(state, calls)
    if lines is None:
        return False
    try:
        return len(GRAMMAR_TABLES.tokens(lines, list(house.home.by_name))) <= max_tokens
    except ConfigError:
        return False


def instances(
    split: str, count: int, first: int, max_tokens: int, homes: int
) -> Iterator[Instance]:
    """`count` suitable instances from number `first` of a split on, in its first `homes` homes."""
    chosen = household_split(split)
    found, index = 0, first
    while found < count:
        instance = chosen.instance(index)
        index += 1
        if instance.layout - chosen.layouts.start < homes and suitable(instance, max_tokens):
            found += 1
            yield instance


@dataclass(frozen=True)
class Turn:
    """One program of a teacher, from a state that can be reached again."""

    before: tuple[tuple[Line, ...], ...]
    """Programs that led there."""
    state: str
    """What is told of the robot then."""
    feedback: str
    """Of the program before; empty at first."""
    tokens: tuple[int, ...]
    success: bool
    """Whether the goal held after it."""


def attempt(instance: Instance, teacher: Teacher, max_turns: int) -> list[Turn]:
    """A teacher's turns at an instance, until it is done, gives up or cannot be written down."""
    house = household(instance)
    places = list(house.home.by_name)
    runner = make_runner("grammar")
    turns: list[Turn] = []
    before: tuple[tuple[Line, ...], ...] = ()
    feedback = ""
    for number in range(max_turns):
        try:
            calls = solve(house).calls
        except OracleError:
            break
        rng = np.random.default_rng(derive_seed(teacher.seed, instance.key, number))
        lines = said(house.state, forgetful(calls, teacher, house, rng))
        if lines is None:
            break
        told, at = inventory(house.state), house.state.at
        try:
            tokens = tuple(GRAMMAR_TABLES.tokens(lines, places, at))
        except ConfigError:
            break
        execution = run_program(house, runner, program_text(lines))
        turns.append(Turn(before, told, feedback, tokens, house.success))
        before, feedback = (*before, tuple(lines)), describe_execution(execution)
        if house.finished:
            break
    return turns


def line_ends(tokens: Sequence[int]) -> list[int]:
    """Where the calls of a program end: index of the last token of each; PAD ends it."""
    ends, waiting = [], False
    for i, token in enumerate(tokens):
        if token < 0:
            break
        word = GRAMMAR_TABLES.words[token] if token < GRAMMAR_TABLES.size else ""
        takes = GRAMMAR.skills.get(word, "none") in ("thing", "here_or_thing")
        waiting = takes or (waiting and word in GRAMMAR.adjectives)
        if not waiting:
            ends.append(i)
    return ends


def perfect_tokens(instance: Instance) -> tuple[int, ...]:
    """The oracle's program for a suitable instance."""
    house = household(instance)
    lines = said(house.state, solve(house).calls)
    assert lines is not None  # it is suitable
    return tuple(GRAMMAR_TABLES.tokens(lines, list(house.home.by_name)))


@dataclass(frozen=True)
class Outcome:
    """What a program came to."""

    success: bool
    progress: float
    ok: bool
    """Whether no call failed."""
    calls: int
    after: After | None = None
    """What is seen and told then, where somebody looks on."""


def carry_out(house: Household, lines: Sequence[Line]) -> Outcome:
    """Run calls up to the first that fails, or to the end of the episode."""
    ok, count = True, 0
    for line in lines:
        result = house.execute(SkillCall(line.skill, line.args))
        count += 1
        ok = result.ok
        if not ok or house.finished:
            break
    return Outcome(house.success, house.progress, ok, count)


def as_rows(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Turns as plain values, for JSON."""
    return [
        {
            "before": [[[n, list(a)] for n, a in program] for program in t.before],
            "state": t.state, "feedback": t.feedback, "tokens": list(t.tokens),
            "success": t.success,
        }
        for t in turns
    ]  # fmt: skip


def from_rows(rows: Sequence[dict[str, Any]]) -> list[Turn]:
    """The reverse of `as_rows`."""
    return [
        Turn(
            tuple(tuple(Line(n, tuple(a)) for n, a in program) for program in row["before"]),
            row["state"], row["feedback"], tuple(row["tokens"]), row["success"],
        )
        for row in rows
    ]  # fmt: skip
