"""Geometry of what stands where: world poses of things, free spots, what the arm reaches."""

from __future__ import annotations

import math
from functools import lru_cache

from robots.mobile_panda.spec import MOUNT, TUCKED_TOOL

from .bodies import opened_at
from .furniture import BOARD, FurnitureKind, Rect
from .home import Home, Piece
from .state import FLOOR, ROBOT, Spot, State, kind

REACH = 0.90
"""From the shoulder to the tool [m]; the Panda's wrist gets 0.855 m far (data sheet), and the hand
adds up to 0.1 m where it points on."""
SHOULDER_HEIGHT = MOUNT[2] + 0.333
"""Of the arm's second joint [m]."""
STEP = 0.05
"""Between the spots that are tried [m]."""
GAP = 0.015
"""Left between things [m]."""

SPARE = 0.05
"""Of the reach that is left when there is a choice of spots [m]."""

Pose = tuple[float, float, float, float]
"""x, y, z [m] and yaw [rad] in the world."""


def piece_pose(home: Home, state: State, name: str, relation: str) -> Pose:
    """Frame in which spots on (or in) a piece are given; a drawer's comes out with it."""
    if name == FLOOR:
        return (0.0, 0.0, 0.0, 0.0)
    piece = home.by_name[name]
    out = 0.0
    if relation == "in" and piece.kind.opening == "drawer" and state.opened[name]:
        out = -opened_at(piece.kind)
    return (*piece.to_world(0.0, out), 0.0, piece.yaw)


def thing_pose(home: Home, state: State, thing: str) -> Pose:
    """Pose of a thing's underside in the world."""
    relation, parent = state.place[thing]
    if parent == ROBOT:
        x, y, yaw = state.base
        c, s = math.cos(yaw), math.sin(yaw)
        tx, ty, tz = TUCKED_TOOL
        held = kind(thing)
        # the fingertips are 2 cm below the top, or half-way down what is flat
        low = tz - held.height + min(0.02, held.height / 2)
        return (x + c * tx - s * ty, y + s * tx + c * ty, low, yaw)
    if parent in state.place:
        px, py, pz, yaw = thing_pose(home, state, parent)
    else:
        px, py, pz, yaw = piece_pose(home, state, parent, relation)
    dx, dy, dz = state.spot[thing]
    c, s = math.cos(yaw), math.sin(yaw)
    return (px + c * dx - s * dy, py + s * dx + c * dy, pz + dz, yaw)


def reaches(
    base: tuple[float, float, float], point: tuple[float, float, float], spare: float = 0.0
) -> bool:
    """Whether the arm of a base at (x, y, yaw) gets its tool to a point of the world.

    With `spare` [m] to spare, so that something can still be put on what stands there.
    """
    x, y, yaw = base
    shoulder = (x + math.cos(yaw) * MOUNT[0], y + math.sin(yaw) * MOUNT[0], SHOULDER_HEIGHT)
    return math.dist(shoulder, point) <= REACH - spare


def spare_of(thing: str) -> float:
    """Reach that is left where a thing has a choice of spots, for what comes into it [m]."""
    own = kind(thing)
    return SPARE + (0.66 * own.radius if own.holds > 1 else 0.0)


def grip_point(home: Home, state: State, thing: str) -> tuple[float, float, float]:
    """Where the tool goes to take a thing: near its top."""
    x, y, z, _ = thing_pose(home, state, thing)
    return (x, y, z + max(kind(thing).height - 0.02, kind(thing).height / 2))


def stack_height(state: State, thing: str) -> float:
    """Height of a thing with what is on or in it [m]."""
    own = kind(thing)
    above = [own.floor + stack_height(state, t) for t in state.on_or_in(thing)]
    return max([own.height, *above])


@lru_cache(maxsize=256)
def _candidates(furniture: FurnitureKind, relation: str, radius: float) -> tuple[Spot, ...]:
    """Spots for a thing of some radius on or in a kind of piece, the middle of the front first."""
    if relation == "on":
        rect, z = furniture.surface_rect, furniture.surface
    else:
        rect = furniture.cavity_rect
        z = None if furniture.cavity is None else furniture.cavity[0] + 0.002
        if furniture.opening == "drawer" and z is not None:
            z += 0.006
    if z is None:
        return ()
    width, depth, _ = furniture.size
    wall = BOARD if relation == "in" else 0.0
    if furniture.look in ("basin", "tub"):
        wall = 0.035
    allowed: Rect = (
        max(rect[0], -width / 2 + wall + radius), max(rect[1], -depth / 2 + wall + radius),
        min(rect[2], width / 2 - wall - radius), min(rect[3], depth / 2 - wall - radius),
    )  # fmt: skip
    if relation == "on" and furniture.look == "seat":
        allowed = (max(allowed[0], -width / 2 + 0.13 + radius), allowed[1],
                   min(allowed[2], width / 2 - 0.13 - radius), allowed[3])  # fmt: skip
    if allowed[0] > allowed[2] + 1e-9 or allowed[1] > allowed[3] + 1e-9:
        return ()
    xs, ys = _steps(allowed[0], allowed[2]), _steps(allowed[1], allowed[3])
    middle = (allowed[0] + allowed[2]) / 2
    spots = [(x, y, z) for x in xs for y in ys]
    return tuple(sorted(spots, key=lambda p: (abs(p[0] - middle) + abs(p[1] - ys[0]), p)))


def _steps(low: float, high: float) -> list[float]:
    count = max(1, int((high - low) / STEP + 1e-9) + 1)
    if count == 1:
        return [(low + high) / 2]
    return [low + (high - low) * i / (count - 1) for i in range(count)]


def spots_on_piece(state: State, piece: Piece, relation: str, thing: str) -> list[Spot]:
    """Free spots for a thing on or in a piece, best first."""
    radius = kind(thing).radius
    others = [
        (*state.spot[t][:2], kind(t).radius)
        for t in state.on_or_in(piece.name)
        if state.place[t][0] == relation and t != thing
    ]
    return [
        (x, y, z)
        for x, y, z in _candidates(piece.kind, relation, radius)
        if all(math.hypot(x - ox, y - oy) >= radius + r + GAP for ox, oy, r in others)
    ]


def spot_in_thing(state: State, parent: str, thing: str) -> Spot | None:
    """A spot for a thing on a plate or in a bowl, box or basket; None when it does not fit."""
    own, small = kind(parent), kind(thing)
    count = len(state.on_or_in(parent))
    if count >= own.holds or small.radius > own.radius:
        return None
    if own.holds == 1:
        return (0.0, 0.0, own.floor)
    wide = 0.66 * own.radius - small.radius
    taken = [(state.spot[t], kind(t)) for t in state.on_or_in(parent)]
    for ring in (wide, wide / 2, 0.0):
        for i in range(8 if ring > 0 else 1):
            x, y = ring * math.cos(math.pi * i / 4), ring * math.sin(math.pi * i / 4)
            if all(math.hypot(x - s[0], y - s[1]) >= small.radius + k.radius for s, k in taken):
                return (x, y, own.floor)
    # no room beside the others: on top of them, as long as it stands below the rim
    level = max(s[2] + k.height for s, k in taken) + 0.002
    return (0.0, 0.0, level) if level < own.height - 0.01 else None
