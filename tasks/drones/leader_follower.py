"""LeaderFollower: a leader flies a drawn circle; the others keep their places beside it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task
from octoworld.core.rng import WorldRng
from robots.control.flight.setpoint import Setpoint
from sim.world import FlyingWorld, Mask

from ..language import Templates
from .multi import TeamTask
from .multi_parts import Drones, apart, reaching

CIRCLE = ("x", "y", "height", "radius", "rate", "phase")


@register_task("LeaderFollower")
class LeaderFollower(TeamTask):
    """Success: mean error of every drone below 5 cm over the last 2 s.

    The leader, drone 0, is to be at a point that goes round a circle of 0.4 to 0.9 m at 0.3 to
    0.6 m/s, either way; only the leader sees the point. The others see the leader, and are to be at
    their offsets from it, drawn 0.5 m apart and at most 0.9 m away along x and y, 0.2 m along z.
    """

    name = "LeaderFollower"
    num_drones: ClassVar[int] = 3
    min_drones: ClassVar[int] = 2
    max_drones: ClassVar[int] = 6
    far: ClassVar[float] = 5.0
    gap: ClassVar[float] = 0.5
    """Between places, and between starts [m]."""
    templates = Templates(
        "follow the leader", "keep your place beside the leader", "fly along with the leader"
    )

    def __init__(self, num_worlds: int, **options) -> None:
        super().__init__(num_worlds, **options)
        self.memory["circle"] = np.ones((num_worlds, len(CIRCLE)))
        self.memory["offset"] = np.zeros((num_worlds, self.num_drones, 3))

    def start_team(self, mask: Mask, rng: WorldRng) -> NDArray:
        """The circle, the offsets, and starts up to 0.5 m from where each is to be."""
        low, high = (-0.3, -0.3, 1.2, 0.4, 0.3, -np.pi), (0.3, 0.3, 1.6, 0.9, 0.6, np.pi)
        circle = rng.uniform(mask, low, high, (len(CIRCLE),))
        turn = 2 * rng.integers(mask, 2) - 1
        circle[:, 4] *= turn / circle[:, 3]
        reach, size = np.array((0.9, 0.9, 0.2)), (self.num_drones, 3)

        def offsets(mask: Mask) -> NDArray:
            drawn = rng.uniform(mask, -reach, reach, size)
            drawn[:, 0] = 0.0
            return drawn

        offset = apart(mask, rng, offsets, self.gap)
        self.memory["circle"][mask], self.memory["offset"][mask] = circle, offset
        place = self.point(0.0).position[mask][:, None] + offset
        return apart(mask, rng, lambda m: place[m[mask]] + rng.uniform(m, -0.5, 0.5, size), 0.4)

    def point(self, time: float | NDArray) -> Setpoint:
        """Where the leader is to be at `time` [s], (N,)."""
        x, y, height, radius, rate, phase = self.memory["circle"].T
        angle = phase + rate * time
        cos, sin, zero = radius * np.cos(angle), radius * np.sin(angle), 0 * x
        return Setpoint.at(
            np.stack([x + cos, y + sin, height], axis=-1),
            np.stack([-rate * sin, rate * cos, zero], axis=-1),
            np.stack([-(rate**2) * cos, -(rate**2) * sin, zero], axis=-1),
        )

    def now(self) -> Setpoint:
        """Where the leader is to be, (N,)."""
        return self.point(self.memory["clock"] / self.fps)

    def aim(self, world: FlyingWorld) -> NDArray:
        """Way to the place [m], velocity of what defines it [m/s], is it the leader, (N, A, 7)."""
        flight, point = world.flight, self.now()
        place = flight.position[:, :1] + self.memory["offset"]
        place[:, 0] = point.position
        velocity = np.repeat(flight.velocity[:, :1], self.num_drones, axis=1)
        velocity[:, 0] = point.velocity
        leads = np.zeros((*place.shape[:2], 1))
        leads[:, 0] = 1.0
        return np.concatenate([place - flight.position, velocity, leads], axis=-1)

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """The places, moving as the leader's point does."""
        aim, point = self.aim(world), self.now()
        return Setpoint.at(
            world.flight.position + aim[..., :3], aim[..., 3:6], point.acceleration[:, None]
        )

    def judge(self, world: FlyingWorld) -> Drones:
        """Distance to the place [m]; the speed beside that of what defines it [m/s]."""
        aim = self.aim(world)
        slip = np.linalg.norm(world.flight.velocity - aim[..., 3:6], axis=-1)
        return {"error": np.linalg.norm(aim[..., :3], axis=-1), "slip": slip}

    def terms(self, drones: Drones) -> dict[str, tuple[float, NDArray]]:
        """Near, nearer, and moving along once there."""
        return reaching(drones | {"speed": drones["slip"]})
