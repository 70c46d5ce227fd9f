"""RacePilot: plans splines of least snap through gates and around poles, and flies them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from robots.control.flight.minimum_snap import Polynomial, allocate_times, minimum_snap
from robots.control.flight.setpoint import Setpoint
from sim.world import FlyingWorld

from .gates import OPENING, OUTER, from_gate, in_gate
from .pilot import Pilot

if TYPE_CHECKING:
    from .gate_race import GateRace

BEFORE, BEHIND = 0.25, 0.2
"""Via points on each gate's axis [m]."""
SPEED, ACCELERATION, SLOWER = 1.4, 3.0, 0.75
"""Of the time allocation [m/s, m/s^2], and the share of its durations taken."""
CLEAR_POLE, CLEAR_FRAME = 0.18, 0.14
"""What a good way keeps from poles' axes and frames [m]."""
LOWEST = 0.3
"""Height that ways keep, once off the ground [m]."""
SIDES = np.array((0.0, -0.25, 0.25, -0.45, 0.45, -0.65, 0.65, -0.9, 0.9))
RISES = np.array((0.0, 0.3, 0.6))
"""Detours compared: to the side and up, of the middle of each link [m]."""
SAMPLES = 16
SPLINE_SAMPLES = 240
"""Points at which a link and a spline are compared with obstacles."""
RISEN = 0.12
"""Share of a spline's time in which it leaves the ground [-]."""
TRIES = 200
"""Of the search for via points that lose less clearance."""


def lost_clearance(points: NDArray, gates: NDArray, poles: NDArray) -> NDArray:
    """How much clearance ways lose: points (N, C, S, 3), gates (N, G, 7), poles (N, P, 2).

    (N, C), the sum over obstacles of what is missing to the wanted distance at the nearest point,
    as a share of that distance.
    """
    gap = np.linalg.norm(points[..., None, :2] - poles[:, None, None], axis=-1).min(axis=2)
    lost = np.maximum(0.0, 1 - gap / CLEAR_POLE).sum(axis=-1)
    here = in_gate(points[..., None, :], gates[:, None, None])
    edge = np.abs(here[..., 1:]).max(axis=-1)
    outside = np.maximum(np.maximum(edge - OUTER, OPENING - edge), 0.0)
    frame = np.sqrt(here[..., 0] ** 2 + outside**2).min(axis=2)
    lost = lost + np.maximum(0.0, 1 - frame / CLEAR_FRAME).sum(axis=-1)
    return lost + np.maximum(0.0, LOWEST - points[..., 2].min(axis=2))


def detour(start: NDArray, end: NDArray, gates: NDArray, poles: NDArray) -> NDArray:
    """The point (N, 3) to go through between `start` and `end` (N, 3), by length and clearance."""
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
    best = np.argmin(length + 3.0 * lost_clearance(points, gates, poles), axis=1)
    return middle[np.arange(len(middle)), best]


def spline(start: NDArray, gates: NDArray, middles: NDArray, offsets: NDArray) -> Polynomial:
    """Of least snap from `start` (N, 3) up, through middles of links (N, G, 3) and gates (N, G, 7).

    `offsets` (N, G, 2) are the distances of the via points before and behind each gate [m].
    """
    points = [start, start + np.array((0.0, 0.0, 0.5))]
    for k in range(gates.shape[1]):
        points += [middles[:, k], on_axis(gates[:, k], -offsets[:, k, 0])]
        points.append(on_axis(gates[:, k], offsets[:, k, 1]))
    waypoints = np.stack(points, axis=1)
    return minimum_snap(waypoints, SLOWER * allocate_times(waypoints, SPEED, ACCELERATION))


def on_axis(gates: NDArray, x: NDArray) -> NDArray:
    """Points (N, 3) at `x` (N,) [m] on the axes of gates (N, 7)."""
    flat = np.zeros_like(x)
    return from_gate(np.stack([x, flat, flat], axis=-1), gates)


def spline_cost(way: Polynomial, gates: NDArray, poles: NDArray) -> NDArray:
    """Clearance that splines lose along their time (N,) [m]."""
    share = np.linspace(RISEN, 1.0, SPLINE_SAMPLES)[:, None]
    points = np.moveaxis(way.path(share * way.duration)[0], 0, 1)
    return lost_clearance(points[:, None], gates, poles)[:, 0]


def plan(start: NDArray, gates: NDArray, poles: NDArray) -> Polynomial:
    """Splines from `start` (N, 3) through gates (N, G, 7), ending at rest behind the last.

    Detours of straight links come first; then via points of worlds whose spline still loses
    clearance are moved at random (always the same way) and kept where they lose less.
    """
    count, num_gates = gates.shape[:2]
    offsets = np.full((count, num_gates, 2), (BEFORE, BEHIND))
    middles, last = np.empty((count, num_gates, 3)), start + np.array((0.0, 0.0, 0.5))
    for k in range(num_gates):
        middles[:, k] = detour(last, on_axis(gates[:, k], -offsets[:, k, 0]), gates, poles)
        last = on_axis(gates[:, k], offsets[:, k, 1])
    cost = spline_cost(spline(start, gates, middles, offsets), gates, poles)
    rng = np.random.default_rng(0)
    for _ in range(TRIES):
        shift = rng.normal(0.0, rng.choice((0.1, 0.25)), middles.shape[1:])
        stretch = rng.normal(0.0, 0.06, offsets.shape[1:])
        one = rng.random(num_gates) < 0.5
        bad = np.flatnonzero(cost > 0)
        if len(bad) == 0:
            break
        new = middles[bad] + shift * one[:, None]
        via = np.clip(offsets[bad] + stretch * one[:, None], 0.12, 0.4)
        tried = spline_cost(spline(start[bad], gates[bad], new, via), gates[bad], poles[bad])
        better = tried < cost[bad]
        kept = bad[better]
        middles[kept], offsets[kept], cost[kept] = new[better], via[better], tried[better]
    return spline(start, gates, middles, offsets)


class RacePilot(Pilot):
    """Plans once for each world's track, and again where a track has changed."""

    def __init__(self, task: GateRace) -> None:
        super().__init__(task)
        self.key: NDArray | None = None
        self.plan: Polynomial | None = None

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """The spline at the task's clock."""
        task = cast("GateRace", self.task)
        memory, count = task.memory, task.num_worlds
        parts = (memory["origin"], memory["gates"], memory["poles"])
        key = np.concatenate([p.reshape(count, -1) for p in parts], axis=1)
        if self.plan is None or self.key is None:
            self.key, self.plan = key, plan(*parts)
        changed = (key != self.key).any(axis=1)
        if changed.any():
            fresh = plan(*(p[changed] for p in parts))
            durations, coefficients = self.plan.durations.copy(), self.plan.coefficients.copy()
            durations[changed], coefficients[changed] = fresh.durations, fresh.coefficients
            self.key, self.plan = key, Polynomial(durations, coefficients)
        return Setpoint(self.plan(task.time).array[:, None])
