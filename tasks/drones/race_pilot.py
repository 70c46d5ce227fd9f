"""RacePilot: flies splines of least snap, planned anew whenever it sees where things really are."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from robots.control.flight.minimum_snap import ORDER, Polynomial
from robots.control.flight.setpoint import Setpoint
from sim.world import FlyingWorld

from .gates import OPENING, in_gate
from .pilot import Pilot
from .race_plan import Planner

if TYPE_CHECKING:
    from .gate_race import GateRace

COMMITTED, LEFT = 0.25, 0.15
"""Within this before its next gate and behind the last one, a way is flown as planned [m]."""
ROUNDS_AGAIN = 25
"""Rounds of the search for a better way in the air; on the ground there is more time."""


class RacePilot(Pilot):
    """Plans on the ground, and again in the air where what it knows of its track has changed.

    It knows what the drone is told and has seen (`GateRace.known`), no more. A new plan starts in
    the motion of the old one; where there is none (a restored state), in the drone's own.
    """

    task: GateRace

    def __init__(self, task: GateRace) -> None:
        super().__init__(task)
        count, segments = task.num_worlds, 1 + 3 * task.num_gates
        self.planner = Planner(task.limits, task.stand)
        self.way = Polynomial(np.ones((count, segments)), np.zeros((count, segments, ORDER, 3)))
        self.since = np.zeros(count)
        """(N,) when the present ways began [s]."""
        self.origin = np.full((count, 3), np.nan)
        """(N, 3) starts of the episodes that they are for [m]."""
        self.known = np.full((count, 7 * task.num_gates + 2 * task.num_poles), np.nan)
        """(N, ...) what they were planned by."""

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """The present spline, at the task's clock."""
        task = cast("GateRace", self.task)
        time, flight = task.time, world.flight
        known = np.concatenate([p.reshape(len(time), -1) for p in task.known()], axis=1)
        other = (self.origin != task.memory["origin"]).any(axis=1) | (time < self.since)
        self.origin[other] = task.memory["origin"][other]
        self._plan(np.flatnonzero(other & (time == 0)), task.memory["origin"], None, known)
        position, *motion = self.way.path(time - self.since)
        moving = np.stack(motion, axis=1)
        astray = other & (time > 0)
        position[astray] = flight.position[astray, 0]
        moving[astray] = 0.0
        moving[astray, 0] = flight.velocity[astray, 0]
        learned = (known != self.known).any(axis=1) & ~self._committed(position)
        learned &= task.memory["passed"] < task.num_gates
        self._plan(np.flatnonzero(learned | astray), position, moving, known)
        return Setpoint(self.way(time - self.since).array[:, None])

    def _committed(self, position: NDArray) -> NDArray[np.bool_]:
        """(N,) ways that are just before their next gate, or just behind the last one."""
        memory, gates = self.task.memory, self.task.known()[0]
        passed, rows = memory["passed"].astype(int), np.arange(len(position))
        before = in_gate(position, gates[rows, np.minimum(passed, gates.shape[1] - 1)])
        behind = in_gate(position, gates[rows, np.maximum(passed - 1, 0)])
        inside = [(np.abs(p[:, 1:]) < OPENING).all(axis=-1) for p in (before, behind)]
        near = inside[0] & (before[:, 0] < 0) & (before[:, 0] > -COMMITTED)
        return near | (inside[1] & (behind[:, 0] < LEFT) & (passed > 0))

    def _plan(
        self, rows: NDArray, position: NDArray, motion: NDArray | None, known: NDArray
    ) -> None:
        """New ways of the worlds `rows` from `position` (N, 3) in `motion` (N, 3, 3)."""
        task = self.task
        gates, poles = task.known()
        passed = task.memory["passed"].astype(int)
        for done in np.unique(passed[rows]):
            some = rows[passed[rows] == done]
            if done < task.num_gates:
                way = self.planner.plan(
                    position[some], gates[some], poles[some], gates[some, done:],
                    motion=None if motion is None else motion[some],
                    **({} if motion is None else {"rounds": ROUNDS_AGAIN}),
                )  # fmt: skip
                self._keep(some, way)
            else:
                self._keep(some, _rest(position[some]))
            self.since[some] = 0.0 if motion is None else task.time[some]
        self.known[rows] = known[rows]

    def _keep(self, rows: NDArray, way: Polynomial) -> None:
        """Ways of fewer segments stay in their last point for the rest."""
        used = way.durations.shape[1]
        self.way.durations[rows, :used] = way.durations
        self.way.durations[rows, used:] = 1.0
        self.way.coefficients[rows, :used] = way.coefficients
        self.way.coefficients[rows, used:] = 0.0
        end = way.coefficients[:, -1].sum(axis=1)  # powers of u = 1
        self.way.coefficients[rows, used:, 0] = end[:, None]


def _rest(position: NDArray) -> Polynomial:
    """To stay at positions (N, 3)."""
    coefficients = np.zeros((len(position), 1, ORDER, 3))
    coefficients[:, 0, 0] = position
    return Polynomial(np.ones((len(position), 1)), coefficients)
