"""SoloTask: what tasks of one drone share: a clock, what is felt each step, motion by velocity."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.rng import WorldRng
from robots.control.flight.setpoint import Setpoint
from sim.world import FlyingWorld, Mask, World

from ..task import Evaluation, weighted
from .flying import FlyingTask

FAR = 5.0
"""A drone farther than this from the middle of the room has flown away [m]."""


class SoloTask(FlyingTask):
    """One drone; subclasses say `begin`, `judge` and `terms`."""

    def __init__(self, num_worlds: int, **options: Any) -> None:
        super().__init__(num_worlds, **options)
        self.memory["clock"] = np.zeros(num_worlds)

    @abstractmethod
    def begin(self, world: FlyingWorld, mask: Mask, rng: WorldRng) -> NDArray:
        """Draw goals of the masked worlds; where the drone starts, (n, 3) [m]."""

    @abstractmethod
    def judge(self, world: FlyingWorld, felt: Evaluation) -> Evaluation:
        """Quantities of this task, among them `success`; `failure` is added to crashes."""

    @abstractmethod
    def terms(self, evaluation: Evaluation) -> dict[str, tuple[float, NDArray]]:
        """Weights and terms of the reward, each in [0, 1]."""

    def draw(self, world: FlyingWorld, mask: Mask, rng: WorldRng) -> NDArray:
        """The clock back to 0, then what the task draws."""
        self.memory["clock"][mask] = 0.0
        return self.begin(world, mask, rng)[:, None]

    @property
    def time(self) -> NDArray:
        """(N,) since the start [s]."""
        return self.memory["clock"] / self.fps

    def crashed(self, world: FlyingWorld) -> NDArray[np.bool_]:
        """(N,) drones that touch what they must not: the floor."""
        return self.crashes(world)[:, 0]

    def evaluate(self, world: World) -> Evaluation:
        """Speed [m/s], spin [rad/s], crash, and what `judge` adds."""
        flying: FlyingWorld = world  # type: ignore[assignment]
        flight = flying.flight
        self.memory["clock"] += 1
        felt: Evaluation = {
            "speed": np.linalg.norm(flight.velocity, axis=-1)[:, 0],
            "spin": np.linalg.norm(flight.omega_body, axis=-1)[:, 0],
            "crashed": self.crashed(flying),
        }
        judged = self.judge(flying, felt)
        away = np.linalg.norm(flight.position[:, 0], axis=-1) > FAR
        failure = felt["crashed"] | away | judged.pop("failure", np.zeros_like(away))
        return {**felt, **judged, "failure": failure, "success": judged["success"] & ~failure}

    def reward(self, evaluation: Evaluation) -> tuple[NDArray, dict[str, NDArray]]:
        """The terms' sum; 0 for a failure."""
        total, terms = weighted(self.terms(evaluation))
        return np.where(evaluation["failure"], 0.0, total), terms


class PointTask(SoloTask):
    """Tasks whose expert gives a velocity (N, 3)."""

    cruise: ClassVar[float] = 0.8
    """Speed of the expert [m/s]."""

    @abstractmethod
    def wanted_velocity(self, world: FlyingWorld) -> NDArray:
        """Velocity of a good pilot now, (N, 3) [m/s]."""

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """That velocity, wherever the drone is."""
        velocity = self.wanted_velocity(world)[:, None]
        return Setpoint.at(world.flight.position, velocity)


def toward(way: NDArray, speed: float, gain: float = 1.5) -> NDArray:
    """Velocity gain * way, no longer than `speed`: ways (..., 3) [m] -> (..., 3) [m/s]."""
    velocity = gain * way
    length = np.linalg.norm(velocity, axis=-1, keepdims=True)
    return velocity * np.minimum(1.0, speed / np.maximum(length, 1e-9))
