"""Planner: collision-free ways of the base on a grid, with doors that stand open in the way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from robots.mobile_panda.spec import BASE_RADIUS

from .furniture import BOARD, LEAF, Rect, leaves
from .home import Home, Piece
from .walls import wall_rects

CELL = 0.10
"""Edge of a cell [m]."""
CLEARANCE = 0.02
"""Kept from everything, beyond the base's radius [m]."""
SPEED = 0.5
"""Of driving [m/s]."""
TURNING = 1.5
"""Of turning on the spot [rad/s]."""

FIELDS, GRAPHS = 600, 60
"""Kept for one home: distances to a goal (150 kB each), and grids for sets of open doors."""


@dataclass(frozen=True)
class Way:
    """A way that the base can drive."""

    start: tuple[float, float]
    """[m]."""
    goal: tuple[float, float, float]
    """x, y [m] and heading [rad]."""
    length: float
    """[m]."""
    cells: tuple[int, int]
    """First and last cell of the grid on it."""
    opened: frozenset[str]
    """Pieces that stood open when it was found."""

    @property
    def seconds(self) -> float:
        """Time for it: driving, and one turn towards the goal [s]."""
        return self.length / SPEED + (math.pi / 2) / TURNING


class Planner:
    """Ways in one home. Distances to a goal are worked out once for each set of open doors."""

    def __init__(self, home: Home, margin: float = 0.0) -> None:
        """`margin`: kept from everything in between, beyond what the base needs [m]."""
        self.home, self.margin = home, margin
        x0, y0, x1, y1 = home.extent
        self.origin = (x0, y0)
        self.shape = (round((y1 - y0) / CELL) + 1, round((x1 - x0) / CELL) + 1)
        self._fields: dict[tuple, tuple[NDArray, NDArray]] = {}
        self._frees: dict[frozenset[str], NDArray[np.bool_]] = {}
        self._graphs: dict[frozenset[str], csr_matrix] = {}

    @cached_property
    def _cells(self) -> tuple[NDArray, NDArray]:
        rows, columns = np.indices(self.shape)
        return self.origin[0] + columns * CELL, self.origin[1] + rows * CELL

    @cached_property
    def _rects(self) -> tuple[Rect, ...]:
        return (*wall_rects(self.home.plan), *(p.footprint for p in self.home.pieces))

    @cached_property
    def _static(self) -> NDArray[np.bool_]:
        blocked = np.zeros(self.shape, bool)
        for rect in self._rects:
            self._block(blocked, rect)
        return blocked

    def _block(self, blocked: NDArray[np.bool_], rect: Rect) -> None:
        """Mark the cells at which the base would touch a rectangle."""
        far = BASE_RADIUS + CLEARANCE + self.margin
        low = [math.floor((rect[i] - far - self.origin[i]) / CELL) for i in (0, 1)]
        high = [math.ceil((rect[i + 2] + far - self.origin[i]) / CELL) + 1 for i in (0, 1)]
        rows = slice(max(low[1], 0), max(high[1], 0))
        columns = slice(max(low[0], 0), max(high[0], 0))
        x, y = self._cells[0][rows, columns], self._cells[1][rows, columns]
        dx = np.maximum(np.maximum(rect[0] - x, x - rect[2]), 0)
        dy = np.maximum(np.maximum(rect[1] - y, y - rect[3]), 0)
        blocked[rows, columns] |= dx * dx + dy * dy < far**2

    def blocked(self, opened: frozenset[str]) -> NDArray[np.bool_]:
        """Cells (rows, columns) that the base cannot be in while the pieces `opened` are open."""
        blocked = self._static.copy()
        for name in sorted(opened):
            for rect in swung_out(self.home.by_name[name]):
                self._block(blocked, rect)
        return blocked

    def is_free(self, x: float, y: float, opened: frozenset[str]) -> bool:
        """Whether the base can be at a point without touching anything."""
        rects = [r for name in opened for r in swung_out(self.home.by_name[name])]
        return all(_distance(rect, x, y) >= BASE_RADIUS for rect in (*self._rects, *rects))

    def way(
        self, start: tuple[float, float], goal: tuple[float, float, float], opened: frozenset[str]
    ) -> Way | None:
        """The shortest way to (x, y, yaw), or None where there is none."""
        free = self._free(opened)
        # the first and the last step lead from and to a point between cells, or one where a door
        # or a corner is within the clearance
        at, to = self._nearest(start, free), self._nearest(goal[:2], free)
        if at < 0 or to < 0 or not self.is_free(goal[0], goal[1], opened):
            return None
        distance, _ = self._field(to, opened)
        if not np.isfinite(distance[at]):
            return None
        ends = math.dist(start, self._point(at)) + math.dist(self._point(to), goal[:2])
        return Way(start, goal, float(distance[at]) + ends, (at, to), opened)

    def points(self, way: Way) -> list[tuple[float, float]]:
        """Points of a way from its start to its goal [m], neighbours a cell apart at most."""
        cell, to = way.cells
        _, onward = self._field(to, way.opened)
        points = [way.start, self._point(cell)]
        while cell != to:
            cell = int(onward[cell])
            points.append(self._point(cell))
        return [*points, way.goal[:2]]

    def _cell(self, x: float, y: float) -> int:
        column = round((x - self.origin[0]) / CELL)
        row = round((y - self.origin[1]) / CELL)
        return row * self.shape[1] + column

    def _point(self, cell: int) -> tuple[float, float]:
        row, column = divmod(cell, self.shape[1])
        return (self.origin[0] + column * CELL, self.origin[1] + row * CELL)

    def _nearest(self, point: tuple[float, float], free: NDArray[np.bool_]) -> int:
        """The free cell nearest to a point, at most two cells off; -1 where there is none."""
        row, column = divmod(self._cell(*point), self.shape[1])
        best, found = 2.5 * CELL, -1
        for r in range(max(row - 2, 0), min(row + 3, self.shape[0])):
            for c in range(max(column - 2, 0), min(column + 3, self.shape[1])):
                if free[r, c]:
                    cell = r * self.shape[1] + c
                    far = math.dist(point, self._point(cell))
                    if far < best:
                        best, found = far, cell
        return found

    def _field(self, goal: int, opened: frozenset[str]) -> tuple[NDArray, NDArray]:
        """Distance of every cell to a goal (cells,) [m], and the next cell on the way there."""
        key = (goal, opened)
        if key not in self._fields:
            if len(self._fields) >= FIELDS:
                del self._fields[next(iter(self._fields))]
            distance, before = dijkstra(
                self._graph(opened), indices=goal, return_predecessors=True, directed=False
            )
            self._fields[key] = (distance.astype(np.float32), before)
        return self._fields[key]

    def _graph(self, opened: frozenset[str]) -> csr_matrix:
        if opened not in self._graphs:
            if len(self._graphs) >= GRAPHS:
                del self._graphs[next(iter(self._graphs))]
            self._graphs[opened] = _grid_graph(self._free(opened))
        return self._graphs[opened]

    def _free(self, opened: frozenset[str]) -> NDArray[np.bool_]:
        if opened not in self._frees:
            if len(self._frees) >= GRAPHS:
                del self._frees[next(iter(self._frees))]
            self._frees[opened] = ~self.blocked(opened)
        return self._frees[opened]


def _grid_graph(free: NDArray[np.bool_]) -> csr_matrix:
    """Neighbours of free cells, eight to a cell; no diagonal passes a blocked corner."""
    rows, columns = free.shape
    ids = np.arange(free.size).reshape(free.shape)
    starts, ends, costs = [], [], []
    for dr, dc in ((0, 1), (1, 0), (1, 1), (1, -1)):
        a = (slice(0, rows - dr), slice(max(0, -dc), columns - max(0, dc)))
        b = (slice(dr, rows), slice(max(0, dc), columns + min(0, dc)))
        both = free[a] & free[b]
        if dr and dc:
            both &= free[b[0], a[1]] & free[a[0], b[1]]
        starts.append(ids[a][both])
        ends.append(ids[b][both])
        costs.append(np.full(int(both.sum()), CELL * math.hypot(dr, dc)))
    data = np.concatenate(costs)
    where = (np.concatenate(starts), np.concatenate(ends))
    return csr_matrix((data, where), shape=(free.size, free.size))


@lru_cache(maxsize=4096)
def swung_out(piece: Piece) -> tuple[Rect, ...]:
    """Where the open doors, drawer or drop door of a piece are, in the world [m]."""
    kind = piece.kind
    width, depth, _ = kind.size
    front = -depth / 2
    if kind.opening == "doors":
        return tuple(
            piece.rect((hinge - BOARD, front - abs(edge - hinge) - BOARD, hinge + BOARD, front))
            for hinge, edge in leaves(kind)
        )
    if kind.opening in ("drawer", "drop"):
        return (piece.rect((-width / 2, front - LEAF - BOARD, width / 2, front)),)
    return ()


def _distance(rect: Rect, x: float, y: float) -> float:
    dx = max(rect[0] - x, 0.0, x - rect[2])
    dy = max(rect[1] - y, 0.0, y - rect[3])
    return math.hypot(dx, dy)


@lru_cache(maxsize=64)
def planner_of(home: Home, margin: float = 0.0) -> Planner:
    """The planner of a home, kept with what it has worked out."""
    return Planner(home, margin)


def all_reachable(home: Home) -> tuple[float, float, float] | None:
    """A start from which every stand and room is reached with all doors open; None: there is none.

    The start is the free place nearest to the wished one.
    """
    planner = Planner(home)
    opened = frozenset(p.name for p in home.pieces if p.kind.openable)
    goals = [piece.stand for piece in home.pieces]
    goals += [(*free_center(planner, room), 0.0) for room in home.rooms]
    start = free_center(planner, home.room_at(*home.start[:2]))
    if any(planner.way(goal[:2], (*start, 0.0), opened) is None for goal in goals):
        return None
    if not all(planner.is_free(x, y, opened) for x, y, _ in goals):
        return None
    return (*start, home.start[2])


def free_center(planner: Planner, room: str) -> tuple[float, float]:
    """The point nearest to a room's middle where the base can always be."""
    everything = frozenset(p.name for p in planner.home.pieces if p.kind.openable)
    free = ~planner.blocked(everything)
    x, y = planner._cells
    center = planner.home.rooms[room].center
    far = np.where(free, (x - center[0]) ** 2 + (y - center[1]) ** 2, np.inf)
    return planner._point(int(np.argmin(far)))
