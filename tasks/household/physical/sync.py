"""Sync: the State of a physical world: what stands where is read off poses and joints."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..bodies import joint_names, moving_body, opened_at
from ..furniture import BOARD
from ..home import Home, Piece
from ..state import FLOOR, ROBOT, State, kind
from .machine import Machine
from .tool import yaw_of

SHUT, SWUNG_OPEN = 0.02, 0.80
"""Share of its travel up to which a door counts as closed, from which as open."""
SUNK, ABOVE = 0.03, 0.13
"""How far below and above a surface the underside of a thing on it may be, fallen over or not."""
BESIDE = 0.02
"""How far over an edge the middle of a thing may be [m]."""


def openings(machine: Machine, piece: Piece) -> NDArray:
    """Share of its travel that each leaf of a piece is open."""
    return machine.joints(*joint_names(piece)) / opened_at(piece.kind)


def sync(machine: Machine, state: State, held: str) -> None:
    """Write what the world shows into a state; `held`: what the hand holds."""
    home = machine.home
    state.base = machine.base
    for name in state.opened:
        state.opened[name] = bool(openings(machine, home.by_name[name]).max() > SHUT)
    poses = {thing: machine.pose(thing) for thing in machine.things}
    for thing in machine.things:
        if thing == held:
            state.place[thing], state.spot[thing] = ("held", ROBOT), (0.0, 0.0, 0.0)
            continue
        relation, parent, frame = _support(home, machine, state, thing, poses)
        state.place[thing] = (relation, parent)
        d = poses[thing][:3] - frame[:3]
        c, s = math.cos(frame[3]), math.sin(frame[3])
        state.spot[thing] = (
            float(c * d[0] + s * d[1]), float(-s * d[0] + c * d[1]), float(d[2]),
        )  # fmt: skip


def _support(
    home: Home, machine: Machine, state: State, thing: str, poses: dict[str, NDArray]
) -> tuple[str, str, tuple[float, float, float, float]]:
    """Relation, parent, and the parent's frame (x, y, z, yaw)."""
    at = poses[thing]
    before = state.place[thing][1]
    holders = [t for t in poses if t != thing and kind(t).holds and _carries(t, thing, poses)]
    if holders:
        near = min(
            holders,
            key=lambda t: (t != before, float(np.hypot(*(poses[t][:2] - at[:2])))),
        )
        yaw = _room_yaw(home, machine, poses[near])
        return kind(near).relation, near, (*poses[near][:3], yaw)
    for piece in home.pieces:
        found = _at_piece(machine, piece, at)
        if found:
            x, y, z = machine.pose(moving_body(piece) if found == "in" else piece.name)[:3]
            return found, piece.name, (float(x), float(y), float(z), piece.yaw)
    return "on", FLOOR, (0.0, 0.0, 0.0, 0.0)


def _carries(holder: str, thing: str, poses: dict[str, NDArray]) -> bool:
    own = kind(holder)
    if kind(thing).holds and kind(thing).radius > own.radius:
        return False
    d = poses[thing][:3] - poses[holder][:3]
    return math.hypot(d[0], d[1]) < own.radius and 0.002 < d[2] < own.height + 0.02


def _room_yaw(home: Home, machine: Machine, at: NDArray) -> float:
    """Turn of the piece that something stands on, in whose frame spots are counted."""
    return next((p.yaw for p in home.pieces if _at_piece(machine, p, at)), 0.0)


def _at_piece(machine: Machine, piece: Piece, at: NDArray) -> str:
    """`on`, `in` or nothing."""
    kind_ = piece.kind
    width, depth, _ = kind_.size
    x, y = piece.to_local(float(at[0]), float(at[1]))
    z = float(at[2])
    if kind_.cavity is not None:
        out = 0.0
        if kind_.opening == "drawer":
            out = float(machine.joints(*joint_names(piece))[0])
        low, high = kind_.cavity
        inside = abs(x) < width / 2 - BOARD and abs(y + out) < depth / 2
        if inside and low - SUNK < z < high:
            return "in"
    if kind_.surface is not None:
        over = abs(x) < width / 2 + BESIDE and abs(y) < depth / 2 + BESIDE
        if over and kind_.surface - SUNK < z < kind_.surface + ABOVE:
            return "on"
    return ""


def held_still(machine: Machine, thing: str, in_tool: NDArray) -> bool:
    """Whether a thing is where it was in the hand when it was taken, give or take 3 cm."""
    tool, at = machine.pose("tool"), machine.pose(thing)
    expected = tool[:3] + _rotated(tool[3:], in_tool[:3])
    return float(np.linalg.norm(expected - at[:3])) < 0.05 and machine.gap > 0.003


def _rotated(quat: NDArray, vector: NDArray) -> NDArray:
    from octoworld.core.rotations import matrix_from_quat

    return matrix_from_quat(quat) @ vector


__all__ = ["SHUT", "SWUNG_OPEN", "held_still", "openings", "sync", "yaw_of"]
