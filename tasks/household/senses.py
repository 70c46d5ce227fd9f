"""Senses: what the robot sees from where it is. Nothing here tells what is hidden."""

from __future__ import annotations

from ..language import COLOR_NAMES
from .home import Home
from .objects import KINDS, kind_of
from .state import FLOOR, ROBOT, State, flags

SEEN_STATES = (
    "open", "closed", "on", "off", "locked", "unlocked", "dirty", "clean", "hot", "cold", "cooked",
    "raw", "sliced", "whole", "filled", "empty",
)  # fmt: skip
"""What `check` can be asked for, beside colours and kinds."""
OPPOSITES = {
    "closed": "open", "off": "on", "unlocked": "locked", "clean": "dirty", "raw": "cooked",
    "whole": "sliced", "empty": "filled",
}  # fmt: skip
"""State -> the one whose absence it is."""


def room_of(state: State, home: Home) -> str:
    """The room that the robot is in."""
    return home.room_at(*state.base[:2])


def is_open_to_view(state: State, home: Home, thing: str) -> bool:
    """Whether a thing is in the robot's room or hand and behind no closed door.

    What is inside a piece that opens is seen only by a robot that stands before it.
    """
    below = thing
    for relation, parent in state.parents(thing):
        if parent == ROBOT:
            return True
        if parent == FLOOR:
            return home.room_at(*state.spot[below][:2]) == room_of(state, home)
        piece = home.by_name.get(parent)
        if piece is not None:
            if relation == "in" and piece.kind.openable:
                return state.opened[parent] and state.at == parent
            return piece.room == room_of(state, home)
        below = parent
    return False


def things_in_view(state: State, home: Home) -> list[str]:
    """Names of all things in view, in a fixed order."""
    return [t for t in state.place if is_open_to_view(state, home, t)]


def things_at(state: State, home: Home, piece: str) -> list[str]:
    """Names of all things in view that stand on or in a piece, also those in bowls on it."""
    return [t for t in things_in_view(state, home) if state.root(t) == piece]


def holds(state: State, name: str, what: str) -> bool | None:
    """Whether a thing or piece is in a state, has a colour or is of a kind; None: no such word."""
    if what in SEEN_STATES:
        found = flags(state, name)
        positive = OPPOSITES.get(what, what)
        if positive not in found:
            return False
        return found[positive] == (positive == what)
    if what in KINDS:
        return kind_of(name) == what
    if any(what == kind.group for kind in KINDS.values()):
        return kind_of(name) in KINDS and KINDS[kind_of(name)].group == what
    if what in COLOR_NAMES:
        return state.color.get(name) == what
    return None
