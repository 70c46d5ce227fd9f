"""Unmet: in words, what of a goal does not hold; the task-level feedback of a household."""

from __future__ import annotations

from .goals import COMPARISONS, Atom, Combined, Facts, Goal, Quantified, is_met
from .state import State

MOST = 3
"""Parts that are told at a time."""
_WORDS = {
    "on": "{0} is not on {1}", "in": "{0} is not in {1}", "at": "the robot is not at {0}",
    "together": "{0} is not with {1}", "holding": "{0} is not held", "hand_empty":
    "the hand is not empty", "robot_in": "the robot is not in {0}", "in_room":
    "{0} is not in the {1}", "switched_on": "{0} is not on", "switched_off": "{0} is not off",
    "filled_with": "{0} is not filled with {1}", "color": "{0} is not {1}",
    "same_color": "{0} and {1} are not of one color", "same_place": "{0} is not where {1} is",
    "answered": "that is not the answer",
}  # fmt: skip
"""Predicate -> what is said where it does not hold; else `{0} is not PREDICATE`."""


def unmet(goal: Goal, facts: Facts, state: State) -> list[str]:
    """Sentences on the first parts that do not hold, `MOST` at most; none when the goal holds.

    Things are named with their colours: `mug_1 (red) is not in cabinet_2`.
    """
    return list(dict.fromkeys(_unmet(goal, facts, state, {})))[:MOST]


def _unmet(goal: Goal, facts: Facts, state: State, bound: dict[str, str]) -> list[str]:
    if is_met(goal, facts, bound):
        return []
    if isinstance(goal, Atom):
        return [_said(goal, state, bound, holds=False)]
    if isinstance(goal, Combined):
        if goal.how == "not":
            return _too_much(goal.parts[0], state, bound)
        parts = goal.parts[1:] if goal.how == "imply" else goal.parts
        told = [_unmet(part, facts, state, bound) for part in parts]
        if goal.how == "or":  # any of them would do
            return [" or ".join(one[0] for one in told if one)]
        return [sentence for one in told for sentence in one]
    assert isinstance(goal, Quantified)
    members = facts.members(goal.domain)
    each = [(m, bound | {goal.variable: m}) for m in members]
    if goal.how == "forall":
        return [s for _, b in each for s in _unmet(goal.body, facts, state, b)]
    count = sum(is_met(goal.body, facts, b) for _, b in each)
    wanted = f"{goal.comparison} {goal.number}" if goal.how == "count" else ">= 1"
    few = goal.how == "exists" or (
        goal.comparison != "<=" and not COMPARISONS[">="](count, goal.number)
    )
    body = goal.body if isinstance(goal.body, Atom) else None
    what = f"{goal.domain} {_about(body, goal.variable, state, bound)}" if body else goal.domain
    return [f"too {'few' if few else 'many'} of: {what} ({count}, expected {wanted})"]


def _too_much(goal: Goal, state: State, bound: dict[str, str]) -> list[str]:
    """What holds, and should not."""
    if isinstance(goal, Atom):
        return [_said(goal, state, bound, holds=True)]
    return ["something holds that should not"]


def _said(goal: Atom, state: State, bound: dict[str, str], holds: bool) -> str:
    names = [_named(bound.get(a, a), state) for a in goal.args]
    words = _WORDS.get(goal.predicate, f"{{0}} is not {goal.predicate}").format(*names)
    return words.replace(" not ", " ", 1) if holds else words


def _about(goal: Atom, variable: str, state: State, bound: dict[str, str]) -> str:
    """An atom without its subject: `in bowl_1`."""
    others = [_named(bound.get(a, a), state) for a in goal.args if a != variable]
    return " ".join((goal.predicate.replace("_", " "), *others))


def _named(name: str, state: State) -> str:
    color = state.color.get(name)
    return f"{name} ({color})" if color else name
