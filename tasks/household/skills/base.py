"""Skills: what programs can call. Each checks its preconditions, moves, and says what came of it.

A skill works on a copy of the state that is kept only when it succeeds. It raises
SkillFailureError with one of CODES and a message that says what would help, but never where
something is that has not been seen.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

from ..home import Home, Piece
from ..motion import Motion
from ..names import find_piece, find_thing
from ..result import SkillFailureError, Value
from ..senses import is_open_to_view, things_in_view
from ..state import ROBOT, State

CODES: dict[str, str] = {
    "UNKNOWN_SKILL": "no skill has this name",
    "BAD_ARGUMENT": "wrong number or type of arguments",
    "UNKNOWN_NAME": "nothing in this home has this name",
    "AMBIGUOUS": "several things fit the description",
    "NOT_IN_SIGHT": "the thing cannot be seen from here",
    "NOT_NEAR": "the robot must go there first",
    "OUT_OF_REACH": "the arm does not get there from this stand",
    "NO_WAY": "no free way leads there",
    "BLOCKED": "the robot itself is in the way",
    "HAND_FULL": "the gripper already holds something",
    "HAND_EMPTY": "the gripper holds nothing",
    "CLOSED": "it must be opened first",
    "LOCKED": "it must be unlocked first",
    "ALREADY": "it is so already",
    "NOT_POSSIBLE": "this cannot be done with that thing",
    "NO_SPACE": "it does not fit",
    "NEEDS": "something else must be done or held first",
    "SLIPPED": "the fingers did not get hold of it (physical fidelity, as the next three)",
    "DROPPED": "it slipped out of the hand on the way",
    "MISPLACED": "it did not come to rest where it was put",
    "STUCK": "a motion was stopped by contact",
    "NOT_DONE": "the goal does not hold yet (where `done` is verified)",
    "FINISHED": "the episode is over",
}
"""Kinds of failure."""
LONGEST_WAIT = 600.0
"""[s]."""


@dataclass
class Acting:
    """What a skill works with: the home, a state of its own, and how the robot moves."""

    home: Home
    state: State
    motion: Motion
    answers: dict[str, str] = field(default_factory=dict)
    """Word in a question -> what the person says to it."""


@dataclass(frozen=True)
class Done:
    """A skill has succeeded."""

    message: str
    seconds: float
    value: Value = None


SKILLS: dict[str, Callable[..., Done]] = {}


def skill(function: Callable[..., Done]) -> Callable[..., Done]:
    """Decorator: programs can call it by the function's name, without the first argument."""
    SKILLS[function.__name__] = function
    return function


def signature(name: str) -> str:
    """How a skill is called, as `pick(thing)`, and what it does."""
    function = SKILLS[name]
    parameters = list(inspect.signature(function).parameters.values())[1:]
    shown = ", ".join(
        p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters
    )
    return f"{name}({shown}): {' '.join((function.__doc__ or '').split())}"


def piece_named(a: Acting, word: object) -> Piece:
    """The piece that is meant."""
    return a.home.by_name[find_piece(a.home, word, a.state.at)]


def piece_here(a: Acting, word: object) -> Piece:
    """The piece that is meant, where the robot must be."""
    piece = piece_named(a, word)
    if a.state.at != piece.name:
        raise SkillFailureError(
            "NOT_NEAR", f"the robot is not at {piece.name}; go_to({piece.name!r}) first"
        )
    return piece


def within_reach(a: Acting) -> list[str]:
    """Things in view at the piece where the robot stands, and in its hand."""
    return [t for t in things_in_view(a.state, a.home) if a.state.root(t) in (a.state.at, ROBOT)]


def thing_here(a: Acting, word: object) -> str:
    """A thing that the robot can get at here."""
    near = within_reach(a)
    name = find_thing(a.state, word, near)
    if not is_open_to_view(a.state, a.home, name):
        raise SkillFailureError("NOT_IN_SIGHT", f"{name} is not in sight here")
    if name not in near:
        raise SkillFailureError("NOT_NEAR", f"{name} is not at hand here; go where it is first")
    return name


def held_thing(a: Acting) -> str:
    """What is held, which must be something."""
    if not a.state.held:
        raise SkillFailureError("HAND_EMPTY", "the gripper holds nothing; pick something first")
    return a.state.held


def need_free_hand(a: Acting, what: str) -> None:
    """Fail when something is held."""
    if a.state.held:
        raise SkillFailureError("HAND_FULL", f"cannot {what} while holding {a.state.held}")


def running_water(a: Acting) -> Piece:
    """The sink here, whose water must run."""
    piece = a.home.by_name.get(a.state.at)
    if piece is None or piece.kind.effect != "water":
        raise SkillFailureError("NOT_NEAR", "there is no tap here; go to a sink first")
    if not a.state.running[piece.name]:
        raise SkillFailureError("NEEDS", f"no water runs; turn_on({piece.name!r}) first")
    return piece
