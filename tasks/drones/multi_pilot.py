"""TeamPilot: the scripted teacher of teams: everyone flies to its set-point and gives way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from robots.control.flight.setpoint import Setpoint
from sim.world import FlyingWorld

from .pilot import Pilot

if TYPE_CHECKING:
    from .multi import TeamTask

CRUISE = 1.0
"""Speed towards a far set-point, beside the set-point's own [m/s]."""
GAP = 0.32
"""Drones are kept this far apart, height counted half: wakes are felt below [m]."""
EAGERNESS = 1.5
"""Drones may near each other by this share of the room left, each second [1/s]."""
SWIRL = 0.6
"""Share of the speed with which drones in each other's way turn to their right [-]."""
SWEEPS = 6
"""Rounds over all pairs in which velocities are made safe."""


class TeamPilot(Pilot):
    """Wanted velocities towards the set-points, made safe, then flown by the geometric controller.

    A set-point p + (K_v / K_p) (v - v_d) of velocity v_d makes the controller of gains K_p, K_v
    track the velocity v; near its goal v = v_d + (goal - p) K_p / K_v, which is the plain
    controller again. So pilots need no memory of where they were.
    """

    task: TeamTask

    def __init__(self, task: TeamTask, *, gap: float = GAP, cruise: float = CRUISE) -> None:
        super().__init__(task)
        self.gap, self.cruise = gap, cruise
        gains = self.controller.gains
        self.reach = np.asarray(gains.velocity) / np.asarray(gains.position)
        """How far ahead of the drone a velocity's set-point lies [s]."""

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """The task's set-points (N, A), pulled near and out of each other's way."""
        goal = self.task.setpoint(world)
        position = world.flight.position
        wanted = shortened((goal.position - position) / self.reach, self.cruise) + goal.velocity
        active = self.task.memory["out"] == 0
        safe = give_way(position, wanted, active, self.gap)
        array = goal.array.copy()
        array[..., 0:3] = position + self.reach * (safe - goal.velocity)
        return Setpoint(array)


def give_way(position: NDArray, wanted: NDArray, active: NDArray[np.bool_], gap: float) -> NDArray:
    """Velocities (N, A, 3) near `wanted` under which no two drones come within `gap` [m/s].

    With the room h = |d| - gap of a pair, d = p_i - p_j with its height halved, the pair keeps
    n . (v_i - v_j) >= -a h along n = dh/dp: then h never falls below 0 (a control barrier
    function; Wang, Ames & Egerstedt, IEEE T-RO 2017). What a pair lacks is shared by both, for all
    pairs at once, a few times over. Before, drones that near each other turn to their right, so
    that none blocks another for good. Those that are not `active` stay, and are passed by.
    """
    scale = np.array((1.0, 1.0, 0.5))
    delta = (position[:, :, None] - position[:, None]) * scale
    distance = np.linalg.norm(delta, axis=-1)
    np.einsum("nii->ni", distance)[...] = np.inf
    normal = delta / np.maximum(distance, 1e-9)[..., None] * scale
    room = distance - gap
    # right of the way from i to j is the way from j to i, turned to the left about the vertical
    right = np.stack([-normal[..., 1], normal[..., 0], np.zeros_like(room)], axis=-1)
    nearing = np.maximum(-0.5 * _opening(normal, wanted), 0.0)
    weight = SWIRL * nearing * np.clip(1.0 - room / (2 * gap), 0.0, 1.0)
    safe = wanted + np.einsum("nij,nijk->nik", weight, right)
    square = np.maximum(np.einsum("nijk,nijk->nij", normal, normal), 1e-9)
    for _ in range(SWEEPS):
        safe = np.where(active[..., None], safe, 0.0)
        lacking = np.maximum(-EAGERNESS * room - _opening(normal, safe), 0.0)
        safe = safe + np.einsum("nij,nijk->nik", 0.5 * lacking / square, normal)
    return np.where(active[..., None], safe, 0.0)


def _opening(normal: NDArray, velocity: NDArray) -> NDArray:
    """How fast the room between drones grows, n . (v_i - v_j), (N, A, A) [m/s]."""
    own = np.einsum("nijk,nik->nij", normal, velocity)
    return own + np.swapaxes(own, 1, 2)  # n of (j, i) is -n of (i, j)


def shortened(vectors: NDArray, limit: float) -> NDArray:
    """Vectors (..., 3), those longer than `limit` shortened to it."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors * np.minimum(1.0, limit / np.maximum(length, 1e-9))
