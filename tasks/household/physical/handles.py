"""Handles: doors and drawers are opened and closed by the bar that the fingers hold.

The fingers close around the bar and are led along its way; as a bar is round, the hand need not
turn with the door, or only in part.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..bodies import BAR, EDGE, GRIP, joint_names, opened_at
from ..furniture import BOARD, LEAF, leaves
from ..home import Piece
from ..result import SkillFailureError
from .hand import Base, Hand, Way
from .machine import SQUEEZE, Machine
from .pushes import BEHIND, push
from .reach import between
from .sync import SHUT, SWUNG_OPEN, openings
from .tool import axis_of, pointing, pose

STEPS = 14
"""Poses along the way of a handle."""
WIDE = 0.022
"""Position of each finger around a bar: wide enough, and clear of the door behind it [m]."""
BACK = 0.09
FULLY, WIDELY, TIGHT = 0.93, 0.96, -0.01
"""To what share of its travel a drawer or drop door, and a door on a side, is led to be open (a
hand must get past it); and (pressed a little) closed."""
PARTS = (0.55, 0.40)
"""To what share of its travel a door is led where it cannot be led fully, before it is pushed."""
TRIES = 5
"""Motions of the hand for one leaf."""


@dataclass(frozen=True)
class _Grip:
    """How the hand points while it holds a bar: at both ends of the way."""

    pitch: float
    heading: float
    turn: float
    """Of the hand, as a share of the door's own turn."""
    roll: float = 0.0


def _bar(piece: Piece, leaf: int, share: float) -> tuple[NDArray, float]:
    """Where the middle of a bar is at a share of its travel, and how far the door is turned."""
    kind = piece.kind
    assert kind.cavity is not None
    y = kind.size[1] / 2
    floor, ceiling = kind.cavity
    front, q = -y - BOARD / 2, share * opened_at(kind)
    out = BOARD / 2 + GRIP
    if kind.opening == "drawer":
        at = (0.0, front - out - q, (floor + ceiling) / 2)
        return np.array([*piece.to_world(at[0], at[1]), at[2]]), 0.0
    if kind.opening == "drop":
        high = min(ceiling - floor, LEAF) - EDGE
        c, s = math.cos(q), math.sin(q)
        at = (0.0, front - out * c - high * s, floor + high * c - out * s)
        return np.array([*piece.to_world(at[0], at[1]), at[2]]), q
    hinge, edge = leaves(kind)[leaf]
    sign = 1.0 if edge > hinge else -1.0
    low, high = (floor, ceiling) if len(leaves(kind)) == 1 else (0.06, kind.size[2] - 0.03)
    along = abs(edge - hinge) - EDGE
    c, s = math.cos(q), math.sin(q)
    at = (hinge + sign * (along * c - out * s), front - along * s - out * c, (low + high) / 2)
    return np.array([*piece.to_world(at[0], at[1]), at[2]]), -sign * q


def _grips(piece: Piece) -> Iterator[_Grip]:
    facing = piece.stand[2]
    if piece.kind.opening == "drawer":
        for pitch, off in product((60, 45, 30, 75, 15), (0.0, 0.3, -0.3)):
            yield _Grip(math.radians(pitch), facing + off, 0.0)
    elif piece.kind.opening == "drop":
        for pitch, turn in product((90, 75, 60, 105), (0.0, -0.5, 0.5)):
            yield _Grip(math.radians(pitch), facing, turn, math.pi / 2)
    else:
        for pitch, turn, off in product((80, 60, 40), (0.5, 0.0, 0.8, 0.25), (0.0, 0.5, -0.5)):
            yield _Grip(math.radians(pitch), facing + off, turn)


def _poses(piece: Piece, leaf: int, grip: _Grip, start: float, end: float) -> list[NDArray]:
    """Tool poses along the way of a bar."""
    found = []
    for share in np.linspace(start, end, STEPS):
        at, angle = _bar(piece, leaf, float(share))
        if piece.kind.opening == "drop":
            quat = pointing(grip.heading, grip.pitch + grip.turn * angle, grip.roll)
        else:
            quat = pointing(grip.heading + grip.turn * angle, grip.pitch, grip.roll)
        found.append(pose(at, quat))
    return found


def swing(hand: Hand, bases: Sequence[Base], piece: Piece, is_open: bool) -> None:
    """Lead every leaf of a piece to the wished end of its travel.

    Raises:
        SkillFailureError: a handle is out of reach, or the door did not follow.
    """
    count = len(joint_names(piece))
    for leaf in range(count):
        tried: set[tuple[Base, _Grip]] = set()
        for _ in range(TRIES):
            share = float(openings(hand.machine, piece)[leaf])
            if (share > SWUNG_OPEN) if is_open else (share < SHUT):
                break
            if not _move(hand, bases, piece, leaf, share, is_open, tried):
                if tried:
                    break
                raise SkillFailureError(
                    "OUT_OF_REACH", f"the hand cannot lead the handle of {piece.name}", 1.0
                )
    check_swung(hand.machine, piece, is_open)


def check_swung(machine: Machine, piece: Piece, is_open: bool) -> None:
    """SkillFailureError unless all leaves of a piece are where they should be."""
    shares = openings(machine, piece)
    if (shares > SWUNG_OPEN).all() if is_open else (shares < SHUT).all():
        return
    verb, share = ("open", shares.min()) if is_open else ("close", shares.max())
    raise SkillFailureError("STUCK", f"{piece.name} did not {verb}: it is {100 * share:.0f} % open")


def _move(
    hand: Hand,
    bases: Sequence[Base],
    piece: Piece,
    leaf: int,
    share: float,
    is_open: bool,
    tried: set[tuple[Base, _Grip]],
) -> bool:
    """One motion of the hand that opens or closes a leaf, or does part of it; none in `tried`."""
    is_door = piece.kind.opening == "doors"
    if is_door and is_open and share > BEHIND and push(hand, bases, piece, leaf, share, True):
        return True
    end = (WIDELY if is_door else FULLY) if is_open else TIGHT
    if _lead(hand, bases, piece, leaf, share, end, tried):
        return True
    if is_door and is_open:  # a wall or what stands beside leaves no room for the hand at its bar
        return any(
            _lead(hand, bases, piece, leaf, share, part, set()) for part in PARTS if part > share
        )
    return is_door and push(hand, bases, piece, leaf, share, False)


def _lead(
    hand: Hand,
    bases: Sequence[Base],
    piece: Piece,
    leaf: int,
    start: float,
    end: float,
    tried: set[tuple[Base, _Grip]],
) -> bool:
    """Take the bar where it is and lead it, as not tried yet; whether a way was found."""
    machine = hand.machine
    joint = joint_names(piece)[leaf]
    machine.grip(WIDE, 0.2)
    for base in bases:
        for grip in _grips(piece):
            if (base, grip) in tried:
                continue
            poses = _poses(piece, leaf, grip, start, end)
            path = _led(hand, base, piece, joint, poses, start, end)
            if path is None:
                continue
            way, along, out = path
            tried.add((base, grip))
            if math.dist(base[:2], machine.stance[:2]) > 0.005:
                machine.drive([base[:2]], base[2], 2.0)
            hand.go(way)
            machine.grip(BAR - SQUEEZE, 0.3)
            machine.follow(along, 0.5)
            machine.rest(0.2)
            machine.grip(WIDE, 0.3)
            machine.follow(out, 0.5)
            hand.rest()
            machine.grip(0.04, 0.1)
            return True
    machine.grip(0.04, 0.1)
    return False


def _led(
    hand: Hand, base: Base, piece: Piece, joint: str, poses: list[NDArray], start: float,
    end: float,
) -> tuple[Way, NDArray, NDArray] | None:  # fmt: skip
    """The way to the bar and the joints along its way; None where the arm or a wall forbids it."""
    reach = hand.reach
    body = joint.replace("_hinge", "_door").replace("_joint", "_drawer")
    if piece.kind.opening == "drop":
        body = f"{piece.name}_door"
    travel = opened_at(piece.kind)
    last = {joint: min(max(end, 0.0), 1.0) * travel}
    finals = reach.solutions(base, poses[-1])
    is_free = hand.free(base, (body,), last)
    if not any(is_free(q) for q in finals) or not reach.solutions(base, poses[0]):
        return None
    line, at = [], poses[0]
    shares: list[float] = []
    for goal, share in zip(poses[1:], np.linspace(start, end, STEPS)[1:], strict=True):
        steps = between(at, goal)
        line += steps
        shares += [float(share)] * len(steps)
        at = goal

    def followed(joints: NDArray) -> tuple[NDArray, NDArray] | None:
        along = reach.line(base, joints, line)
        if along is None:
            return None
        # from its end, where walls and neighbours are nearest
        for q, share in list(zip(along[1:], shares, strict=True))[::-1]:
            others = {joint: min(max(share, 0.0), 1.0) * travel}
            if not hand.free(base, (body,), others)(q):
                return None
        out = _out(hand, base, along[-1], poses[-1], last)
        return None if out is None else (along, out)

    points = axis_of(poses[0][3:], 2)
    before = pose(poses[0][:3] - BACK * points, poses[0][3:])
    # what is quickly found out comes first: a way around things takes longest
    ends = [q for q in hand.arrives(base, poses[0], (body,))[:3] if followed(q) is not None]
    way = hand.way(base, [before, poses[0]], (body,), ends)
    found = None if way is None else followed(way.near[-1])
    return None if way is None or found is None else (way, *found)


def _out(
    hand: Hand, base: Base, joints: NDArray, held: NDArray, others: dict[str, float]
) -> NDArray | None:
    """The way of the open hand from a bar, into the free."""
    points = axis_of(held[3:], 2)
    for step in (-BACK * points, -0.06 * points, np.array([0.0, 0.0, BACK + 0.03]),
                 -0.06 * points + (0.0, 0.0, 0.06)):  # fmt: skip
        path = hand.reach.straight(base, joints, pose(held[:3] + step, held[3:]))
        if path is not None and hand.free(base, (), others)(path[-1]):
            return path
    return None
