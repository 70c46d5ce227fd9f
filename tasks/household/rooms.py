"""Rooms: the floor plan of a home, drawn from a seed: rows of rooms with doorways between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .furniture import Rect

WALL = 0.10
"""Thickness of walls [m]."""
DOORWAY = 1.10
"""Width of doorways [m]."""
NEEDED = {
    "kitchen": (4.6, 4.0), "living_room": (4.4, 4.0), "bedroom": (3.7, 3.5),
    "bathroom": (2.9, 3.0), "study": (3.3, 3.2), "dining_room": (3.2, 3.0), "hall": (2.4, 1.5),
}  # fmt: skip
"""Least width and depth of rooms [m]; the width is along their row."""


@dataclass(frozen=True)
class Room:
    """A rectangle between walls' centre lines."""

    name: str
    rect: Rect

    @property
    def center(self) -> tuple[float, float]:
        """Middle [m]."""
        x0, y0, x1, y1 = self.rect
        return ((x0 + x1) / 2, (y0 + y1) / 2)

    def contains(self, x: float, y: float) -> bool:
        """Whether a point lies in it."""
        x0, y0, x1, y1 = self.rect
        return x0 <= x < x1 and y0 <= y < y1


@dataclass(frozen=True)
class Doorway:
    """An opening of width DOORWAY in the wall between two rooms."""

    rooms: tuple[str, str]
    center: tuple[float, float]
    along_x: bool
    """Whether the wall it is in runs along x."""

    def clear(self, depth: float) -> Rect:
        """The floor before and behind it that must stay free, `depth` [m] to either side."""
        x, y = self.center
        half = DOORWAY / 2
        dx, dy = (half, depth) if self.along_x else (depth, half)
        return (x - dx, y - dy, x + dx, y + dy)


@dataclass(frozen=True)
class Plan:
    """Rooms and the doorways that join them all."""

    rooms: tuple[Room, ...]
    doorways: tuple[Doorway, ...]


def draw_plan(rng: np.random.Generator) -> Plan:
    """A floor plan of five to seven rooms, mirrored and turned at random."""
    first = ["kitchen", "living_room"]
    second = ["bedroom", "bathroom", "study"]
    if rng.random() < 0.5:
        first.append("dining_room")
    elif rng.random() < 0.5:  # the study changes rows
        second.remove("study")
        first.append("study")
    rows = [list(rng.permutation(first)), list(rng.permutation(second))]
    if rng.random() < 0.35:
        rows.insert(1, ["hall"])
    slack = rng.uniform(0.0, 0.6, len(rows))
    width = max(sum(NEEDED[n][0] for n in row) for row in rows) + rng.uniform(0.0, 0.8)
    rooms, y = [], 0.0
    for row, extra in zip(rows, slack, strict=True):
        depth = max(NEEDED[n][1] for n in row) + float(extra) * (row != ["hall"])
        need = np.array([NEEDED[n][0] for n in row])
        share = rng.dirichlet(np.full(len(row), 3.0))
        edges = np.concatenate([[0.0], np.cumsum(need + (width - need.sum()) * share)])
        for i, name in enumerate(row):
            rooms.append(Room(str(name), (float(edges[i]), y, float(edges[i + 1]), y + depth)))
        y += depth
    flip_x, flip_y, swap = rng.random(3) < 0.5
    rooms = [Room(r.name, _turned(r.rect, width, y, flip_x, flip_y, swap)) for r in rooms]
    rooms = [Room(r.name, tuple(round(v, 2) + 0.0 for v in r.rect)) for r in rooms]  # type: ignore[arg-type]
    return Plan(tuple(rooms), _doorways(rooms, rng))


def _turned(rect: Rect, width: float, depth: float, flip_x: bool, flip_y: bool, swap: bool) -> Rect:
    x0, y0, x1, y1 = rect
    if flip_x:
        x0, x1 = width - x1, width - x0
    if flip_y:
        y0, y1 = depth - y1, depth - y0
    return (y0, x0, y1, x1) if swap else (x0, y0, x1, y1)


def _doorways(rooms: list[Room], rng: np.random.Generator) -> tuple[Doorway, ...]:
    """A spanning tree of the walls wide enough, and a third of the others."""
    shared = [
        (a, b, wall)
        for i, a in enumerate(rooms)
        for b in rooms[i + 1 :]
        if (wall := _shared_wall(a.rect, b.rect)) is not None
    ]
    group = {room.name: room.name for room in rooms}
    found = []
    for index in rng.permutation(len(shared)):
        a, b, (fixed, low, high, along_x) = shared[index]
        joined = group[a.name] == group[b.name]
        if joined and rng.random() > 0.3:
            continue
        old, new = group[a.name], group[b.name]
        group = {name: new if g == old else g for name, g in group.items()}
        margin = DOORWAY / 2 + WALL + 0.05
        at = round(float(rng.uniform(low + margin, high - margin)), 2)
        center = (at, fixed) if along_x else (fixed, at)
        found.append(Doorway((a.name, b.name), center, along_x))
    return tuple(found)


def _shared_wall(a: Rect, b: Rect) -> tuple[float, float, float, bool] | None:
    """(fixed coordinate, low, high, runs along x) of a wall with room for a doorway."""
    room = DOORWAY + 2 * WALL + 0.2
    for along_x, (lo, hi) in ((True, (1, 3)), (False, (0, 2))):
        i, j = (0, 2) if along_x else (1, 3)
        low, high = max(a[i], b[i]), min(a[j], b[j])
        for fixed, other in ((a[hi], b[lo]), (a[lo], b[hi])):
            if abs(fixed - other) < 0.02 and high - low >= room:
                return fixed, low, high, along_x
    return None
