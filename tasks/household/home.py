"""Home: rooms, doorways and furniture in their places, drawn from a seed and checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from octoworld.core.errors import ConfigError
from octoworld.core.rng import derive_seed

from .furniture import FURNITURE, FurnitureKind, Rect
from .rooms import Doorway, Plan, Room

ATTEMPTS = 200
"""Plans drawn before a seed is given up; most seeds need one or two."""


@dataclass(frozen=True, eq=False)
class Piece:
    """A piece of furniture in its place."""

    name: str
    kind: FurnitureKind
    room: str
    x: float
    y: float
    yaw: float
    """Turn of its frame about z [rad], a multiple of pi / 2: its front looks towards -y at 0."""

    @cached_property
    def _cs(self) -> tuple[int, int]:
        return round(math.cos(self.yaw)), round(math.sin(self.yaw))

    def to_world(self, x: float, y: float) -> tuple[float, float]:
        """A point of its frame, in the world [m]."""
        c, s = self._cs
        return (self.x + c * x - s * y, self.y + s * x + c * y)

    def to_local(self, x: float, y: float) -> tuple[float, float]:
        """A point of the world, in its frame [m]."""
        c, s = self._cs
        dx, dy = x - self.x, y - self.y
        return (c * dx + s * dy, -s * dx + c * dy)

    def rect(self, local: Rect) -> Rect:
        """A rectangle of its frame, in the world."""
        (ax, ay), (bx, by) = self.to_world(*local[:2]), self.to_world(*local[2:])
        return (min(ax, bx), min(ay, by), max(ax, bx), max(ay, by))

    @cached_property
    def footprint(self) -> Rect:
        """The floor it stands on [m]."""
        width, depth, _ = self.kind.size
        return self.rect((-width / 2, -depth / 2, width / 2, depth / 2))

    @cached_property
    def stand(self) -> tuple[float, float, float]:
        """Where the robot stands to use it: (x, y, yaw) in the world, facing it."""
        depth = self.kind.size[1] / 2 + self.kind.standoff
        return (*self.to_world(0.0, -depth), self.yaw + math.pi / 2)


@dataclass(frozen=True, eq=False)
class Home:
    """A furnished home. The same seed gives the same home."""

    seed: int
    plan: Plan
    pieces: tuple[Piece, ...]
    start: tuple[float, float, float]
    """Where the robot waits at first: (x, y, yaw)."""

    @cached_property
    def by_name(self) -> dict[str, Piece]:
        """Pieces by name."""
        return {piece.name: piece for piece in self.pieces}

    @cached_property
    def rooms(self) -> dict[str, Room]:
        """Rooms by name."""
        return {room.name: room for room in self.plan.rooms}

    @property
    def doorways(self) -> tuple[Doorway, ...]:
        """Openings between rooms."""
        return self.plan.doorways

    @cached_property
    def extent(self) -> Rect:
        """Outer walls' centre lines [m]."""
        rects = np.array([room.rect for room in self.plan.rooms])
        low, high = rects[:, :2].min(0), rects[:, 2:].max(0)
        return (float(low[0]), float(low[1]), float(high[0]), float(high[1]))

    def room_at(self, x: float, y: float) -> str:
        """Name of the room at a point; empty outside."""
        return next((r.name for r in self.plan.rooms if r.contains(x, y)), "")

    def of_kind(self, kind: str) -> tuple[str, ...]:
        """Names of the pieces of a kind."""
        return tuple(p.name for p in self.pieces if p.kind.name == kind)


@lru_cache(maxsize=256)
def make_home(seed: int) -> Home:
    """The home of a layout seed: every kind of furniture once or twice, every stand reachable.

    Raises:
        ConfigError: no plan of this seed can be furnished (none of seeds 0 to 9,999 is known to).
    """
    from .arrange import furnish
    from .planner import all_reachable
    from .rooms import draw_plan

    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng(derive_seed(seed, "home", attempt))
        plan = draw_plan(rng)
        pieces = furnish(plan, rng)
        if pieces is None:
            continue
        room = plan.rooms[int(rng.integers(len(plan.rooms)))]
        home = Home(seed, plan, pieces, (*room.center, 0.0))
        start = all_reachable(home)
        if start is not None:
            return Home(seed, plan, pieces, start)
    raise ConfigError(f"layout seed {seed}: no furnished home in {ATTEMPTS} attempts; take another")


def kinds_present(home: Home) -> set[str]:
    """Kinds of furniture in a home."""
    return {p.kind.name for p in home.pieces} & set(FURNITURE)
