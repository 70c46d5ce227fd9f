"""Plans of races: splines of least snap through gates and around poles, from any motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots.control.flight.minimum_snap import ORDER, Polynomial, allocate_times, minimum_snap

from .gates import OPENING, OUTER, from_gate, in_gate

VIA = np.array(((-0.25, 0.0, 0.0), (0.2, 0.0, 0.0)))
"""Points that ways go through before and behind a gate, in its frame [m]."""
VIA_RANGE = np.array((((-0.4, -0.09, -0.09), (0.12, -0.09, -0.09)),
                      ((-0.12, 0.09, 0.09), (0.4, 0.09, 0.09))))  # fmt: skip
"""Lowest and highest that a search may move them to [m]."""
VIA_STEP = np.array((0.06, 0.03, 0.03))
"""Standard deviation of its moves [m]."""
SPEED, ACCELERATION = 1.4, 3.0
"""Of the time allocation [m/s, m/s^2]."""
CLEAR_POLE, CLEAR_FRAME = 0.18, 0.14
"""What a good way keeps from poles' axes and frames [m]."""
HULL_POLE, HULL_FRAME = 0.105, 0.09
"""Where hulls would touch, with 3 cm to spare: nearer costs much more [m]."""
CLEAR_WALL = 0.15
"""What it keeps from the ends of the course [m]."""
LOWEST = 0.3
"""Height that ways keep, once off the ground [m]."""
FASTEST = 1.3
"""Speed up to which a way costs nothing [m/s]: what comes into sight is 0.7 m away."""
HARDEST = 7.0
"""Acceleration up to which a way costs nothing [m/s^2]; a Crazyflie has about twice that."""
GOOD = 0.02
"""A way of this cost or less is not searched for a better one."""
SIDES = np.array((0.0, -0.25, 0.25, -0.45, 0.45, -0.65, 0.65, -0.9, 0.9))
RISES = np.array((0.0, 0.3, 0.6))
"""Detours compared: to the side and up, of the middle of each link [m]."""
SAMPLES = 16
"""Points at which each part of a link or spline is compared with obstacles."""
CANDIDATES = 24
"""Ways that are compared in each round of a search."""
STEPS = (0.05, 0.12, 0.3)
"""Standard deviations of the moves of middles in a search [m], in turn."""
STRETCHES = np.array((0.7, 1.0, 1.4, 2.0))
"""Of the first two durations of a spline that starts in motion."""


def lost_clearance(
    points: NDArray, gates: NDArray, poles: NDArray, limits: NDArray, stand: float
) -> NDArray:
    """How much clearance ways lose: points (N, C, S, 3), gates (N, G, 7), poles (N, P, 2).

    (N, C), the sum over obstacles of what is missing to the wanted distance at the nearest point,
    see `_lack`. `limits` (2, 3) are corners of the course [m]; `stand` is half the width of what
    gates stand on [m].
    """
    gap = np.linalg.norm(points[..., None, :2] - poles[:, None, None], axis=-1).min(axis=2)
    lost = _lack(gap, CLEAR_POLE, HULL_POLE).sum(axis=-1)
    here = in_gate(points[..., None, :], gates[:, None, None])
    edge = np.abs(here[..., 1:]).max(axis=-1)
    outside = np.maximum(np.maximum(edge - OUTER, OPENING - edge), 0.0)
    frame = np.sqrt(here[..., 0] ** 2 + outside**2)
    aside = np.maximum(np.abs(here[..., :2]) - stand, 0.0)
    below = np.maximum(here[..., 2] + OUTER, 0.0)
    foot = np.sqrt((aside**2).sum(axis=-1) + below**2)
    gap = np.minimum(frame, foot).min(axis=2)
    lost = lost + _lack(gap, CLEAR_FRAME, HULL_FRAME).sum(axis=-1)
    wall = np.minimum(points - limits[0], limits[1] - points)[..., :2].min(axis=-1)
    wall = np.minimum(wall, limits[1, 2] - points[..., 2]).min(axis=2)
    return (
        lost + _lack(wall, CLEAR_WALL, 0.0) + np.maximum(0.0, LOWEST - points[..., 2].min(axis=2))
    )


def _lack(gap: NDArray, clear: float, hull: float) -> NDArray:
    """Square of what lacks to `clear`, as a share; beyond `hull` its fall is steep."""
    near, touch = np.maximum(0.0, 1 - gap / clear), np.maximum(0.0, hull - gap)
    return near**2 + 30.0 * touch


@dataclass
class _Ways:
    """What a spline is made of, for rows of worlds."""

    middles: NDArray
    """(N, K, 3) of the links to the gates [m]."""
    vias: NDArray
    """(N, K, 2, 3) before and behind each gate, in its frame [m]."""
    stretch: NDArray
    """(N,) of the first two durations."""

    def rows(self, rows: NDArray) -> _Ways:
        return _Ways(self.middles[rows], self.vias[rows], self.stretch[rows])

    def put(self, rows: NDArray, other: _Ways) -> None:
        self.middles[rows], self.vias[rows] = other.middles, other.vias
        self.stretch[rows] = other.stretch


def _powers(order: int) -> NDArray:
    """(S, 8): coefficients -> values of the derivative `order` by u at `SAMPLES` places."""
    u = (np.arange(SAMPLES) + 0.5) / SAMPLES
    k = np.arange(ORDER)
    factor = np.prod([k - i for i in range(order)], axis=0) if order else np.ones(ORDER)
    return factor * u[:, None] ** np.maximum(k - order, 0)


PLACES, SPEEDS, ACCELERATIONS = _powers(0), _powers(1), _powers(2)


class Planner:
    """Plans ways through one course's gates: its `limits` (2, 3) and half a `stand` [m]."""

    def __init__(self, limits: NDArray, stand: float) -> None:
        self.limits, self.stand = limits, stand

    def plan(
        self, start: NDArray, gates: NDArray, poles: NDArray, ahead: NDArray, *,
        motion: NDArray | None = None, rounds: int = 40,
    ) -> Polynomial:  # fmt: skip
        """Splines from `start` (N, 3) through gates (N, K, 7), ending at rest behind the last.

        Detours of straight links come first; then via points of worlds whose spline still loses
        clearance are moved at random (always the same way) and kept where they lose less.

        Args:
            start: position now; on the ground where `motion` is None, and left straight up.
            gates: all that stand about, (N, G, 7).
            poles: likewise, (N, P, 2).
            ahead: the gates to fly through, in order, (N, K, 7).
            motion: velocity, acceleration and jerk at the start, (N, 3, 3).
            rounds: of the search.
        """
        problem = _Problem(self, start, gates, poles, ahead, motion)
        ways = problem.detours()
        costs = problem.cost(np.arange(len(start)), ways)
        rng = np.random.default_rng(0)
        for k in range(rounds):
            moved = _moves(rng, ahead.shape[1], STEPS[k % len(STEPS)], motion is not None)
            bad = np.flatnonzero(costs > GOOD)
            if len(bad) == 0:
                break
            best, tried = problem.best_of(bad, ways, moved)
            better = tried < costs[bad]
            costs[bad[better]] = tried[better]
            ways.put(bad[better], best.rows(better))
        return problem.spline(np.arange(len(start)), ways)

    def lost(self, points: NDArray, gates: NDArray, poles: NDArray) -> NDArray:
        """See `lost_clearance`."""
        return lost_clearance(points, gates, poles, self.limits, self.stand)


def _moves(rng: np.random.Generator, num: int, step: float, in_motion: bool) -> _Ways:
    """`CANDIDATES` random moves of what lies before each of `num` gates."""
    size = (CANDIDATES, num)
    some = rng.random(size) < 0.6
    some[:, 0] |= in_motion  # what comes next matters most
    middles = step * rng.normal(size=(*size, 3)) * some[..., None]
    vias = VIA_STEP * rng.normal(size=(*size, 2, 3)) * some[..., None, None]
    stretch = np.full(CANDIDATES, np.nan)  # not a number: keep it
    if in_motion:
        picked = rng.random(CANDIDATES) < 0.3
        stretch[picked] = rng.choice(STRETCHES, picked.sum())
    return _Ways(middles, vias, stretch)


class _Problem:
    """One call of `Planner.plan`."""

    def __init__(
        self, planner: Planner, start: NDArray, gates: NDArray, poles: NDArray, ahead: NDArray,
        motion: NDArray | None,
    ) -> None:  # fmt: skip
        self.planner, self.gates, self.poles = planner, gates, poles
        self.ahead, self.motion = ahead, motion
        self.lead = [start] if motion is not None else [start, start + np.array((0.0, 0.0, 0.5))]

    def detours(self) -> _Ways:
        """Middles of straight links, by length and clearance."""
        count, num = self.ahead.shape[:2]
        middles, last = np.empty((count, num, 3)), self.lead[-1]
        for k in range(num):
            before, behind = (from_gate(v, self.ahead[:, k]) for v in VIA)
            middles[:, k] = self._detour(last, before)
            last = behind
        return _Ways(middles, np.tile(VIA, (count, num, 1, 1)), np.ones(count))

    def _detour(self, start: NDArray, end: NDArray) -> NDArray:
        """The point (N, 3) to go through from `start` to `end` (N, 3)."""
        way = end - start
        across = np.stack([-way[:, 1], way[:, 0], 0 * way[:, 0]], axis=-1)
        across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6)
        side, rise = (g.ravel() for g in np.meshgrid(SIDES, RISES))
        middle = (0.5 * (start + end))[:, None] + side[:, None] * across[:, None]
        middle[..., 2] += rise
        share = np.linspace(0.0, 1.0, SAMPLES)[:, None]
        first = start[:, None, None] + share * (middle - start[:, None])[:, :, None]
        second = middle[:, :, None] + share * (end[:, None] - middle)[:, :, None]
        points = np.concatenate([first, second], axis=2)
        length = np.linalg.norm(middle - start[:, None], axis=-1)
        length = length + np.linalg.norm(end[:, None] - middle, axis=-1)
        lost = self.planner.lost(points, self.gates, self.poles)
        return middle[np.arange(len(middle)), np.argmin(length + 3.0 * lost, axis=1)]

    def spline(self, rows: NDArray, ways: _Ways) -> Polynomial:
        """Of the worlds `rows`, which `ways` has in the same order."""
        points = [p[rows] for p in self.lead]
        for k in range(self.ahead.shape[1]):
            through = [from_gate(ways.vias[:, k, i], self.ahead[rows, k]) for i in (0, 1)]
            points += [ways.middles[:, k], *through]
        waypoints = np.stack(points, axis=1)
        times = allocate_times(waypoints, SPEED, ACCELERATION)
        times[:, :2] *= ways.stretch[:, None]
        motion = None if self.motion is None else self.motion[rows]
        return minimum_snap(waypoints, times, start=motion)

    def cost(self, rows: NDArray, ways: _Ways) -> NDArray:
        """Clearance that splines lose once off the ground, and what is too fast or hard, (N,)."""
        spline = self.spline(rows, ways)
        flown = slice(1 if self.motion is None else 0, None)
        coefficients = spline.coefficients[:, flown]
        points = np.einsum("pk,nskd->nspd", PLACES, coefficients).reshape(len(rows), 1, -1, 3)
        seconds = spline.durations[:, flown, None]
        speed, strain = (
            np.linalg.norm(np.einsum("pk,nskd->nspd", m, coefficients), axis=-1) / seconds**order
            for m, order in ((SPEEDS, 1), (ACCELERATIONS, 2))
        )
        lost = self.planner.lost(points, self.gates[rows], self.poles[rows])[:, 0]
        lost += 0.2 * np.maximum(0.0, speed.max(axis=(1, 2)) - FASTEST)
        return lost + 0.2 * np.maximum(0.0, strain.max(axis=(1, 2)) - HARDEST)

    def best_of(self, rows: NDArray, ways: _Ways, moves: _Ways) -> tuple[_Ways, NDArray]:
        """The best of all `moves` from each world's way, and its cost."""
        own, count = np.repeat(rows, CANDIDATES), len(rows)

        def moved(now: NDArray, by: NDArray) -> NDArray:
            return now[own] + np.tile(by, (count, *(1,) * (by.ndim - 1)))

        stretch = np.tile(moves.stretch, count)
        tried = _Ways(
            moved(ways.middles, moves.middles),
            np.clip(moved(ways.vias, moves.vias), *VIA_RANGE),
            np.where(np.isnan(stretch), ways.stretch[own], stretch),
        )
        costs = self.cost(own, tried).reshape(count, CANDIDATES)
        at = costs.argmin(axis=1)
        return tried.rows(np.arange(count) * CANDIDATES + at), costs[np.arange(count), at]
