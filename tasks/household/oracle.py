"""Oracle: writes a program that reaches the goal, from full knowledge of the home.

It turns the goal into facts to bring about, and brings them about one by one on the household
itself, which it puts back at the end. Alternatives of a goal (or, exists, count) are tried in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice, product

from octoworld.core.errors import OctoworldError

from .achieve import Achiever, StuckError
from .facts import StateFacts
from .goals import Atom, Combined, Goal, Quantified, is_met, text
from .household import Household
from .programs import straight
from .result import SkillCall

Literal = tuple[bool, Atom]
"""Whether it is to be true, and what."""
ALTERNATIVES = 60
"""Sets of facts that are tried for one goal."""


class OracleError(OctoworldError, RuntimeError):
    """The oracle found no way to the goal."""


@dataclass(frozen=True)
class Solution:
    """A way to the goal."""

    calls: tuple[SkillCall, ...]
    """Straight calls, all of which succeed."""
    program: str
    """A program as an agent would write it: with loops and conditions where the task needs them."""
    seconds: float
    """Simulated time of the calls [s]."""


def solve(household: Household) -> Solution:
    """A way from the household's present state to its goal; the household is left as it is.

    Raises:
        OracleError: none was found.
    """
    before = household.snapshot()
    start = household.state.time
    why = "no set of facts makes the goal true"
    try:
        for literals in islice(alternatives(household.goal, household), ALTERNATIVES):
            household.restore(before)
            achiever = Achiever(household)
            try:
                for call in household.setup.first:
                    achiever.call(call.name, *call.args)
                achiever.bring_about(literals)
                achiever.finish(literals)
            except StuckError as error:
                why = str(error)
                continue
            if household.success:
                seconds = household.state.time - start
                calls = tuple(achiever.calls)
                return Solution(calls, household.setup.program or straight(calls), seconds)
            why = "the facts were brought about, and the goal is still false"
    finally:
        household.restore(before)
    raise OracleError(f"{household.instance.key}: {text(household.goal)}: {why}")


def alternatives(goal: Goal, household: Household) -> Iterator[list[Literal]]:
    """Sets of facts, each of which would make the goal true; those that hold already first."""
    facts = StateFacts(household.state, household.home)
    yield from _ways(goal, True, {}, facts)


def _ways(
    goal: Goal, wanted: bool, bound: dict[str, str], facts: StateFacts
) -> Iterator[list[Literal]]:
    if isinstance(goal, Atom):
        atom = Atom(goal.predicate, tuple(bound.get(a, a) for a in goal.args))
        yield [(wanted, atom)]
    elif isinstance(goal, Combined):
        how, parts = goal.how, goal.parts
        if how == "not":
            yield from _ways(parts[0], not wanted, bound, facts)
        elif how == "imply":
            if is_met(parts[0], facts, bound):
                yield from _ways(parts[1], wanted, bound, facts)
            else:
                yield []
        elif (how == "and") == wanted:
            yield from _all([(p, wanted, bound) for p in parts], facts)
        else:
            yield from _any([(p, wanted, bound) for p in parts], facts)
    else:
        yield from _quantified(goal, wanted, bound, facts)


def _quantified(
    goal: Quantified, wanted: bool, bound: dict[str, str], facts: StateFacts
) -> Iterator[list[Literal]]:
    each = [bound | {goal.variable: m} for m in facts.members(goal.domain)]
    if goal.how != "count":
        cases = [(goal.body, wanted, b) for b in each]
        yield from (_all if (goal.how == "forall") == wanted else _any)(cases, facts)
        return
    # which members are to have it: those that have it already come first
    has = [is_met(goal.body, facts, b) for b in each]
    order = sorted(range(len(each)), key=lambda i: not has[i])
    counts = {"=": [goal.number], ">=": range(goal.number, len(each) + 1),
              "<=": range(min(goal.number, len(each)), -1, -1)}[goal.comparison]  # fmt: skip
    for count in counts:
        for chosen in combinations(order, count):
            cases = [(goal.body, i in chosen, b) for i, b in enumerate(each)]
            yield from _all(cases, facts)


_Cases = list[tuple[Goal, bool, dict[str, str]]]


def _all(cases: _Cases, facts: StateFacts) -> Iterator[list[Literal]]:
    # a few ways of each part: the product of all of them would never end
    ways = [list(islice(_ways(g, w, b, facts), 6)) for g, w, b in cases]
    for choice in product(*ways):
        yield [literal for part in choice for literal in part]


def _any(cases: _Cases, facts: StateFacts) -> Iterator[list[Literal]]:
    ordered = sorted(cases, key=lambda c: is_met(c[0], facts, c[2]) != c[1])
    for goal, wanted, bound in ordered:
        yield from _ways(goal, wanted, bound, facts)
