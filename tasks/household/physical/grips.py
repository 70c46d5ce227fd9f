"""Grips: where and how the hand can take a thing, from its shape and its pose."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from octoworld.core.rotations import quat_multiply

from ..objects import ObjectKind
from ..thing_bodies import FOLD, RIM, narrow_half
from .tool import axis_of, pointing, pose, yaw_of

PITCHES = tuple(math.radians(d) for d in (35, 20, 50, 0, 65, 80))
"""How far above straight down the hand points, the wished one first: cavities are entered from the
front, and a thing is put down as it was taken [rad]."""
HEADINGS = tuple(math.radians(d) for d in (0, 25, -25, 50, -50))
"""From the robot's own heading [rad]."""
TIP, PAD = 0.0095, 0.010
"""The fingers' tips beyond the tool's point, half the width of their pads [m]."""
PALM_BACK, PALM_HALF = 0.037, 0.0315
"""The palm behind the tool's point, half its thickness [m]."""
SHALLOW = 0.012
"""Least height of a thing between the fingers [m]."""
FLOOR_GAP = 0.002
"""Left between the hand and what a thing stands on [m]."""
UPRIGHT = math.cos(math.radians(35))


@dataclass(frozen=True)
class Grip:
    """One way to take a thing."""

    tool: NDArray
    """Pose of the tool in the world (7,)."""
    width: float
    """Of what comes between the fingers [m]."""
    pitch: float
    """Of the hand above straight down [rad]."""
    from_above: bool = False
    """Whether one finger comes down inside: of what is held by its rim."""


@dataclass(frozen=True)
class _Hold:
    """A place on a thing, in its own frame."""

    point: tuple[float, float, float]
    axis: float | None
    """Direction in which the fingers open about z [rad]; None: any."""
    width: float
    depth: float
    """How far the thing reaches from `point` along the hand, at its top [m]."""


def _holds(kind: ObjectKind) -> list[_Hold]:
    r, h = kind.radius, kind.height
    across = math.pi / 2  # boxes are narrow along y
    if kind.form == "cup":
        return [_Hold((0, 0, h - 0.030), None, 2 * r, r)]
    if kind.form == "bottle":
        return [_Hold((0, 0, h - 0.032), None, 0.9 * r, 0.45 * r)]
    if kind.form == "ball":
        if kind.name == "teddy":
            return [_Hold((0, 0, 0.75 * h), None, 0.5 * h, 0.0)]
        return [_Hold((0, 0, h / 2 + 0.001), None, 2 * r, 0.0)]
    if kind.form == "bowl":
        wall, along = 0.70 * r, 0.30 * r
        sides = [(wall, t, 0.0) for t in (0.0, along, -along)]
        sides += [(-x, y, a) for x, y, a in sides]
        sides += [(y, x, across) for x, y, _ in sides]
        return [_Hold((x, y, h - 0.012), a, 0.012, wall) for x, y, a in sides]
    if kind.form == "disc" and kind.name != "steak":
        middle = r - RIM
        found = []
        for i in range(8):
            angle = math.pi / 4 * i
            at = (middle * math.cos(angle), middle * math.sin(angle), h - 0.006)
            found.append(_Hold(at, angle, 2 * RIM, 0.04))
        return found
    if kind.form == "stick":
        return [_Hold((0, 0, 0.5 * h), across, 0.024, r)]
    if kind.form == "key":
        return [_Hold((0.015, 0, 0.5 * h), across, 0.010, 0.03)]
    if kind.form == "cloth":
        return [_Hold((0, 0, h - 0.010), across, 2 * FOLD, 0.75 * r)]
    half = 0.55 * r if kind.name == "steak" else narrow_half(kind)
    return [_Hold((0, 0, max(h - 0.028, h / 2)), across, 2 * half, 0.85 * r)]


def lowest(pitch: float) -> float:
    """Least height of the tool's point above a surface that the hand must not touch [m]."""
    tip = TIP * math.cos(pitch) + PAD * math.sin(pitch)
    palm = PALM_HALF * math.sin(pitch) - PALM_BACK * math.cos(pitch)
    return max(tip, palm) + FLOOR_GAP


def room(pitch: float, depth: float) -> float:
    """How far a thing may rise above the tool's point before it meets the palm [m]."""
    sine, cosine = math.sin(pitch), math.cos(pitch)
    corner = PALM_BACK * sine + PALM_HALF * cosine
    height = PALM_BACK * cosine - PALM_HALF * sine
    return height + max(0.0, corner - depth) * math.tan(pitch) - FLOOR_GAP


def grips(kind: ObjectKind, at: NDArray, facing: float) -> Iterator[Grip]:
    """Grips of a thing at a pose (7,), for a robot that faces `facing`; the wished ones first."""
    up = axis_of(at[3:], 2)
    if up[2] < UPRIGHT:
        yield from _fallen(kind, at, facing)
        return
    turned = yaw_of(at[3:])
    c, s = math.cos(turned), math.sin(turned)
    choices: list[tuple[float, Grip]] = []
    has_rim = kind.form == "bowl" or (kind.form == "disc" and kind.name != "steak")
    for hold, pitch, off in product(_holds(kind), PITCHES, HEADINGS):
        if hold.axis is None:
            heading = facing + off
        else:
            # the fingers open across the heading: of the two that fit, the one nearer to `facing`
            heading = turned + hold.axis + math.pi / 2
            if math.cos(heading - facing) < 0:
                heading += math.pi
            if off or (pitch > 0.4 and math.cos(heading - facing) < math.cos(1.3)):
                continue
        x, y, z = hold.point
        low = max(z, lowest(pitch))
        if hold.depth > 0:
            low = max(low, kind.height - room(pitch, hold.depth))
        tip = low - TIP * math.cos(pitch) - PAD * math.sin(pitch)
        if kind.height - tip < SHALLOW:
            continue  # the fingers would only touch the top
        point = at[:3] + np.array([c * x - s * y, s * x + c * y, low])
        aside = abs(math.remainder(heading - facing, 2 * math.pi))
        cost = PITCHES.index(pitch) + 1.5 * aside + (x * x + y * y) ** 0.5
        tool = pose(point, pointing(heading, pitch))
        choices.append((cost, Grip(tool, hold.width, pitch, has_rim)))
    yield from (grip for _, grip in sorted(choices, key=lambda c: c[0]))


def _fallen(kind: ObjectKind, at: NDArray, facing: float) -> Iterator[Grip]:
    """Across the long axis of a thing that lies on its side."""
    up = axis_of(at[3:], 2)
    middle = at[:3] + up * kind.height / 2
    heading = math.atan2(up[1], up[0])
    if math.cos(heading - facing) < 0:
        heading += math.pi
    for pitch, more in product(PITCHES, (0.0, math.pi)):
        height = max(float(middle[2]), float(at[2]) - kind.radius + lowest(pitch))
        tool = pose((middle[0], middle[1], height), pointing(heading + more, pitch))
        yield Grip(tool, min(2 * kind.radius, 0.075), pitch)


def rests(
    kind: ObjectKind, tool: NDArray, at: NDArray, facing: float
) -> Iterator[tuple[NDArray, float]]:
    """(tool orientation, tilt of the thing [rad]): ways to set down what is held, upright first.

    `tool`, `at`: poses of the tool and of the thing now; `facing`: heading of the robot [rad].
    """
    up, quat = axis_of(at[3:], 2), tool[3:]
    if up[2] > UPRIGHT:
        side = np.cross(up, (0.0, 0.0, 1.0))
        quat = quat_multiply(_turn(side, math.asin(min(1.0, float(np.linalg.norm(side))))), quat)
    points, x = axis_of(quat, 2), axis_of(quat, 0)
    level = points if abs(points[2]) < 0.6 else x
    heading = math.atan2(level[1], level[0])
    tilts = (0, 8, -8) if kind.height > 0.08 else (0, 12, -12, 25, -25, 38)
    for tilt, off in product(tilts, HEADINGS):
        ahead = facing + off
        turned = quat_multiply(_turn((0.0, 0.0, 1.0), ahead - heading), quat)
        side = (math.sin(ahead), -math.cos(ahead), 0.0)
        yield quat_multiply(_turn(side, math.radians(tilt)), turned), math.radians(tilt)


def _turn(axis: tuple | NDArray, angle: float) -> NDArray:
    axis = np.asarray(axis, float)
    length = np.linalg.norm(axis)
    if length < 1e-9:
        return np.array([1.0, 0.0, 0.0, 0.0])
    return np.concatenate([[math.cos(angle / 2)], math.sin(angle / 2) * axis / length])
