"""Reach: joint paths of the arm: tool poses by inverse kinematics, lines, and ways around things.

Seeds are brought to a pose all at once (`InverseKinematics.delta`); lines are followed by mink with
the joint limits as constraints; what would be touched is asked of a `Probe`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import ROBOTS
from octoworld.core.rotations import matrix_from_quat
from robots.control.ik import InverseKinematics, ik_config
from robots.control.mink_ik import MinkIk
from robots.mobile_panda.spec import MOUNT, TUCKED

from .tool import compose, inverse, planar

Path = NDArray
"""Joint positions along a way, (n, 7) [rad]."""
IsFree = Callable[[NDArray], bool]

SEED_STEPS, MOST_SOLVES = 30, 4
NEAR, TURNED = 0.0015, 0.02
"""How far from a pose the tool may end [m], [rad]."""
LINE_STEP = 0.025
"""Between points of a line [m]."""
JUMP = 0.35
"""Joints do not move farther between two points of a line [rad]."""
CHECKED = 0.05
"""Between points at which a way is checked [rad]: doors are 2 cm thin, and 0.05 rad of the shoulder
are 3 cm at the hand."""
TREE_STEP, TREE_NODES = 0.20, 700
"""Of the random trees: edge [rad] and how many nodes they may have."""
_SHAPES = (
    (0.0, -0.3, 0.0, -2.3, 0.0, 2.1, 0.785), (0.0, 0.5, 0.0, -1.6, 0.0, 2.2, 0.785),
    (0.5, 0.2, -0.5, -2.2, 0.3, 2.3, 0.6), (-0.5, 0.2, 0.5, -2.2, -0.3, 2.3, 1.0),
    (0.9, 0.6, -1.0, -2.0, 0.6, 2.2, 0.4), (-0.9, 0.6, 1.0, -2.0, -0.6, 2.2, 1.2),
    (0.0, 0.2, 0.0, -2.7, 0.0, 2.9, 0.785), (0.0, 1.2, 0.0, -1.2, 0.0, 2.6, 0.785),
    (0.0, -0.3, 0.0, -2.3, 0.0, 2.1, -2.35), (0.0, 0.5, 0.0, -1.6, 0.0, 2.2, -2.35),
    (0.0, -0.3, 0.0, -2.3, 0.0, 2.1, 2.35), (0.0, 0.5, 0.0, -1.6, 0.0, 2.2, -0.785),
)  # fmt: skip
"""Elbow up, out to the left and right, folded, stretched; the hand turned by half a turn."""


class Reach:
    """Plans for the arm, in the world's frame, from where the base stands."""

    def __init__(self) -> None:
        spec = ROBOTS.get("panda")()  # the arm alone: its frame is that of its foot
        self._ik = InverseKinematics(spec, ik_config(spec, iterations=1, posture_cost=1e-4))
        self._mink = MinkIk(spec, ik_config(spec, iterations=3, posture_cost=1e-4))
        self._kinematics = self._ik.kinematics
        self.lower = self._kinematics.lower + 0.02
        self.upper = self._kinematics.upper - 0.02
        self.tucked = np.array(TUCKED)

    def foot(self, base: Sequence[float]) -> NDArray:
        """Frame of the arm when the base is at (x, y, yaw)."""
        return compose(planar(*base), (*MOUNT, 1.0, 0.0, 0.0, 0.0))

    def tool(self, base: Sequence[float], joints: NDArray) -> NDArray:
        """Tool pose (7,) in the world."""
        return compose(self.foot(base), self._kinematics.tool_pose(joints[None])[0])

    def solutions(
        self, base: Sequence[float], target: NDArray, near: NDArray | None = None
    ) -> list[NDArray]:
        """Joint positions that bring the tool to a pose (7,), the least bent from `near` first."""
        local = compose(inverse(self.foot(base)), target)
        if np.linalg.norm(local[:3] - (0.0, 0.0, 0.333)) > 1.05:
            return []
        angle = math.atan2(local[1], local[0])
        seeds = np.array(_SHAPES)
        seeds[:, 0] += angle
        if near is not None:
            seeds = np.concatenate([near[None], seeds])
        joints = np.clip(seeds, self.lower, self.upper)
        targets = np.repeat(local[None], len(joints), axis=0)
        for _ in range(SEED_STEPS):
            step = self._ik.unlimited(joints, targets) - joints
            joints = np.clip(joints + np.clip(step, -0.5, 0.5), self.lower, self.upper)
        good = joints[self._is_at(joints, targets)]
        start = self.tucked if near is None else near
        found: list[NDArray] = []
        for q in sorted(good, key=lambda q: float(np.abs(q - start).max())):
            if all(np.abs(q - other).max() > 0.2 for other in found):
                found.append(q)
        return found

    def track(self, tool: NDArray, joints: NDArray, dt: float) -> NDArray:
        """Joints one period later that follow a tool pose (7,) in the base's frame, as they can."""
        foot = np.array([*MOUNT, 1.0, 0.0, 0.0, 0.0])
        return self._mink.track(joints, compose(inverse(foot), tool), dt)

    def _is_at(self, joints: NDArray, targets: NDArray) -> NDArray:
        at, turned = self._kinematics.tool_frame(joints)
        off = np.linalg.norm(at - targets[:, :3], axis=1)
        wanted = matrix_from_quat(targets[:, 3:])
        cosine = (np.einsum("nij,nij->n", turned, wanted) - 1) / 2
        return (off < NEAR) & (np.arccos(np.clip(cosine, -1, 1)) < TURNED)

    def line(self, base: Sequence[float], joints: NDArray, poses: Sequence[NDArray]) -> Path | None:
        """Joints that lead the tool through poses, starting at `joints`; None where it cannot."""
        back = inverse(self.foot(base))
        path, at, is_there = [joints], joints, True
        for target in poses:
            local = compose(back, target)
            for _ in range(MOST_SOLVES):
                at = self._mink.solve(at, local, self.lower, self.upper)
                if is_there := bool(self._is_at(at[None], local[None])[0]):
                    break
            if not is_there or np.abs(at - path[-1]).max() > JUMP:
                return None
            path.append(at)
        return np.array(path)

    def straight(self, base: Sequence[float], joints: NDArray, end: NDArray) -> Path | None:
        """A straight line of the tool to the pose `end`, turning evenly."""
        return self.line(base, joints, between(self.tool(base, joints), end))

    def around(self, start: NDArray, end: NDArray, is_free: IsFree) -> Path | None:
        """A way in joint space: straight, else by two random trees; None where none was found."""
        if _is_clear(start, end, is_free):
            return np.array([start, end])
        return _trees(start, end, self.lower, self.upper, is_free)


def between(a: NDArray, b: NDArray, step: float = LINE_STEP, turn: float = 0.12) -> list[NDArray]:
    """Poses from `a` (left out) to `b`, neighbours no farther apart than `step` and `turn`."""
    qa, qb = a[3:], b[3:] if a[3:] @ b[3:] >= 0 else -b[3:]
    angle = 2 * math.acos(min(1.0, abs(float(qa @ qb))))
    count = max(1, math.ceil(np.linalg.norm(b[:3] - a[:3]) / step), math.ceil(angle / turn))
    poses = []
    for i in range(1, count + 1):
        s = i / count
        q = (1 - s) * qa + s * qb
        poses.append(np.concatenate([(1 - s) * a[:3] + s * b[:3], q / np.linalg.norm(q)]))
    return poses


def dense(path: Path, step: float = CHECKED) -> Path:
    """The same way with points no farther apart than `step` [rad]."""
    points = [path[0]]
    for a, b in pairwise(path):
        count = max(1, math.ceil(float(np.abs(b - a).max()) / step))
        points += [a + (b - a) * i / count for i in range(1, count + 1)]
    return np.array(points)


def _is_clear(a: NDArray, b: NDArray, is_free: IsFree) -> bool:
    return all(is_free(q) for q in dense(np.array([a, b]))[1:])


def _trees(
    start: NDArray, end: NDArray, lower: NDArray, upper: NDArray, is_free: IsFree
) -> Path | None:
    """RRT-Connect (Kuffner and LaValle, ICRA 2000), then shortened; the same draws every time."""
    rng = np.random.default_rng(0)
    trees = [([start], [-1]), ([end], [-1])]
    for turn in range(TREE_NODES):
        nodes, parents = trees[turn % 2]
        others, _ = trees[1 - turn % 2]
        low, high = np.minimum(start, end) - 0.6, np.maximum(start, end) + 0.6
        goal = np.clip(rng.uniform(low, high), lower, upper)
        new = _extend(nodes, parents, goal, is_free, 1)
        if new is None:
            continue
        met = _extend(others, trees[1 - turn % 2][1], new, is_free, 60)
        if met is not None and np.abs(met - new).max() < 1e-9:
            halves = [_branch(*trees[0]), _branch(*trees[1])]
            path = np.array(halves[0][::-1] + halves[1][1:])
            return _shortened(path, is_free, rng)
    return None


def _extend(
    nodes: list, parents: list, goal: NDArray, is_free: IsFree, steps: int
) -> NDArray | None:
    index = int(np.argmin(np.abs(np.array(nodes) - goal).max(axis=1)))
    at, last = nodes[index], None
    for _ in range(steps):
        gap = goal - at
        far = float(np.abs(gap).max())
        step = goal if far <= TREE_STEP else at + gap * (TREE_STEP / far)
        if not _is_clear(at, step, is_free):
            break
        at = step
        nodes.append(at)
        parents.append(index)
        index, last = len(nodes) - 1, at
        if at is goal:
            break
    return last


def _branch(nodes: list, parents: list) -> list:
    index, found = len(nodes) - 1, []
    while index >= 0:
        found.append(nodes[index])
        index = parents[index]
    return found


def _shortened(path: Path, is_free: IsFree, rng: np.random.Generator) -> Path:
    for _ in range(25):
        if len(path) < 3:
            break
        i, j = sorted(rng.integers(0, len(path), 2))
        if j - i > 1 and _is_clear(path[i], path[j], is_free):
            path = np.concatenate([path[: i + 1], path[j:]])
    return path
