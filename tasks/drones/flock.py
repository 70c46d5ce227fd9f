"""Flock: drones fly one way together, near each other but not too near (Reynolds 1987)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task
from octoworld.core.rng import WorldRng
from robots.control.flight.setpoint import Setpoint
from sim.world import FlyingWorld, Mask

from ..language import Templates
from ..rewards import tolerance
from .multi import TeamTask
from .multi_parts import Drones, apart
from .multi_pilot import TeamPilot

SEPARATION = 0.45
"""Nearer than this to the next drone is too near [m]."""
COHESION = 0.5
"""Times the square root of the number of drones: farther from the flock's centre is too far [m]."""
DIRECTIONS = ("east", "north-east", "north", "north-west", "west", "south-west", "south",
              "south-east")  # fmt: skip
"""Of headings 0, 45, ... deg from x towards y."""


@register_task("Flock")
class Flock(TeamTask):
    """Success: every drone's mean error over the last 2 s below 0.15 m.

    Every drone knows the flock's drawn velocity, level, 0.3 to 0.7 m/s. Its error: how far it gets
    from where the flock's velocity would take it in 1 s, and how much it is too far from the
    flock's centre or too near to its next drone [m].
    """

    name = "Flock"
    num_drones: ClassVar[int] = 5
    min_drones: ClassVar[int] = 2
    max_drones: ClassVar[int] = 20
    hold_error: ClassVar[float] = 0.15
    far: ClassVar[float] = 5.0
    gap: ClassVar[float] = 0.6
    """Between starts, height counted half [m]."""
    slot_words: ClassVar = {"direction": DIRECTIONS}
    templates = Templates(
        "fly {direction} together", "flock towards the {direction}", "head {direction} as a flock"
    )

    def __init__(self, num_worlds: int, **options) -> None:
        super().__init__(num_worlds, **options)
        self.memory["velocity"] = np.zeros((num_worlds, 3))
        self.radius = COHESION * np.sqrt(self.num_drones)
        """Of the flock [m]."""

    def start_team(self, mask: Mask, rng: WorldRng) -> NDArray:
        """The flock's velocity, and starts up to twice as far out as they shall be."""
        angle, speed = rng.uniform(mask, -np.pi, np.pi), rng.uniform(mask, 0.3, 0.7)
        velocity = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
        self.memory["velocity"][mask] = speed[:, None] * velocity
        r, size = 1.4 * self.radius, (self.num_drones, 3)
        low, high = (-r, -r, 1.0), (r, r, 2.0)
        return apart(mask, rng, lambda m: rng.uniform(m, low, high, size), self.gap)

    def aim(self, world: FlyingWorld) -> NDArray:
        """The velocity that lacks [m/s], the way to the flock's centre [m], (N, A, 6)."""
        position = world.flight.position
        centre = position.mean(axis=1, keepdims=True)
        lacking = self.memory["velocity"][:, None] - world.flight.velocity
        return np.concatenate([lacking, centre - position], axis=-1)

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """Along with the flock, towards its centre where that is too far."""
        position, way = world.flight.position, self.aim(world)[..., 3:]
        distance = np.linalg.norm(way, axis=-1, keepdims=True)
        excess = np.maximum(distance - 0.85 * self.radius, 0.0) / np.maximum(distance, 1e-6)
        return Setpoint.at(position + excess * way, self.memory["velocity"][:, None])

    def judge(self, world: FlyingWorld) -> Drones:
        """Velocity that lacks [m/s], how much too far and too near [m], and all as one error."""
        aim, position = self.aim(world), world.flight.position
        distance = np.linalg.norm(position[:, :, None] - position[:, None], axis=-1)
        np.einsum("nii->ni", distance)[...] = np.inf
        lacking = np.linalg.norm(aim[..., :3], axis=-1)
        loose = np.maximum(np.linalg.norm(aim[..., 3:], axis=-1) - self.radius, 0.0)
        tight = np.maximum(SEPARATION - distance.min(axis=2), 0.0)
        error = lacking * 1.0 + loose + tight
        return {"error": error, "lacking": lacking, "loose": loose, "tight": tight}

    def terms(self, drones: Drones) -> dict[str, tuple[float, NDArray]]:
        """Alignment; cohesion and separation count as far as there is alignment."""
        aligned = tolerance(drones["lacking"], (0.0, 0.05), 0.3)
        cohesion = aligned * tolerance(drones["loose"], margin=1.0)
        separation = aligned * tolerance(drones["tight"], margin=0.2)
        return {
            "alignment": (0.4, aligned), "cohesion": (0.3, cohesion),
            "separation": (0.3, separation),
        }  # fmt: skip

    def expert(self) -> TeamPilot:
        """Pilots that keep the flock's separation, and a little more."""
        return TeamPilot(self, gap=SEPARATION + 0.05)

    def words(self, world: int) -> dict[str, str]:
        """The next of eight directions; x is east, y is north."""
        x, y, _ = self.memory["velocity"][world]
        return {"direction": DIRECTIONS[round(np.arctan2(y, x) / (np.pi / 4)) % 8]}
