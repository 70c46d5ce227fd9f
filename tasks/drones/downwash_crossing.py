"""DownwashCrossing: two drones change ends, one above the other, and hold their heights."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task
from octoworld.core.rng import WorldRng
from robots.control.flight.setpoint import Setpoint
from sim.rotors.downwash import clean_downwash
from sim.world import FlyingWorld, Mask

from ..language import Templates
from ..rewards import tolerance
from .multi import TeamTask
from .multi_parts import Drones, reaching
from .pilot import Pilot

HALF = 1.0
"""Of the way between the ends [m]."""
WAIT, FLY = 1.5, 2.5
"""The expert steadies itself, then crosses in this time [s]."""
ON_LINE = 0.10
"""Farthest from its line that a drone may get, once it had `WAIT` to find it [m]."""


@register_task("DownwashCrossing")
class DownwashCrossing(TeamTask):
    """Success: both at the other end (mean error of 5 cm over the last 2 s), never off their lines.

    The lines lie one above the other, 0.4 to 0.7 m, in a drawn direction; either drone may be the
    upper one. Off the line is 10 cm to the side, up or down, from 1.5 s after the start on. Where
    they cross, the wake of the upper drone pushes the lower one down with up to 0.9 of its weight
    (Crazyflie, 0.4 m; `sim/rotors/downwash.py`).
    """

    name = "DownwashCrossing"
    num_drones: ClassVar[int] = 2
    min_drones: ClassVar[int] = 2
    max_drones: ClassVar[int] = 2
    templates = Templates(
        "change ends above each other",
        "cross over and hold your heights",
        "swap sides, one above the other",
    )

    def __init__(self, num_worlds: int, **options: Any) -> None:
        super().__init__(num_worlds, **options)
        self.memory["heading"] = np.zeros(num_worlds)
        self.memory["height"] = np.ones((num_worlds, 2))
        self.memory["worst"] = np.zeros((num_worlds, 2))

    def start_team(self, mask: Mask, rng: WorldRng) -> NDArray:
        """The lines, and starts within 5 cm of their ends along each axis."""
        memory = self.memory
        low = rng.uniform(mask, 0.8, 1.2)
        heights = np.stack([low, low + rng.uniform(mask, 0.4, 0.7)], axis=1)
        order = rng.permutation(mask, 2)
        memory["heading"][mask] = rng.uniform(mask, -np.pi, np.pi)
        memory["height"][mask] = np.take_along_axis(heights, order, axis=1)
        memory["worst"][mask] = 0.0
        return self.on_line(-1.0)[mask] + rng.uniform(mask, -0.05, 0.05, (2, 3))

    def on_line(self, share: float | NDArray) -> NDArray:
        """Points of the lines, (N, 2, 3) [m]: -1 is where a drone starts, 1 where it is to go."""
        heading = self.memory["heading"]
        ends = np.stack([np.cos(heading), np.sin(heading), 0 * heading], axis=1)
        sides = HALF * np.array([1.0, -1.0])[:, None] * ends[:, None]
        points = sides * np.reshape(share, (-1, 1, 1))
        points[..., 2] = self.memory["height"]
        return points

    def aim(self, world: FlyingWorld) -> NDArray:
        """Way to the other end, and to the line (across and up), (N, 2, 6) [m]."""
        position = world.flight.position
        return np.concatenate([self.on_line(1.0) - position, self.off_line(position)], axis=-1)

    def off_line(self, position: NDArray) -> NDArray:
        """The way from the drones to the nearest points of their lines' axes, (N, 2, 3) [m]."""
        heading = self.memory["heading"]
        along = np.stack([np.cos(heading), np.sin(heading), 0 * heading], axis=1)[:, None]
        way = self.on_line(1.0) - position
        return way - (way * along).sum(axis=-1, keepdims=True) * along

    def judge(self, world: FlyingWorld) -> Drones:
        """Distance to the other end, from the line now, and at worst so far [m]."""
        off = np.linalg.norm(self.off_line(world.flight.position), axis=-1)
        late = self.memory["clock"] > WAIT * self.fps
        worst = self.memory["worst"]
        worst[...] = np.where(late[:, None], np.maximum(worst, off), 0.0)
        error = np.linalg.norm(self.on_line(1.0) - world.flight.position, axis=-1)
        return {"error": error, "off_line": off, "worst": worst.copy()}

    def achieved(self, held: NDArray) -> NDArray[np.bool_]:
        """(N, 2) drones that are at the other end and were never off their lines."""
        return super().achieved(held) & (self.memory["worst"] < ON_LINE)

    def terms(self, drones: Drones) -> dict[str, tuple[float, NDArray]]:
        """Near, nearer and calm at the other end; the line counts the more the nearer."""
        parts = reaching(drones)
        line = parts["near"][1] * tolerance(drones["off_line"], (0.0, 0.02), 0.1)
        return {
            "near": (0.2, parts["near"][1]), "close": (0.3, parts["close"][1]),
            "calm": (0.2, parts["calm"][1]), "line": (0.3, line),
        }  # fmt: skip

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """Along the lines: at rest, then the smoothest way to the other end, the same for both."""
        time = np.clip(self.memory["clock"] / self.fps - WAIT, 0.0, FLY) / FLY
        ends = 0.5 * (self.on_line(1.0) - self.on_line(-1.0))
        parts = [p[:, None, None] * ends for p in minimum_jerk(time, FLY)]
        return Setpoint.at(0.5 * (self.on_line(1.0) + self.on_line(-1.0)) + parts[0], *parts[1:])

    def expert(self) -> CrossingPilot:
        """A pilot that feels the wake coming."""
        return CrossingPilot(self)


class CrossingPilot(Pilot):
    """Follows the crossing and gives the thrust that the wake will take away, as it takes it."""

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """The task's, with the wake's push in the middle of the coming control step."""
        task, flight = self.task, world.flight
        ahead = flight.position + 0.5 / task.fps * flight.velocity
        rotorcraft, model = task.spec.rotorcraft, self.controller.model
        assert rotorcraft is not None
        ones = np.ones(flight.position.shape[:2])
        weight = model.weight * ones
        push = clean_downwash(
            ahead, weight, np.multiply.outer(ones, rotorcraft.downwash),
            rotorcraft.propeller_radius * ones, weight, weight, cap=1.0,
        )  # fmt: skip
        array = task.setpoint(world).array.copy()
        array[..., 8] += push / model.mass
        return Setpoint(array)


def minimum_jerk(time: NDArray, seconds: float) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """From -1 to 1 within `seconds`, at rest at both ends, least jerk (Flash & Hogan 1985).

    s = 2 (10 t^3 - 15 t^4 + 6 t^5) - 1 and three derivatives by real time, of t (N,) in [0, 1].
    """
    t, moving = time, (time > 0) & (time < 1)
    s = 2 * t**3 * (10 - 15 * t + 6 * t**2) - 1
    speed = 60 * t**2 * (1 - t) ** 2 / seconds
    acceleration = 120 * t * (1 - t) * (1 - 2 * t) / seconds**2
    jerk = 120 * (1 - 6 * t + 6 * t**2) / seconds**3 * moving
    return s, speed, acceleration, jerk
