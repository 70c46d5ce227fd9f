"""TakeOff: rise from the floor to a drawn height and hover there."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task
from octoworld.core.rng import WorldRng
from robots.control.flight.setpoint import Setpoint
from sim.world import FlyingWorld, Mask

from ..language import Templates
from ..rewards import tolerance
from ..task import Evaluation
from .hover import HOLD_ERROR, HOLD_SECONDS
from .solo import FAR, SoloTask

AIRBORNE = 0.15
"""From this height on the floor is not to be touched again [m]."""
CLIMB = 0.6
"""Speed at which the expert's set-point rises [m/s]."""


@register_task("TakeOff")
class TakeOff(SoloTask):
    """Success: mean distance to a point 0.7 to 1.5 m above the start below 5 cm over the last 2 s.

    Starts: on the floor, anywhere within 1 m along x and y. Once 15 cm high, touching it is a
    crash.
    """

    name = "TakeOff"
    max_seconds = 6.0
    tilt_range = 0.0
    speed_range = 0.0
    slot_words: ClassVar = {"height": [f"{h / 10:.1f}" for h in range(7, 16)]}
    templates = Templates(
        "take off to {height} meters",
        "rise to {height} meters and hover",
        "leave the ground for {height} meters",
    )

    def __init__(self, num_worlds: int, **options: Any) -> None:
        super().__init__(num_worlds, **options)
        self.memory["target"] = np.ones((num_worlds, 3))
        self.memory["airborne"] = np.zeros(num_worlds)
        self.memory["errors"] = np.full((num_worlds, round(HOLD_SECONDS * self.fps)), FAR)

    def begin(self, world: FlyingWorld, mask: Mask, rng: WorldRng) -> NDArray:
        """The place and the height."""
        place = rng.uniform(mask, (-1.0, -1.0, 0.7), (1.0, 1.0, 1.5), (3,))
        self.memory["target"][mask] = place
        self.memory["airborne"][mask] = 0.0
        self.memory["errors"][mask] = FAR
        rotorcraft = self.spec.rotorcraft
        assert rotorcraft is not None
        return np.column_stack([place[:, :2], np.full(len(place), rotorcraft.collision_height / 2)])

    def goal(self, world: FlyingWorld) -> NDArray:
        """The way to the target (N, 1, 3) [m]."""
        return self.memory["target"][:, None] - world.flight.position

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """A point that rises to the target."""
        target = self.memory["target"].copy()
        rising = CLIMB * self.time
        velocity = np.zeros_like(target)
        velocity[:, 2] = np.where(rising < target[:, 2], CLIMB, 0.0)
        target[:, 2] = np.minimum(rising, target[:, 2])
        return Setpoint.at(target[:, None], velocity[:, None])

    def crashed(self, world: FlyingWorld) -> NDArray[np.bool_]:
        """(N,) drones that came back to the floor, or lie on their side."""
        airborne = self.memory["airborne"]
        airborne[...] = np.maximum(airborne, world.flight.position[:, 0, 2] > AIRBORNE)
        x, y = world.flight.quat[:, 0, 1], world.flight.quat[:, 0, 2]
        tipped = 1 - 2 * (x * x + y * y) < 0.5
        return (super().crashed(world) & (airborne > 0)) | tipped

    def judge(self, world: FlyingWorld, felt: Evaluation) -> Evaluation:
        """Distance to the target and its mean over the last 2 s [m]."""
        errors = self.memory["errors"]
        distance = np.linalg.norm(self.goal(world)[:, 0], axis=-1)
        slot = self.memory["clock"].astype(int) % errors.shape[1]
        errors[np.arange(self.num_worlds), slot] = distance
        mean = errors.mean(axis=1)
        return {"distance": distance, "mean_error": mean, "success": mean < HOLD_ERROR}

    def terms(self, evaluation: Evaluation) -> dict[str, tuple[float, NDArray]]:
        """Near, nearer, calm once there."""
        e = evaluation
        close = tolerance(e["distance"], (0.0, 0.02), 0.2)
        calm = close * tolerance(e["speed"], margin=1.0) * tolerance(e["spin"], margin=4.0)
        near = tolerance(e["distance"], margin=0.7)
        return {"near": (0.2, near), "close": (0.5, close), "calm": (0.3, calm)}

    def words(self, world: int) -> dict[str, str]:
        """The target's height."""
        return {"height": f"{self.memory['target'][world, 2]:.1f}"}
