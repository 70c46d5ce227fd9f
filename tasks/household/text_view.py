"""Text view: what is in sight, as a scene graph in words, for agents without eyes."""

from __future__ import annotations

from .home import Home
from .senses import OPPOSITES, room_of, things_in_view
from .state import FLOOR, ROBOT, State, flags

_NEGATIVE = {positive: negative for negative, positive in OPPOSITES.items()}
_SILENT = ("hot", "cold", "cooked", "sliced", "filled", "dirty", "locked")
"""States that are said only when they hold."""


def scene_graph(state: State, home: Home) -> str:
    """Lines: the rooms, the furniture of this room with its states, the things in sight on it.

    in: kitchen. doorways to: living_room, bedroom
    fridge_1 (closed)
    table_1: mug_1 (red, dirty) on it
    """
    room = room_of(state, home)
    doors = sorted({r for d in home.doorways if room in d.rooms for r in d.rooms} - {room})
    lines = [
        f"rooms: {', '.join(home.rooms)}",
        f"in: {room}. doorways to: {', '.join(doors)}",
    ]
    seen = things_in_view(state, home)
    for piece in home.pieces:
        if piece.room != room:
            continue
        words = _states(state, piece.name)
        carried = [
            f"{thing}{_states(state, thing)} {_where(state, thing, piece.name)}"
            for thing in seen
            if state.root(thing) == piece.name
        ]
        lines.append(f"{piece.name}{words}" + (": " + ", ".join(carried) if carried else ""))
    fallen = [f"{t}{_states(state, t)}" for t in seen if state.root(t) == FLOOR]
    if fallen:
        lines.append(f"on the floor: {', '.join(fallen)}")
    return "\n".join([*lines, inventory(state)])


def rooms_told(home: Home) -> str:
    """What stands in which room: `rooms: kitchen (sink_1, stove_1); bedroom (bed_1)`."""
    parts = [
        f"{room} ({', '.join(p.name for p in home.pieces if p.room == room)})"
        for room in home.rooms
    ]
    return f"rooms: {'; '.join(parts)}"


def inventory(state: State) -> str:
    """What the robot knows of itself: what it holds, where it is."""
    held = [t for t in state.place if state.root(t) == ROBOT]
    words = ", ".join(f"{t}{_states(state, t)}" for t in held) or "nothing"
    return f"held: {words}\nat: {state.at or 'no furniture'}"


def _where(state: State, thing: str, piece: str) -> str:
    relation, parent = state.place[thing]
    return f"{relation} {'it' if parent == piece else parent}"


def _states(state: State, name: str) -> str:
    words = [state.color[name]] if name in state.color else []
    for flag, value in flags(state, name).items():
        if value:
            words.append(flag if flag != "filled" else f"filled with {state.liquid[name]}")
        elif flag not in _SILENT:
            words.append(_NEGATIVE.get(flag, f"not {flag}"))
    return f" ({', '.join(words)})" if words else ""
