"""Switches: the finger tips, or the knuckles of a full hand, touch them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..bodies import switch_place
from ..home import Piece
from ..result import SkillFailureError
from .grips import TIP
from .hand import Base, Hand
from .tool import axis_of, pointing, pose

PITCHES = tuple(math.radians(d) for d in (70, 50, 85, 35, 15))
TOUCH, FULL = 0.006, 0.10
"""Left between the tips and a switch, and between what is held and a switch [m]."""


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
    facing = piece.stand[2]
    gap = FULL if hand.held else TOUCH + TIP
    for base in bases:
        for pitch in PITCHES:
            for off in (0.0, 0.4, -0.4):
                quat = pointing(facing + off, pitch)
                points = axis_of(quat, 2)
                if hand.held:
                    # the load hangs upright from the hand, which only comes near
                    quat = hand.reach.tool(base, hand.machine.arm)[3:]
                    points = axis_of(pointing(facing, math.pi / 2), 2)
                goal = pose(at - gap * points, quat)
                before = pose(goal[:3] - 0.08 * points, quat)
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
