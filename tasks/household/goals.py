"""Goals: BDDL-like conditions on a home, as data: parsed from and printed to s-expressions.

(and (exists ?f sink (in mug_1 ?f)) (forall ?x dish (clean ?x)) (count = 2 ?x apple (in ?x bowl_1)))
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from octoworld.core.errors import ConfigError, UnknownNameError

PREDICATES: dict[str, int] = {
    "on": 2, "in": 2, "at": 1, "together": 2, "holding": 1, "hand_empty": 0, "robot_in": 1,
    "in_room": 2, "open": 1, "closed": 1, "switched_on": 1, "switched_off": 1, "locked": 1,
    "unlocked": 1, "hot": 1, "cold": 1, "cooked": 1, "raw": 1, "dirty": 1, "clean": 1, "sliced": 1,
    "whole": 1, "filled": 1, "filled_with": 2, "empty": 1, "color": 2, "same_color": 2,
    "same_place": 2, "answered": 1,
}  # fmt: skip
"""Atoms by name, with their number of arguments."""
COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "=": operator.eq, ">=": operator.ge, "<=": operator.le,
}  # fmt: skip


class Facts(Protocol):
    """Who answers for one state of a home."""

    def holds(self, predicate: str, args: tuple[str, ...]) -> bool:
        """Whether an atom of PREDICATES is true."""
        ...

    def members(self, domain: str) -> list[str]:
        """Things and pieces that a quantifier runs over: a kind, a group, `thing`, `openable`..."""
        ...


@dataclass(frozen=True)
class Atom:
    """A predicate of names or variables (`?x`)."""

    predicate: str
    args: tuple[str, ...]


@dataclass(frozen=True)
class Combined:
    """`and`, `or`, `not` (one part), `imply` (two)."""

    how: str
    parts: tuple[Goal, ...]


@dataclass(frozen=True)
class Quantified:
    """`forall`, `exists`, or `count` with a comparison and a number."""

    how: str
    variable: str
    domain: str
    body: Goal
    comparison: str = ""
    number: int = 0


Goal = Atom | Combined | Quantified


def is_met(goal: Goal, facts: Facts, bound: dict[str, str] | None = None) -> bool:
    """Whether a goal is true; `bound` gives the variables' names."""
    bound = bound or {}
    if isinstance(goal, Atom):
        return facts.holds(goal.predicate, tuple(bound.get(a, a) for a in goal.args))
    if isinstance(goal, Combined):
        if goal.how == "and":
            return all(is_met(p, facts, bound) for p in goal.parts)
        if goal.how == "or":
            return any(is_met(p, facts, bound) for p in goal.parts)
        if goal.how == "not":
            return not is_met(goal.parts[0], facts, bound)
        return not is_met(goal.parts[0], facts, bound) or is_met(goal.parts[1], facts, bound)
    each = (
        is_met(goal.body, facts, bound | {goal.variable: m}) for m in facts.members(goal.domain)
    )
    if goal.how == "forall":
        return all(each)
    if goal.how == "exists":
        return any(each)
    return COMPARISONS[goal.comparison](sum(each), goal.number)


def fraction(goal: Goal, facts: Facts) -> float:
    """Share of the top conjunction's parts that are true, in [0, 1]."""
    parts = goal.parts if isinstance(goal, Combined) and goal.how == "and" else (goal,)
    return sum(is_met(p, facts) for p in parts) / len(parts)


def text(goal: Goal) -> str:
    """The goal as an s-expression, which `parse` reads back."""
    if isinstance(goal, Atom):
        return f"({' '.join((goal.predicate, *goal.args))})"
    if isinstance(goal, Combined):
        return f"({goal.how} {' '.join(text(p) for p in goal.parts)})"
    count = f"{goal.comparison} {goal.number} " if goal.how == "count" else ""
    return f"({goal.how} {count}{goal.variable} {goal.domain} {text(goal.body)})"


def parse(source: str) -> Goal:
    """The goal that an s-expression stands for.

    Raises:
        ConfigError: the text is no goal; the message says where it is wrong.
        UnknownNameError: no such predicate.
    """
    tokens = source.replace("(", " ( ").replace(")", " ) ").split()
    tree, rest = _tree(tokens, source)
    if rest:
        raise ConfigError(f"goal {source!r}: text after the end: {' '.join(rest)[:40]!r}")
    return _goal(tree, source)


def _tree(tokens: list[str], source: str) -> tuple[list, list[str]]:
    if not tokens or tokens[0] != "(":
        raise ConfigError(f"goal {source!r}: expected '(' at {' '.join(tokens)[:30]!r}")
    items, tokens = [], tokens[1:]
    while tokens and tokens[0] != ")":
        if tokens[0] == "(":
            item, tokens = _tree(tokens, source)
        else:
            item, tokens = tokens[0], tokens[1:]
        items.append(item)
    if not tokens:
        raise ConfigError(f"goal {source!r}: a ')' is missing")
    return items, tokens[1:]


def _goal(tree: list, source: str) -> Goal:
    def wrong(expected: str) -> ConfigError:
        return ConfigError(f"goal {source!r}: in {tree!r}: expected {expected}")

    if not tree or not isinstance(tree[0], str):
        raise wrong("(word ...)")
    head, rest = tree[0], tree[1:]
    if head in ("and", "or", "not", "imply"):
        sizes = {"not": (1, 1), "imply": (2, 2)}.get(head, (1, 10_000))
        if not sizes[0] <= len(rest) <= sizes[1] or not all(isinstance(r, list) for r in rest):
            raise wrong(f"({head} goal ...)")
        return Combined(head, tuple(_goal(r, source) for r in rest))
    if head in ("forall", "exists", "count"):
        comparison, number = "", 0
        if head == "count":
            if len(rest) != 5 or rest[0] not in COMPARISONS or not str(rest[1]).isdigit():
                raise wrong("(count =|>=|<= number ?x domain goal)")
            comparison, number, rest = rest[0], int(rest[1]), rest[2:]
        if len(rest) != 3 or not str(rest[0]).startswith("?") or not isinstance(rest[2], list):
            raise wrong(f"({head} ?x domain goal)")
        return Quantified(head, rest[0], rest[1], _goal(rest[2], source), comparison, number)
    if head not in PREDICATES:
        raise UnknownNameError("predicate", head, PREDICATES)
    if len(rest) != PREDICATES[head] or not all(isinstance(r, str) for r in rest):
        raise wrong(f"{PREDICATES[head]} names after {head}")
    return Atom(head, tuple(rest))
