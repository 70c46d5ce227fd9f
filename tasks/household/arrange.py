"""Furnishing: pieces along the walls and in the middle of rooms, with room to use each of them."""

from __future__ import annotations

import math

import numpy as np

from .furniture import FURNITURE, FurnitureKind, Rect
from .home import Piece
from .rooms import WALL, Plan, Room

BELONGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "kitchen": (
        ("fridge", "sink", "stove", "oven", "dishwasher", "counter", "microwave", "cabinet",
         "drawer", "coffee_machine", "bin"),
        ("counter", "cabinet"),
    ),
    "living_room": (("sofa", "tv", "coffee_table", "bookshelf", "lamp"), ("armchair", "fan")),
    "bedroom": (("bed", "wardrobe", "nightstand", "dresser"), ("lamp",)),
    "bathroom": (("washbasin", "washing_machine", "hamper"), ("cabinet",)),
    "study": (("desk", "safe"), ("bookshelf", "lamp", "armchair")),
    "dining_room": ((), ("armchair", "cabinet")),
    "hall": ((), ()),
}  # fmt: skip
"""Room -> what stands in it, and what may."""
FRONT_WIDTH = 0.66
"""Least width of the floor that stays free before a piece [m]."""
BEHIND_ROBOT = 0.32
"""Depth that stays free from the middle of the standing robot backwards [m]."""
DOOR_CLEAR = 0.75
"""Floor that stays free on either side of a doorway [m]."""
GAP = 0.02
"""Between pieces [m]."""
TRIES = 160
"""Places drawn for one piece."""


def furnish(plan: Plan, rng: np.random.Generator) -> tuple[Piece, ...] | None:
    """Pieces in all rooms, or None where one that belongs finds no place."""
    counts: dict[str, int] = {}
    pieces: list[Piece] = []
    has_fan = False
    for room in plan.rooms:
        needed, optional = BELONGS[room.name]
        wished = list(needed)
        if room.name == ("dining_room" if _has(plan, "dining_room") else "kitchen"):
            wished.append("table")
        wished += [k for k in optional if rng.random() < 0.5]
        if room.name == "study" and not has_fan:
            wished.append("fan")
        taken: list[tuple[Rect, Rect]] = []
        central = [k for k in wished if FURNITURE[k].central]
        rest = [k for k in wished if not FURNITURE[k].central]
        order = central + sorted(rest, key=lambda k: -FURNITURE[k].size[0])
        for kind_name in order:
            kind = FURNITURE[kind_name]
            piece = _place(kind, room, plan, taken, rng)
            if piece is None:
                if kind_name in optional and kind_name not in needed:
                    continue
                return None
            counts[kind_name] = counts.get(kind_name, 0) + 1
            piece = Piece(
                f"{kind_name}_{counts[kind_name]}", kind, room.name, piece.x, piece.y, piece.yaw
            )
            has_fan = has_fan or kind_name == "fan"
            pieces.append(piece)
    return tuple(pieces)


def _has(plan: Plan, room: str) -> bool:
    return any(r.name == room for r in plan.rooms)


def _front(piece: Piece) -> Rect:
    """The floor before a piece that its use needs."""
    width, depth, _ = piece.kind.size
    half = max(min(width, 1.0), FRONT_WIDTH) / 2
    return piece.rect((-half, -depth / 2 - piece.kind.standoff - BEHIND_ROBOT, half, -depth / 2))


def _place(
    kind: FurnitureKind,
    room: Room,
    plan: Plan,
    taken: list[tuple[Rect, Rect]],
    rng: np.random.Generator,
) -> Piece | None:
    """A free place, drawn evenly; adds it to `taken` (footprint, front)."""
    inner = _shrunk(room.rect, WALL / 2)
    doors = [d.clear(DOOR_CLEAR) for d in plan.doorways if room.name in d.rooms]
    for _ in range(TRIES):
        piece = _drawn(kind, room.name, inner, rng)
        if piece is None:
            continue
        body, front = piece.footprint, _front(piece)
        if not (_within(body, inner) and _within(front, inner)):
            continue
        if any(_overlap(body, d) for d in doors):
            continue
        grown = _shrunk(body, -GAP)
        if any(_overlap(grown, b) or _overlap(body, f) or _overlap(front, b) for b, f in taken):
            continue
        taken.append((body, front))
        return piece
    return None


def _drawn(kind: FurnitureKind, room: str, inner: Rect, rng: np.random.Generator) -> Piece | None:
    x0, y0, x1, y1 = inner
    turns = int(rng.integers(4))
    width, depth, _ = kind.size
    yaw = turns * math.pi / 2
    if kind.central:
        middle = 0.25
        x = (x0 + x1) / 2 + float(rng.uniform(-middle, middle)) * (x1 - x0 - depth)
        y = (y0 + y1) / 2 + float(rng.uniform(-middle, middle)) * (y1 - y0 - depth)
        return Piece("", kind, room, round(x, 2), round(y, 2), yaw)
    # back to the wall: at yaw 0 the back is towards +y
    along = (x0, x1) if turns % 2 == 0 else (y0, y1)
    span = along[1] - along[0] - width
    if span < 0:
        return None
    at = round(along[0] + width / 2 + float(rng.uniform()) * span, 2)
    back = depth / 2 + 0.01
    x, y = {
        0: (at, y1 - back), 1: (x0 + back, at), 2: (at, y0 + back), 3: (x1 - back, at),
    }[turns]  # fmt: skip
    return Piece("", kind, room, x, y, yaw)


def _shrunk(rect: Rect, by: float) -> Rect:
    return (rect[0] + by, rect[1] + by, rect[2] - by, rect[3] - by)


def _within(inner: Rect, outer: Rect) -> bool:
    return (
        inner[0] >= outer[0] - 1e-9 and inner[1] >= outer[1] - 1e-9
        and inner[2] <= outer[2] + 1e-9 and inner[3] <= outer[3] + 1e-9
    )  # fmt: skip


def _overlap(a: Rect, b: Rect) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
