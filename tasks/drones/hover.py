"""Hover: fly to a point and stay there."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task
from octoworld.core.rng import WorldRng
from robots.control.flight.setpoint import Setpoint
from sim.world import FlyingWorld, Mask, World

from ..language import Templates
from ..rewards import tolerance
from ..task import Evaluation, weighted
from .flying import FlyingTask, Range

HOLD_SECONDS = 2.0
"""Success is judged over the last seconds of an episode [s]."""
HOLD_ERROR = 0.05
"""Largest mean distance to the target in that time [m]."""
FAR = 3.0
"""A drone farther than this from its target has flown away [m]."""


@register_task("Hover")
class Hover(FlyingTask):
    """Success: mean distance to the target below 5 cm over the last 2 s.

    Starts: up to 1 m away along each axis, 20 deg about each, 1 m/s along each.
    """

    name = "Hover"
    start: ClassVar = ((0.0, 0.0, 1.5),)
    offset_range: ClassVar[Range] = 1.0
    """Of the start from the target, along each axis or along x y z [m]."""
    templates = Templates(
        "hover at {height} meters",
        "hold your place at {height} meters",
        "stay in the air at {height} meters",
    )
    slot_words: ClassVar = {"height": ("1.5",)}

    def __init__(self, num_worlds: int, **options) -> None:
        super().__init__(num_worlds, **options)
        window = round(HOLD_SECONDS * self.fps)
        self.memory["errors"] = np.full((num_worlds, window), FAR)
        self.memory["clock"] = np.zeros(num_worlds)
        self.target = np.asarray(self.start)

    def draw(self, world: FlyingWorld, mask: Mask, rng: WorldRng) -> NDArray:
        """Starts about the target, which stays where it is."""
        self.memory["errors"][mask] = FAR
        self.memory["clock"][mask] = 0
        r = np.asarray(self.offset_range)
        return self.target + rng.uniform(mask, -r, r, (self.num_drones, 3))

    def goal(self, world: FlyingWorld) -> NDArray:
        """The way to the target (N, 1, 3) [m]."""
        return self.target - world.flight.position

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """The target, at rest."""
        return Setpoint.at(np.broadcast_to(self.target, (self.num_worlds, self.num_drones, 3)))

    def evaluate(self, world: World) -> Evaluation:
        """Distance [m], its mean over the last 2 s, speed [m/s], crash."""
        flying: FlyingWorld = world  # type: ignore[assignment]
        flight, memory = flying.flight, self.memory
        distance = np.linalg.norm(self.target - flight.position, axis=-1)[:, 0]
        clock, errors = memory["clock"], memory["errors"]
        errors[np.arange(self.num_worlds), clock.astype(int) % errors.shape[1]] = distance
        clock += 1
        crashed = self.crashes(flying)[:, 0]
        mean = errors.mean(axis=1)
        return {
            "distance": distance,
            "mean_error": mean,
            "speed": np.linalg.norm(flight.velocity, axis=-1)[:, 0],
            "spin": np.linalg.norm(flight.omega_body, axis=-1)[:, 0],
            "crashed": crashed,
            "failure": crashed | (distance > FAR),
            "success": (mean < HOLD_ERROR) & ~crashed,
        }

    def reward(self, evaluation: Evaluation) -> tuple[NDArray, dict[str, NDArray]]:
        """Near, nearer, and calm once there."""
        e = evaluation
        near = tolerance(e["distance"], (0.0, 0.0), 1.0)
        close = tolerance(e["distance"], (0.0, 0.02), 0.2)
        calm = close * tolerance(e["speed"], margin=1.0) * tolerance(e["spin"], margin=4.0)
        total, terms = weighted({"near": (0.2, near), "close": (0.5, close), "calm": (0.3, calm)})
        return np.where(e["failure"], 0.0, total), terms

    def words(self, world: int) -> dict[str, str]:
        """The target's height."""
        return {"height": f"{self.target[0, 2]:g}"}


@register_task("Hover1D")
class Hover1D(Hover):
    """Hover by one speed for all rotors: starts up to 1 m and 1 m/s off along z, nothing else.

    As the original's one-dimensional action, which cannot mend anything but the height.
    """

    name = "Hover1D"
    control_mode: ClassVar[str] = "one_d_rpm"
    templates = Templates(
        "go straight up or down to {height} meters and stay",
        "keep a height of {height} meters",
        "balance your weight at {height} meters",
    )
    offset_range: ClassVar = (0.0, 0.0, 1.0)
    tilt_range: ClassVar[float] = 0.0
    speed_range: ClassVar = (0.0, 0.0, 1.0)
