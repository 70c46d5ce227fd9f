"""Rules: what happens by itself while time passes: things heat, cook, cool and are washed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .furniture import FurnitureKind
from .home import Home
from .state import COOKED_AFTER, COOKING, ROOM_TEMPERATURE, State


@dataclass(frozen=True)
class Climate:
    """What temperature a thing tends to, and how fast: T' = (goal - T) / time_constant."""

    goal: float
    """[degree Celsius]."""
    time_constant: float
    """[s]."""


ROOM = Climate(ROOM_TEMPERATURE, 3600.0)
FRIDGE = Climate(4.0, 150.0)
HEATERS = {
    "microwave": Climate(100.0, 25.0), "oven": Climate(180.0, 90.0), "stove": Climate(150.0, 45.0),
}  # fmt: skip
WASH_SECONDS = 60.0
"""A washing programme [s]."""
HEATED, CHILLED = 75.0, 6.0
"""Temperatures up to which `heat` and `cool` wait."""
COFFEE_TEMPERATURE = 80.0


def works(kind: FurnitureKind, name: str, state: State) -> bool:
    """Whether a piece does to its contents what it is for: running, and closed if it opens."""
    runs = kind.always_runs or state.running.get(name, False)
    return bool(kind.effect) and runs and not state.opened.get(name, False)


def climate(state: State, home: Home, thing: str) -> Climate:
    """Where a thing is, as far as its temperature is concerned."""
    root = state.root(thing)
    piece = home.by_name.get(root)
    if piece is None or not works(piece.kind, root, state):
        return ROOM
    inside = next(relation for relation, parent in state.parents(thing) if parent == root) == "in"
    if inside != (piece.kind.cavity is not None):
        return ROOM  # on top of an oven
    if piece.kind.effect == "heat":
        return HEATERS[piece.kind.name]
    return FRIDGE if piece.kind.effect == "cool" else ROOM


def advance(state: State, home: Home, seconds: float) -> None:
    """Let time pass, in place; exact for any step, as nothing else changes meanwhile."""
    if seconds <= 0:
        return
    state.time += seconds
    for thing, before in state.temperature.items():
        around = climate(state, home, thing)
        if before == around.goal:
            continue
        gap = before - around.goal
        now = around.goal + gap * math.exp(-seconds / around.time_constant)
        state.temperature[thing] = now
        if thing in state.cooking:
            state.cooking[thing] += _time_above(COOKING, before, now, around, seconds)
    for thing in state.washing:
        if _is_washed(state, home, thing):
            state.washing[thing] += seconds
            if state.washing[thing] >= WASH_SECONDS:
                state.dirty[thing] = False
        else:
            state.washing[thing] = 0.0


def _is_washed(state: State, home: Home, thing: str) -> bool:
    root = state.root(thing)
    piece = home.by_name.get(root)
    if piece is None or piece.kind.effect != "wash" or not works(piece.kind, root, state):
        return False
    return next(relation for relation, parent in state.parents(thing) if parent == root) == "in"


def _time_above(level: float, before: float, now: float, around: Climate, seconds: float) -> float:
    """How much of a step a temperature spent above `level` [s]."""
    if before >= level and now >= level:
        return seconds
    if before < level and now < level:
        return 0.0
    crossing = seconds_until(level, before, around)
    return seconds - crossing if now >= level else crossing


def seconds_until(level: float, temperature: float, around: Climate) -> float:
    """Time until `level` is passed; inf where it never is [s]."""
    start, end = temperature - around.goal, level - around.goal
    if start == 0 or end / start <= 0:
        return math.inf
    return max(0.0, around.time_constant * math.log(start / end))


def seconds_to_cook(state: State, home: Home, thing: str) -> float:
    """Time until a thing is cooked where it is; inf where it never will be [s]."""
    missing = COOKED_AFTER - state.cooking[thing]
    if missing <= 0:
        return 0.0
    around = climate(state, home, thing)
    if around.goal <= COOKING:
        return math.inf
    warm = state.temperature[thing]
    return missing + (seconds_until(COOKING, warm, around) if warm < COOKING else 0.0)
