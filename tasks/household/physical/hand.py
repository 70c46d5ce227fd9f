"""Hand: ways of the arm to a tool pose and back to where it rests, with and without a load."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots.mobile_panda.spec import BASE_RADIUS, MOUNT, TURNED_BACK

from ..state import kind
from .machine import ARM_SPEED, CARRY_SPEED, Machine
from .reach import IsFree, Path, Reach, between, dense
from .tool import compose, inverse, pose

Base = tuple[float, float, float]
CLEARANCES = (0.012, 0.0)
"""Kept from everything on the way back, the wished one first [m]."""
SAME = 0.1
"""Between joints of one way to hold the arm, at most [rad]."""
RESTS = ((0.22, 1.05), (0.28, 1.05), (0.34, 1.00), (0.30, 1.12), (0.40, 0.95), (0.45, 1.05))
"""Where the tool is while something is carried: distance from the arm's axis, height [m]. Over the
base and above tables and worktops."""


BACKS = (TURNED_BACK, -TURNED_BACK, 2.2, -2.2, 1.8, -1.8)
"""Directions in which it is then, the wished one first [rad]."""


@dataclass(frozen=True)
class Way:
    """A way of the arm to a tool pose: around things, then in straight lines."""

    base: Base
    far: Path
    near: Path


class Hand:
    """Plans and carries out motions of the arm; knows what the hand holds."""

    def __init__(self, machine: Machine, reach: Reach) -> None:
        self.machine, self.reach = machine, reach
        self.held = ""
        """Thing in the hand; empty when none."""
        self.in_tool = np.zeros(7)
        """Its pose in the tool's frame when it was taken."""
        self.load: tuple[str, ...] = ()
        """It and all that is on or in it."""

    # -- what is free ------------------------------------------------------------------------------

    def free(
        self,
        base: Base,
        ignored: Sequence[str] = (),
        others: dict[str, float] | None = None,
        clearance: float = 0.0,
    ) -> IsFree:
        """Whether the arm and its load touch nothing at some joints, with the base at `base`."""
        machine = self.machine
        back = inverse(machine.pose("hand"))
        carried = {thing: compose(back, machine.pose(thing)) for thing in self.load}
        joints = dict(zip(("base_x", "base_y", "base_yaw"), base, strict=True)) | (others or {})
        machine.probe.load(
            carried=carried, hand="hand", ignored=ignored, others=joints, clearance=clearance
        )
        return machine.probe.is_free

    # -- ways --------------------------------------------------------------------------------------

    def way(
        self,
        base: Base,
        poses: Sequence[NDArray],
        ignored: Sequence[str] = (),
        ends: Sequence[NDArray] | None = None,
    ) -> Way | None:
        """A way through tool poses, of which the last is the goal; None where there is none.

        Things in `ignored` may be touched from the last pose but one on. `ends`: joints at the
        goal to choose from, found to be free; None: any.
        """
        reach, start = self.reach, self.machine.arm
        if ends is None:
            ends = self.arrives(base, poses[-1], ignored)
            wanted = None
        else:
            wanted = ends
        if not ends:
            return None
        found = self._level(base, start, poses, ignored)
        if found is not None and (wanted is None or _is_among(found.near[-1], wanted)):
            return found
        backwards = [p for a, b in zip(poses[::-1], poses[-2::-1], strict=False)
                     for p in between(a, b)]  # fmt: skip
        for end in ends[:3]:
            near = reach.line(base, end, backwards)
            if near is None or not self._is_clear(base, near[::-1], poses, ignored):
                continue
            for clearance in CLEARANCES:
                far = reach.around(start, near[-1], self.free(base, (), None, clearance))
                if far is not None:
                    return Way(base, far, near[::-1])
        return None

    def arrives(self, base: Base, tool: NDArray, ignored: Sequence[str] = ()) -> list[NDArray]:
        """Joints at which the tool is at a pose and nothing touches."""
        ends = self.reach.solutions(base, tool, self.machine.arm)
        if not ends:
            return []
        is_free = self.free(base, ignored)
        return [q for q in ends if is_free(q)]

    def _is_clear(
        self, base: Base, path: Path, poses: Sequence[NDArray], ignored: Sequence[str]
    ) -> bool:
        last = len(between(poses[-2], poses[-1])) if len(poses) > 1 else 1
        is_free = self.free(base)
        if not all(is_free(q) for q in path[:-last]):
            return False
        is_free = self.free(base, ignored)
        return all(is_free(q) for q in path[-last:])

    def _level(
        self, base: Base, start: NDArray, poses: Sequence[NDArray], ignored: Sequence[str]
    ) -> Way | None:
        """Turn the first joint towards the goal, then straight on: what is carried stays level."""
        reach = self.reach
        back = inverse(reach.foot(base))
        to, at = compose(back, poses[0]), compose(back, reach.tool(base, start))
        turn = math.remainder(math.atan2(to[1], to[0]) - math.atan2(at[1], at[0]), 2 * math.pi)
        middle = start.copy()
        middle[0] += turn
        if not reach.lower[0] <= middle[0] <= reach.upper[0]:
            return None
        line, at = [], reach.tool(base, middle)
        for goal in poses:
            line += between(at, goal)
            at = goal
        near = reach.line(base, middle, line)
        if near is None or not self._is_clear(base, near, poses, ignored):
            return None
        far = dense(np.array([start, middle]))
        is_free = self.free(base, (), None, CLEARANCES[0])
        if not all(is_free(q) for q in far[1:]):
            return None
        return Way(base, far, near)

    # -- motions -----------------------------------------------------------------------------------

    @property
    def speed(self) -> float:
        """Of the arm's fastest joint [rad/s]."""
        return CARRY_SPEED if self.held else ARM_SPEED

    def go(self, way: Way, near_speed: float = 0.5) -> None:
        """Follow a way; the base must be there."""
        self.machine.follow(way.far, self.speed)
        self.machine.follow(way.near, near_speed)

    def lines(self, poses: Sequence[NDArray], speed: float = 0.5) -> bool:
        """Lead the tool straight from pose to pose; whether the arm gets to the last one."""
        machine = self.machine
        base, at = machine.stance, self.reach.tool(machine.stance, machine.arm)
        points = []
        for goal in poses:
            points += between(at, goal)
            at = goal
        path = self.reach.line(base, machine.arm, points)
        if path is None:
            return False
        machine.follow(path, speed)
        return True

    def lift(self, by: NDArray | Sequence[float]) -> NDArray:
        """The commanded tool pose, shifted in the world."""
        at = self.reach.tool(self.machine.stance, self.machine.arm)
        return pose(at[:3] + np.asarray(by, float), at[3:])

    def rest(self) -> None:
        """Bring the arm over the base, clear of everything where that can be found."""
        machine, reach = self.machine, self.reach
        base, start = machine.stance, machine.arm
        if not self.held:
            way = None
            for clearance in CLEARANCES:
                is_free = self.free(base, clearance=clearance)
                way = reach.around(start, reach.tucked, is_free)
                if way is not None:
                    break
            machine.follow(np.array([reach.tucked]) if way is None else way, self.speed)
            return
        is_free = self.free(base)
        way = self._rest_level(base, start, is_free)
        if way is None:
            way = self._rest_anyhow(base, start, is_free)
        if way is not None:
            machine.follow(way, self.speed)

    def _rest_level(self, base: Base, start: NDArray, is_free: IsFree) -> Path | None:
        reach = self.reach
        foot = reach.foot(base)
        at = compose(inverse(foot), reach.tool(base, start))
        angle = math.atan2(at[1], at[0])
        lines: dict[tuple[float, float], Path | None] = {}
        for distance, height, back in self._rests(at):
            if (distance, height) not in lines:
                local = (
                    distance * math.cos(angle), distance * math.sin(angle), height - foot[2]
                )  # fmt: skip
                line = reach.straight(base, start, compose(foot, pose(local, at[3:])))
                is_clear = line is not None and all(is_free(q) for q in line[2:])
                lines[distance, height] = line if is_clear else None
            line = lines[distance, height]
            if line is None:
                continue
            turned = line[-1].copy()
            turned[0] += back - angle
            if not reach.lower[0] <= turned[0] <= reach.upper[0]:
                continue
            turn = dense(np.array([line[-1], turned]))
            if all(is_free(q) for q in turn[1:]):
                return np.concatenate([line, turn[1:]])
        return None

    def _rests(self, at: NDArray) -> list[tuple[float, float, float]]:
        """Distance, height and direction of the tool to rest at from a pose in the arm's frame.

        Those first at which the load stays within the base's outline, which ways are planned for.
        """
        off = compose((0, 0, 0, *at[3:]), self.in_tool)[:2]
        angle, wide = math.atan2(at[1], at[0]), kind(self.held).radius

        def over(choice: tuple[float, float, float]) -> float:
            distance, _, back = choice
            c, s = math.cos(back - angle), math.sin(back - angle)
            x = distance * math.cos(back) + c * off[0] - s * off[1] + MOUNT[0]
            y = distance * math.sin(back) + s * off[0] + c * off[1] + MOUNT[1]
            return max(0.0, math.hypot(x, y) + wide - BASE_RADIUS)

        return sorted(((d, h, b) for d, h in RESTS for b in BACKS), key=over)

    def _rest_anyhow(self, base: Base, start: NDArray, is_free: IsFree) -> Path | None:
        reach = self.reach
        foot = reach.foot(base)
        at = compose(inverse(foot), reach.tool(base, start))
        angle = math.atan2(at[1], at[0])
        for distance, height, back in self._rests(at):
            local = (distance * math.cos(back), distance * math.sin(back), height - foot[2])
            half = (back - angle) / 2
            turn = (math.cos(half), 0.0, 0.0, math.sin(half))
            end = compose(foot, pose(local, compose((0, 0, 0, *turn), at)[3:]))
            for q in reach.solutions(base, end, start)[:2]:
                if is_free(q):
                    way = reach.around(start, q, is_free)
                    if way is not None:
                        return way
        return None


def _is_among(joints: NDArray, choices: Sequence[NDArray]) -> bool:
    return any(np.abs(joints - q).max() < SAME for q in choices)
