"""Pushes: a door leaf is pushed on with the closed fingers where a wall keeps the hand off its bar.

Opening, the fingers reach behind the leaf's free edge and press on its inner face; closing, they
press on its outer face.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..bodies import joint_names, opened_at
from ..furniture import BOARD, leaves
from ..home import Piece
from .hand import Base, Hand
from .reach import between
from .tool import axis_of, pointing, pose

STEPS = 10
"""Poses along the way."""
BEHIND = 0.25
"""Share of its travel from which there is room for fingers behind a leaf."""
BACK = 0.10
"""From where the hand goes straight to a leaf [m]."""
PITCHES = tuple(math.radians(d) for d in (80, 60, 45))
FOLLOWS = (1.0, 0.5)
"""Share of the angle between the leaf and straight ahead that the hand is turned by."""
LEANS = (0.3, 0.0, 0.6)
"""Turn of the hand towards the leaf [rad]."""
ROLLS = (0.0, math.pi / 2)
EDGES = (0.025, 0.05)
"""From the free edge to where the fingers press [m]."""
OFFS = (0.014, 0.024, 0.034)
"""From a leaf's face to the tool's point [m]; the first at which nothing touches is taken."""
LAST = 0.97
"""Share of its travel to which a leaf is pushed open."""


def push(
    hand: Hand, bases: Sequence[Base], piece: Piece, leaf: int, start: float, is_open: bool
) -> bool:
    """Push a leaf from a share of its travel to the wished end; whether a way was found."""
    if is_open and start < BEHIND:
        return False
    machine, reach = hand.machine, hand.reach
    end = LAST if is_open else 0.0
    machine.grip(0.0, 0.2)
    for base in bases:
        for tools in _ways(piece, leaf, start, end, is_open):
            if not reach.solutions(base, tools[-1]):
                continue
            before = pose(tools[0][:3] - BACK * axis_of(tools[0][3:], 2), tools[0][3:])
            if not hand.arrives(base, before):
                continue
            for q in hand.arrives(base, tools[0])[:3]:
                along = _along(hand, base, piece, leaf, q, tools, (start, end))
                if along is None:
                    continue
                way = hand.way(base, [before, tools[0]], (), [q])
                if way is None:
                    continue
                if math.dist(base[:2], machine.stance[:2]) > 0.005:
                    machine.drive([base[:2]], base[2], 2.0)
                hand.go(way)
                machine.follow(along, 0.5)
                machine.rest(0.2)
                machine.follow(along[::-1][: len(along) // 3], 0.5)
                hand.rest()
                machine.grip(0.04, 0.1)
                return True
    machine.grip(0.04, 0.1)
    return False


def _ways(
    piece: Piece, leaf: int, start: float, end: float, is_open: bool
) -> Iterator[list[NDArray]]:
    """Tool poses that a leaf is pushed along by."""
    kind = piece.kind
    assert kind.cavity is not None
    hinge, edge = leaves(kind)[leaf]
    sign, width = (1.0 if edge > hinge else -1.0), abs(edge - hinge)
    low, high = kind.cavity if len(leaves(kind)) == 1 else (0.06, kind.size[2] - 0.03)
    front, facing = -kind.size[1] / 2 - BOARD / 2, piece.stand[2]
    middle = (low + high) / 2
    heights = [z for z in (middle, middle + 0.15, middle - 0.15) if low + 0.05 < z < high - 0.05]
    side = -1.0 if is_open else 1.0
    for pitch, z, inset, follow, lean, roll, off in product(
        PITCHES, heights, EDGES, FOLLOWS, LEANS, ROLLS, OFFS
    ):
        tools = []
        for share in np.linspace(start, end, STEPS):
            q = float(share) * opened_at(kind)
            c, s = math.cos(q), math.sin(q)
            along, out = width - inset, side * (BOARD / 2 + off)
            x = hinge + sign * (along * c - out * s)
            y = front - along * s - out * c
            turn = sign * (follow * (math.pi / 2 - q) - side * lean)
            at = (*piece.to_world(x, y), z)
            tools.append(pose(at, pointing(facing + turn, pitch, roll)))
        yield tools


def _along(
    hand: Hand,
    base: Base,
    piece: Piece,
    leaf: int,
    joints: NDArray,
    tools: Sequence[NDArray],
    ends: tuple[float, float],
) -> NDArray | None:
    """Joints along the way of a leaf; None where the arm or a wall forbids it."""
    line, shares, at = [], [], tools[0]
    for goal, share in zip(tools[1:], np.linspace(*ends, len(tools))[1:], strict=True):
        steps = between(at, goal)
        line += steps
        shares += [float(share)] * len(steps)
        at = goal
    along = hand.reach.line(base, joints, line)
    if along is None:
        return None
    joint, travel = joint_names(piece)[leaf], opened_at(piece.kind)
    for q, share in list(zip(along[1:], shares, strict=True))[::-1]:
        if not hand.free(base, (), {joint: share * travel})(q):
            return None
    return along
