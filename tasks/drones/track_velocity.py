"""TrackVelocity: fly at commanded velocities that change every two seconds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task
from octoworld.core.rng import WorldRng
from sim.world import FlyingWorld, Mask

from ..language import Templates
from ..rewards import tolerance
from ..task import Evaluation
from .solo import PointTask

COMMANDS, HOLD = 4, 2.0
"""How many, and how long each lasts [s]."""
SETTLE = 1.0
"""A command's error counts from here on [s]."""
ERROR = 0.1
"""Largest mean error for success [m/s]."""
REACH = (0.9, 0.9, 0.4)
"""Commands lead between points drawn within this of the start, so none leaves the room [m]."""


@register_task("TrackVelocity")
class TrackVelocity(PointTask):
    """Success: at the end, mean velocity error in the second half of all commands below 0.1 m/s.

    Commands reach 0.9 m/s along x and y, 0.4 m/s along z. Starts: 1.5 m high, 10 deg, 0.3 m/s.
    """

    name = "TrackVelocity"
    max_seconds = COMMANDS * HOLD
    tilt_range = np.deg2rad(10)
    speed_range = 0.3
    templates = Templates(
        "fly at the commanded velocity",
        "follow the velocity commands",
        "move as fast as you are told",
    )

    def __init__(self, num_worlds: int, **options: Any) -> None:
        super().__init__(num_worlds, **options)
        self.memory["commands"] = np.zeros((num_worlds, COMMANDS, 3))
        self.memory["errors"] = np.zeros(num_worlds)
        self.memory["counted"] = np.zeros(num_worlds)

    def begin(self, world: FlyingWorld, mask: Mask, rng: WorldRng) -> NDArray:
        """All commands, and a start."""
        knots = rng.uniform(mask, -np.array(REACH), REACH, (COMMANDS, 3))
        knots = np.concatenate([np.zeros((len(knots), 1, 3)), knots], axis=1)
        self.memory["commands"][mask] = np.diff(knots, axis=1) / HOLD
        self.memory["errors"][mask] = self.memory["counted"][mask] = 0.0
        return np.array((0.0, 0.0, 1.5)) + rng.uniform(mask, -0.2, 0.2, (3,))

    def wanted_velocity(self, world: FlyingWorld) -> NDArray:
        """The present command (N, 3) [m/s]."""
        now = np.minimum(self.memory["clock"] // (HOLD * self.fps), COMMANDS - 1).astype(int)
        return self.memory["commands"][np.arange(self.num_worlds), now]

    def goal(self, world: FlyingWorld) -> NDArray:
        """Command and error, (N, 1, 6) [m/s]."""
        command = self.wanted_velocity(world)[:, None]
        return np.concatenate([command, command - world.flight.velocity], axis=-1)

    def judge(self, world: FlyingWorld, felt: Evaluation) -> Evaluation:
        """Velocity error now and its mean over what counts [m/s]."""
        memory = self.memory
        # the step just judged was flown under the command before this one's clock
        memory["clock"] -= 1
        error = np.linalg.norm(self.wanted_velocity(world) - world.flight.velocity[:, 0], axis=-1)
        counts = (memory["clock"] % (HOLD * self.fps)) >= SETTLE * self.fps
        memory["clock"] += 1
        memory["errors"] += np.where(counts, error, 0.0)
        memory["counted"] += counts
        mean = np.where(
            memory["counted"] > 0, memory["errors"] / np.maximum(memory["counted"], 1), 1.0
        )
        ended = memory["clock"] >= self.max_steps
        return {"velocity_error": error, "mean_error": mean, "success": ended & (mean < ERROR)}

    def terms(self, evaluation: Evaluation) -> dict[str, tuple[float, NDArray]]:
        """Near the command, on it, and calm."""
        error = evaluation["velocity_error"]
        close = tolerance(error, (0.0, 0.03), 0.2)
        calm = close * tolerance(evaluation["spin"], margin=4.0)
        return {
            "near": (0.2, tolerance(error, margin=0.6)),
            "close": (0.5, close),
            "calm": (0.3, calm),
        }
