"""Entries: by which ways the hand comes to a place, and where things may be let go."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..furniture import FurnitureKind, leaves
from ..geometry import thing_pose
from ..home import Home, Piece
from ..state import Spot, State
from .tool import axis_of, pose, raised

BACK = 0.10
"""From where the hand goes straight to a thing [m]."""
LIFT, LETTING = 0.03, 0.06
"""How far a thing is lifted, and the hand drawn back from one, before anything else [m]."""
OUT = 0.16
"""Above the rim of what is open at the top, before the hand comes down into it [m]."""
LIFTED = (0.045, 0.02)
"""From how high the hand comes down in a cavity, the wished height first [m]."""
STRAIGHT = 0.09
"""Of the way to a thing in a cavity [m]."""
FRONT_WAYS = ((0.16, 0.3, 0.06), (0.16, 1.0, 0.02), (0.12, 0.0, 0.12), (0.20, 0.5, 0.0))
"""How the hand comes out of a cavity: how far before its front, where between the middle of the
opening (0) and straight out (1), how much higher [m]."""


def upon_of(state: State, thing: str) -> tuple[str, ...]:
    """What is on or in a thing."""
    return tuple(t for t in state.place if thing in [p for _, p in state.parents(t)])


def drops(kind: FurnitureKind, relation: str) -> tuple[float, ...]:
    """Heights above the floor of a piece from which a thing may be let fall into it [m]."""
    if relation == "in" and kind.cavity is not None and kind.opening in ("", "drawer"):
        deep = kind.cavity[1] - kind.cavity[0]
        if kind.look == "tub":  # into bins and hampers things are dropped, as the hand has no room
            return (deep * 0.6, deep, deep + 0.06, 0.12, 0.06, 0.0)
        return (0.0, 0.06, 0.12, deep * 0.6, deep, deep + 0.06)
    return (0.0,)


def spot_in_world(
    home: Home, state: State, thing: str, relation: str, parent: str, spot: Spot
) -> NDArray:
    """Where in the world a spot is."""
    trial = state.copy()
    trial.place[thing], trial.spot[thing] = (relation, parent), spot
    return np.array(thing_pose(home, trial, thing)[:3])


def entries(piece: Piece | None, tool: NDArray, upwards: bool = False) -> Iterator[list[NDArray]]:
    """Ways, as tool poses, that lead to a tool pose: from the front into doors, else from above.

    `upwards`: something hangs from the hand, or a finger comes down inside a rim.
    """
    points = axis_of(tool[3:], 2)
    near = pose(raised(tool[:3], 0.06) if upwards else tool[:3] - BACK * points, tool[3:])
    kind_ = None if piece is None else piece.kind
    if piece is None or kind_ is None or kind_.cavity is None:
        yield [near, tool]
        if piece is not None and kind_ is not None and kind_.look == "shelf":
            # the board above is in the way of all that does not come level from the front
            x, y = piece.to_local(float(tool[0]), float(tool[1]))
            to = piece.to_world(x, min(y - BACK, -kind_.size[1] / 2 - BACK))
            for up in (0.0, *LIFTED[::-1]):
                yield [pose((*to, float(tool[2]) + up), tool[3:]),
                       pose(raised(tool[:3], up), tool[3:]), tool]  # fmt: skip
        return
    low, high = kind_.cavity
    width, depth, _ = kind_.size
    x, _ = piece.to_local(float(tool[0]), float(tool[1]))
    inside = abs(x) < width / 2 and low - 0.02 < tool[2] < high + 0.1
    if not inside or (kind_.surface is not None and tool[2] > kind_.surface):
        yield [near, tool]
    elif kind_.opening in ("doors", "drop"):
        # the last of the way is straight ahead: the fingers pass on both sides of the thing
        ahead = axis_of(tool[3:], 0) * (1.0, 1.0, 0.0)
        before = pose(tool[:3] - STRAIGHT * ahead / np.linalg.norm(ahead), tool[3:])
        for out, aside, up in FRONT_WAYS:
            # towards the middle of the opening on the way out: doors stand in on either side
            ends = leaves(kind_)
            middle = (ends[0][0] + ends[-1][1 if len(ends) == 1 else 0]) / 2 if ends else 0.0
            to = piece.to_world(middle + (x - middle) * aside, -depth / 2 - out)
            outer = pose((*to, float(tool[2]) + up), tool[3:])
            if not upwards:
                yield [outer, before, tool]
                continue
            for high in LIFTED:
                yield [outer, pose(raised(tool[:3], high), tool[3:]), tool]
    else:
        above = pose((tool[0], tool[1], max(float(tool[2]), high) + OUT), tool[3:])
        yield [above, tool]


def back_again(poses: list[NDArray], is_put: bool) -> list[NDArray]:
    """Poses by which the hand leaves: up first with a thing, back first from one that it put."""
    points = axis_of(poses[-1][3:], 2)
    shift = -LETTING * points if is_put else np.array([0.0, 0.0, LIFT])
    return [pose(p[:3] + shift, p[3:]) for p in poses[::-1]]
