"""Going, looking, and moving things: go_to, look, check, pick, place_on, place_in."""

from __future__ import annotations

from ..geometry import grip_point, reaches, spare_of, spot_in_thing, spots_on_piece, stack_height
from ..names import find_piece, find_thing, said
from ..objects import KINDS
from ..planner import free_center, planner_of
from ..result import SkillFailureError
from ..senses import holds, is_open_to_view, room_of, things_at, things_in_view
from ..state import ROBOT, kind
from .base import (
    Acting,
    Done,
    held_thing,
    need_free_hand,
    piece_here,
    piece_named,
    skill,
    thing_here,
)

LOOK_SECONDS, THINK_SECONDS = 2.0, 0.2
"""Of turning the head, and of one look at something [s]."""


@skill
def go_to(a: Acting, place: str) -> Done:
    """Drive to a piece of furniture or to a room (things are not places)."""
    name = said(place)
    rooms = a.home.rooms
    if name in rooms:
        x, y = free_center(planner_of(a.home), name)
        seconds = a.motion.drive(a.state, (x, y, a.state.base[2]))
        a.state.at = ""
        return Done(f"in the {name.replace('_', ' ')}", seconds)
    if name in a.state.place or name in KINDS:
        raise SkillFailureError(
            "NOT_POSSIBLE", f"{name} is a thing; go_to takes furniture or a room", 0.0
        )
    piece = piece_named(a, place)
    seconds = a.motion.drive(a.state, piece.stand)
    a.state.at = piece.name
    return Done(f"at {piece.name} in the {piece.room.replace('_', ' ')}", seconds)


@skill
def look(a: Acting, place: str | None = None) -> Done:
    """Names of the things in sight: at a piece of furniture in this room, or in the whole room."""
    if place is None:
        seen = [t for t in things_in_view(a.state, a.home) if a.state.root(t) != ROBOT]
        where = f"the {room_of(a.state, a.home).replace('_', ' ')}"
    else:
        piece = piece_named(a, place)
        if piece.room != room_of(a.state, a.home):
            raise SkillFailureError("NOT_IN_SIGHT", f"{piece.name} is not in this room")
        seen, where = things_at(a.state, a.home, piece.name), piece.name
    shown = ", ".join(seen) if seen else "nothing"
    return Done(f"in sight at {where}: {shown}", LOOK_SECONDS, seen)


@skill
def where(a: Acting, thing: str) -> Done:
    """The piece of furniture on or in which a thing in sight is; "robot" when it is held."""
    found = find_thing(a.state, thing, things_in_view(a.state, a.home))
    if not is_open_to_view(a.state, a.home, found):
        raise SkillFailureError("NOT_IN_SIGHT", f"{found} is not in sight here")
    root = a.state.root(found)
    return Done(f"{found} is at {root}", THINK_SECONDS, root)


@skill
def check(a: Acting, name: str, state: str) -> Done:
    """Whether a thing or piece in sight is dirty, hot, open, on, filled, locked, red, a mug, ..."""
    word = said(state)
    key = said(name)
    if key in a.home.by_name or a.home.of_kind(key):
        found = find_piece(a.home, name, a.state.at)
        if a.home.by_name[found].room != room_of(a.state, a.home):
            raise SkillFailureError("NOT_IN_SIGHT", f"{found} is not in this room")
    else:
        found = find_thing(a.state, name, things_in_view(a.state, a.home))
        if not is_open_to_view(a.state, a.home, found):
            raise SkillFailureError("NOT_IN_SIGHT", f"{found} is not in sight here")
    value = holds(a.state, found, word)
    if value is None:
        raise SkillFailureError("BAD_ARGUMENT", f"{word!r} is no state, colour or kind", 0.0)
    return Done(f"{found} is {'' if value else 'not '}{word}", THINK_SECONDS, value)


@skill
def pick(a: Acting, thing: str) -> Done:
    """Take a thing at this place into the free gripper, with what is on or in it."""
    need_free_hand(a, "pick")
    name = thing_here(a, thing)
    relation, parent = a.state.place[name]
    seconds = a.motion.grasp(a.state, name)
    return Done(f"took {name} ({relation} {parent})", seconds)


@skill
def place_on(a: Acting, target: str) -> Done:
    """Put what is held on this piece, or on a thing here such as a plate."""
    return _put(a, target, "on")


@skill
def place_in(a: Acting, target: str) -> Done:
    """Put what is held into this piece (open), or into a thing here such as a bowl or a basket."""
    return _put(a, target, "in")


def _put(a: Acting, target: str, relation: str) -> Done:
    held = held_thing(a)
    key = said(target)
    if key in a.home.by_name or a.home.of_kind(key):
        piece = piece_here(a, target)
        parent = piece.name
        has = piece.kind.surface if relation == "on" else piece.kind.cavity
        if has is None:
            other = "place_in" if relation == "on" else "place_on"
            raise SkillFailureError(
                "NOT_POSSIBLE", f"nothing can be put {relation} {parent}; try {other}"
            )
        if relation == "in" and piece.kind.openable and not a.state.opened[parent]:
            raise SkillFailureError("CLOSED", f"{parent} is closed; open({parent!r}) first")
        spots = spots_on_piece(a.state, piece, relation, held)
        if relation == "in" and piece.kind.cavity is not None:
            floor, ceiling = piece.kind.cavity
            if piece.kind.openable and floor + stack_height(a.state, held) > ceiling:
                raise SkillFailureError("NO_SPACE", f"{held} is too tall for {parent}")
        if not spots:
            raise SkillFailureError("NO_SPACE", f"there is no room for {held} {relation} {parent}")
        spot = _reachable(a, held, relation, parent, spots)
    else:
        parent = thing_here(a, target)
        if parent == held or a.state.root(parent) == ROBOT:
            raise SkillFailureError("NOT_POSSIBLE", f"{held} cannot be put {relation} itself")
        if kind(parent).relation != relation:
            raise SkillFailureError("NOT_POSSIBLE", f"nothing can be put {relation} {parent}")
        found = spot_in_thing(a.state, parent, held)
        if found is None or a.state.on_or_in(held):
            raise SkillFailureError("NO_SPACE", f"{held} does not fit {relation} {parent}")
        spot = found
    seconds = a.motion.release(a.state, relation, parent, spot)
    return Done(f"{held} is {relation} {parent}", seconds)


def _reachable(
    a: Acting, held: str, relation: str, parent: str, spots: list
) -> tuple[float, float, float]:
    """The first spot that the arm gets to (else the first one, which then fails)."""
    before = a.state.place[held], a.state.spot[held]
    try:
        for spare in (spare_of(held), 0.0):
            for spot in spots:
                a.state.place[held], a.state.spot[held] = (relation, parent), spot
                if reaches(a.state.base, grip_point(a.home, a.state, held), spare):
                    return spot
    finally:
        a.state.place[held], a.state.spot[held] = before
    return spots[0]
