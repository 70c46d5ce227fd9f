"""TrackCircle and TrackFigure8: follow a moving point, from rest, within centimetres."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task
from octoworld.core.rng import WorldRng
from robots.control.flight.setpoint import Setpoint
from robots.control.flight.trajectories import Circle, Eased, FigureEight, Trajectory
from sim.world import FlyingWorld, Mask

from ..language import Templates
from ..rewards import tolerance
from ..task import Evaluation
from .solo import SoloTask

RAMP = 2.0
"""In which the reference gets up to speed [s]."""
SETTLE = 3.0
"""The error counts from here on [s]."""
RMSE = 0.05
"""Largest root mean square of the distance to the reference for success [m]."""
LOST = 1.5
"""A drone this far from the reference has lost it [m]."""
PREVIEW = (0.0, 0.1, 0.2, 0.4)
"""How far ahead the reference is shown [s]."""


class TrackTask(SoloTask):
    """Success: at the end, RMSE of the position since 3 s below 5 cm.

    Shapes, sizes, periods and centres are drawn. Starts: 20 cm about the reference along each axis,
    10 deg, 0.3 m/s.
    """

    max_seconds = 11.0
    tilt_range = np.deg2rad(10)
    speed_range = 0.3

    def __init__(self, num_worlds: int, **options: Any) -> None:
        super().__init__(num_worlds, **options)
        self.memory["shape"] = np.ones((num_worlds, 3))
        self.memory["center"] = np.ones((num_worlds, 3))
        self.memory["squares"] = np.zeros(num_worlds)

    @abstractmethod
    def motion(self) -> Trajectory:
        """The reference of each world, without its start."""

    @abstractmethod
    def sizes(self, mask: Mask, rng: WorldRng) -> NDArray:
        """What `motion` reads from memory `shape`, (n, 3)."""

    def reference(self, ahead: float = 0.0) -> Setpoint:
        """Set-points (N,) at the present time and `ahead` of it [s]."""
        return Eased(self.motion(), RAMP)(self.time + ahead)

    def begin(self, world: FlyingWorld, mask: Mask, rng: WorldRng) -> NDArray:
        """The motion, and a start about its first point."""
        memory = self.memory
        memory["squares"][mask] = 0.0
        memory["shape"][mask] = self.sizes(mask, rng)
        memory["center"][mask] = rng.uniform(mask, (-0.3, -0.3, 0.9), (0.3, 0.3, 1.4), (3,))
        return self.reference().position[mask] + rng.uniform(mask, -0.2, 0.2, (3,))

    def goal(self, world: FlyingWorld) -> NDArray:
        """Ways to the reference now and soon [m], and its velocity, (N, 1, 15)."""
        ahead = [self.reference(t) for t in PREVIEW]
        ways = [s.position - world.flight.position[:, 0] for s in ahead]
        return np.concatenate([*ways, ahead[0].velocity], axis=-1)[:, None]

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """The reference."""
        return Setpoint(self.reference().array[:, None])

    def judge(self, world: FlyingWorld, felt: Evaluation) -> Evaluation:
        """Distance to the reference, and its RMSE since 3 s [m]."""
        clock, squares = self.memory["clock"], self.memory["squares"]
        error = np.linalg.norm(self.reference().position - world.flight.position[:, 0], axis=-1)
        counted = clock - round(SETTLE * self.fps)
        squares += np.where(counted > 0, error**2, 0.0)
        rmse = np.where(counted > 0, np.sqrt(squares / np.maximum(counted, 1)), LOST)
        return {
            "error": error,
            "rmse": rmse,
            "failure": error > LOST,
            "success": (clock >= self.max_steps) & (rmse < RMSE),
        }

    def terms(self, evaluation: Evaluation) -> dict[str, tuple[float, NDArray]]:
        """Near the reference, and on it."""
        error = evaluation["error"]
        near = tolerance(error, (0.0, 0.0), 0.6)
        return {"near": (0.3, near), "close": (0.7, tolerance(error, (0.0, 0.02), 0.15))}


@register_task("TrackCircle")
class TrackCircle(TrackTask):
    """Level circles of 0.4 to 0.8 m radius in 5 to 8 s."""

    name = "TrackCircle"
    templates: ClassVar = Templates("fly a circle", "go round in a circle", "circle in the air")

    def sizes(self, mask: Mask, rng: WorldRng) -> NDArray:
        """Radius [m], period [s], phase [rad]."""
        return rng.uniform(mask, (0.4, 5.0, -np.pi), (0.8, 8.0, np.pi), (3,))

    def motion(self) -> Trajectory:
        """Counter-clockwise."""
        radius, period, phase = self.memory["shape"].T
        return Circle(self.memory["center"], radius, period, phase)


@register_task("TrackFigure8")
class TrackFigure8(TrackTask):
    """Level lemniscates of Gerono, 1.2 to 2 m long, 0.6 to 1.2 m wide, in 6 to 9 s."""

    name = "TrackFigure8"
    templates: ClassVar = Templates(
        "fly a figure eight", "draw an eight in the air", "follow the lying eight"
    )

    def sizes(self, mask: Mask, rng: WorldRng) -> NDArray:
        """Half length [m], width [m], period [s]."""
        return rng.uniform(mask, (0.6, 0.6, 6.0), (1.0, 1.2, 9.0), (3,))

    def motion(self) -> Trajectory:
        """Crossing at the centre."""
        length, width, period = self.memory["shape"].T
        return FigureEight(self.memory["center"], length, width, period)
