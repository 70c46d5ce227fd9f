"""Switches: the finger tips, or the knuckles of a full hand, touch them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..bodies import switch_place
from ..home import Piece
from ..result import SkillFailureError
from ..state import kind
from .grips import TIP, rests
from .hand import Base, Hand
from .tool import axis_of, pointing, pose

PITCHES = tuple(math.radians(d) for d in (70, 50, 85, 35, 15))
TOUCH, FULL = 0.006, 0.10
"""Left between the tips and a switch, and between what is held and a switch [m]."""
BEFORE = 0.08
"""From where the hand comes to a switch straight [m]."""


def switch_point(piece: Piece) -> NDArray:
    """Front of the switch (or lock) of a piece in the world [m]."""
    x, y, z = switch_place(piece.kind)
    return np.array([*piece.to_world(x, y), z])


def press(hand: Hand, bases: Sequence[Base], piece: Piece, shift: Callable[[Base], None]) -> None:
    """Bring the tips of the closed fingers before the switch (or lock), and back a little.

    Raises:
        SkillFailureError: it cannot be reached.
    """
    at = switch_point(piece)
    for base in bases:
        for goal, before in _touches(hand, piece, at, base):
            way = hand.way(base, [before, goal])
            if way is None:
                continue
            if not hand.held:
                hand.machine.grip(0.0, 0.2)
            shift(base)
            hand.go(way)
            hand.lines([before])
            if not hand.held:
                hand.machine.grip(0.04, 0.1)
            return
    raise SkillFailureError(
        "OUT_OF_REACH", f"the hand does not get to the switch of {piece.name}", 1.0
    )


def _touches(
    hand: Hand, piece: Piece, at: NDArray, base: Base
) -> Iterator[tuple[NDArray, NDArray]]:
    """Tool poses at a switch, and before it."""
    facing = piece.stand[2]
    if not hand.held:
        for pitch, off in product(PITCHES, (0.0, 0.4, -0.4)):
            quat = pointing(facing + off, pitch)
            points = axis_of(quat, 2)
            goal = pose(at - (TOUCH + TIP) * points, quat)
            yield goal, pose(goal[:3] - BEFORE * points, quat)
        return
    # the load hangs upright from the hand, which only comes near
    machine, ahead = hand.machine, axis_of(pointing(facing, math.pi / 2), 2)
    for quat, tilt in rests(
        kind(hand.held), machine.pose("tool"), machine.pose(hand.held), base[2]
    ):
        if not tilt:
            goal = pose(at - FULL * ahead, quat)
            yield goal, pose(goal[:3] - BEFORE * ahead, quat)
