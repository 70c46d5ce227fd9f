"""States of things: heat, cook, cool, wash, slice, fill, pour, brew."""

from __future__ import annotations

from .. import rules
from ..geometry import grip_point, reaches
from ..home import Piece
from ..names import find_thing, said
from ..result import SkillFailureError
from ..state import ROBOT, flags, kind
from .base import (
    LONGEST_WAIT,
    Acting,
    Done,
    held_thing,
    piece_here,
    running_water,
    skill,
    thing_here,
    within_reach,
)

WASH_SECONDS, SLICE_SECONDS, POUR_SECONDS, FILL_SECONDS, BREW_SECONDS = 8.0, 8.0, 5.0, 5.0, 20.0
"""[s]."""


def _waiting(a: Acting, thing: str, effect: str, can: bool, verb: str) -> str:
    """The thing at the working appliance here that `heat`, `cook` and `cool` wait for."""
    name = _thing_or_inside(a, thing)
    if not can:
        raise SkillFailureError("NOT_POSSIBLE", f"{name} cannot be {verb}")
    root = a.state.root(name)
    piece = a.home.by_name.get(root)
    if piece is None or piece.kind.effect != effect:
        where = {"heat": "a microwave, an oven or a stove", "cool": "a fridge"}[effect]
        raise SkillFailureError("NEEDS", f"{name} must be in or on {where} to be {verb}")
    if piece.kind.openable and a.state.opened[root]:
        raise SkillFailureError("NEEDS", f"{root} is open; close({root!r}) first")
    if not rules.works(piece.kind, root, a.state):
        raise SkillFailureError("NEEDS", f"{root} is off; turn_on({root!r}) first")
    return name


def _thing_or_inside(a: Acting, word: str) -> str:
    """As `_thing`, and also what is in the closed appliance here."""
    inside = [t for t in a.state.place if a.state.root(t) == a.state.at]
    name = find_thing(a.state, word, [*within_reach(a), *(t for t in inside)])
    if name not in inside and a.state.root(name) != ROBOT:
        raise SkillFailureError("NOT_NEAR", f"{name} is not at hand here; go where it is first")
    return name


def _until(a: Acting, name: str, level: float, verb: str) -> Done:
    around = rules.climate(a.state, a.home, name)
    now = a.state.temperature[name]
    if (now >= level) if verb == "hot" else (now <= level):
        raise SkillFailureError("ALREADY", f"{name} is {verb} already")
    seconds = rules.seconds_until(level, now, around)
    if seconds > LONGEST_WAIT:
        raise SkillFailureError("NOT_POSSIBLE", f"{name} does not get {verb} there")
    return Done(f"{name} is {verb}", seconds)


@skill
def heat(a: Acting, thing: str) -> Done:
    """Wait until a thing in (or on) the closed, running heater here is hot."""
    name = _thing_or_inside(a, thing)
    name = _waiting(a, name, "heat", kind(name).heatable, "heated")
    return _until(a, name, rules.HEATED, "hot")


@skill
def cook(a: Acting, thing: str) -> Done:
    """Wait until food in (or on) the closed, running heater here is cooked."""
    name = _thing_or_inside(a, thing)
    name = _waiting(a, name, "heat", kind(name).cookable, "cooked")
    if flags(a.state, name)["cooked"]:
        raise SkillFailureError("ALREADY", f"{name} is cooked already")
    # a moment more, so that rounding does not leave it raw
    seconds = rules.seconds_to_cook(a.state, a.home, name) + 0.1
    return Done(f"{name} is cooked", seconds)


@skill
def cool(a: Acting, thing: str) -> Done:
    """Wait until a thing in the closed fridge here is cold."""
    name = _thing_or_inside(a, thing)
    name = _waiting(a, name, "cool", name in a.state.temperature, "cooled")
    return _until(a, name, rules.CHILLED, "cold")


@skill
def wash(a: Acting, thing: str) -> Done:
    """Wash a thing that is held at, or lies in, the sink here while its water runs.

    In a closed, running machine that washes: wait for the end of its programme.
    """
    machine = a.home.by_name.get(a.state.at)
    if machine is not None and machine.kind.effect == "wash":
        return _machine_wash(a, thing, machine)
    piece = running_water(a)
    name = thing_here(a, thing)
    if not kind(name).washable:
        raise SkillFailureError("NOT_POSSIBLE", f"{name} must not be washed")
    if a.state.place[name] not in (("held", ROBOT), ("in", piece.name)):
        raise SkillFailureError("NEEDS", f"{name} must be held or lie in {piece.name}")
    if not a.state.dirty[name]:
        raise SkillFailureError("ALREADY", f"{name} is clean already")
    a.state.dirty[name] = False
    return Done(f"{name} is clean", WASH_SECONDS)


def _machine_wash(a: Acting, thing: str, machine: Piece) -> Done:
    name = _thing_or_inside(a, thing)
    if a.state.root(name) != machine.name or not kind(name).washable:
        raise SkillFailureError("NEEDS", f"{name} must be in {machine.name} and be washable")
    if not rules.works(machine.kind, machine.name, a.state):
        raise SkillFailureError("NEEDS", f"{machine.name} must be closed and on")
    if not a.state.dirty[name]:
        raise SkillFailureError("ALREADY", f"{name} is clean already")
    return Done(f"{name} is clean", rules.WASH_SECONDS - a.state.washing[name] + 0.1)


@skill
def slice(a: Acting, thing: str) -> Done:
    """Cut a thing that stands on this piece, with a knife in the gripper."""
    if not a.state.held or kind(a.state.held).name != "knife":
        raise SkillFailureError("NEEDS", "slicing needs a knife in the gripper")
    name = thing_here(a, thing)
    if not kind(name).sliceable:
        raise SkillFailureError("NOT_POSSIBLE", f"{name} cannot be sliced")
    if a.state.sliced[name]:
        raise SkillFailureError("ALREADY", f"{name} is sliced already")
    if a.state.place[name][0] != "on":
        raise SkillFailureError("NEEDS", f"{name} must lie on something flat")
    if not reaches(a.state.base, grip_point(a.home, a.state, name)):
        raise SkillFailureError("OUT_OF_REACH", f"the arm does not reach {name} from here", 1.0)
    a.state.sliced[name] = True
    return Done(f"{name} is sliced", SLICE_SECONDS)


@skill
def fill(a: Acting) -> Done:
    """Fill the empty vessel that is held with the water that runs here."""
    piece = running_water(a)
    name = held_thing(a)
    if not kind(name).fillable:
        raise SkillFailureError("NOT_POSSIBLE", f"{name} holds no water")
    if a.state.liquid[name]:
        raise SkillFailureError("ALREADY", f"{name} is full of {a.state.liquid[name]}")
    a.state.liquid[name] = "water"
    return Done(f"{name} is full of water from {piece.name}", FILL_SECONDS)


@skill
def pour(a: Acting, target: str) -> Done:
    """Pour what is in the held vessel into an empty vessel here, or away into the sink here."""
    name = held_thing(a)
    if not a.state.liquid.get(name):
        raise SkillFailureError("NEEDS", f"there is nothing in {name} to pour")
    key = said(target)
    if key in a.home.by_name or a.home.of_kind(key):
        piece = piece_here(a, target)
        if piece.kind.effect != "water":
            raise SkillFailureError("NOT_POSSIBLE", f"nothing is poured into {piece.name}")
        a.state.liquid[name] = ""
        return Done(f"{name} is empty", POUR_SECONDS)
    into = thing_here(a, target)
    if into == name or not kind(into).fillable:
        raise SkillFailureError("NOT_POSSIBLE", f"nothing can be poured into {into}")
    if a.state.liquid[into]:
        raise SkillFailureError("ALREADY", f"{into} is full of {a.state.liquid[into]}")
    a.state.liquid[into], a.state.liquid[name] = a.state.liquid[name], ""
    return Done(f"{into} is full of {a.state.liquid[into]}", POUR_SECONDS)


@skill
def brew(a: Acting, vessel: str) -> Done:
    """Let the running coffee machine here fill the empty vessel that stands on it."""
    piece = a.home.by_name.get(a.state.at)
    if piece is None or piece.kind.effect != "brew":
        raise SkillFailureError("NOT_NEAR", "there is no coffee machine here; go to it first")
    name = thing_here(a, vessel)
    if a.state.place[name] != ("on", piece.name):
        raise SkillFailureError("NEEDS", f"{name} must stand on {piece.name}")
    if not a.state.running[piece.name]:
        raise SkillFailureError("NEEDS", f"{piece.name} is off; turn_on({piece.name!r}) first")
    if not kind(name).fillable:
        raise SkillFailureError("NOT_POSSIBLE", f"coffee does not go into {name}")
    if a.state.liquid[name]:
        raise SkillFailureError("ALREADY", f"{name} is full of {a.state.liquid[name]}")
    a.state.liquid[name] = "coffee"
    if name in a.state.temperature:
        a.state.temperature[name] = rules.COFFEE_TEMPERATURE
    return Done(f"{name} is full of coffee", BREW_SECONDS)
