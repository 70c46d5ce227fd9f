"""MeetUp: drones that start apart meet in pairs, side by side, wherever they like."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.registry import register_task
from octoworld.core.rng import WorldRng
from robots.control.flight.setpoint import Setpoint
from sim.world import FlyingWorld, Mask

from ..language import Templates
from .multi import TeamTask
from .multi_parts import Drones, apart, reaching
from .multi_pilot import TeamPilot

MEETING = 0.35
"""Between the drones of a pair that has met, at one height [m]."""
ELBOW_ROOM = 1.0
"""The expert's pairs meet this far from each other [m]."""


@register_task("MeetUp")
class MeetUp(TeamTask):
    """Success: every drone, over the last 2 s, within 5 cm of its place beside its partner.

    Drone i meets drone A - 1 - i, as in gym-pybullet-drones' MeetupAviary; but there is a place to
    meet at, 35 cm beside each other, where the original rewards a collision.
    """

    name = "MeetUp"
    num_drones: ClassVar[int] = 2
    min_drones: ClassVar[int] = 2
    max_drones: ClassVar[int] = 6
    far: ClassVar[float] = 8.0
    room: ClassVar[tuple] = ((-1.8, -1.8, 0.8), (1.8, 1.8, 2.0))
    """Lowest and highest corner of where starts are drawn [m]."""
    gap: ClassVar[float] = 1.0
    """Between starts, height counted half [m]."""
    templates = Templates(
        "meet your partner", "fly to your partner and stop beside it", "come together in pairs"
    )

    def __init__(self, num_worlds: int, **options) -> None:
        super().__init__(num_worlds, **options)
        if self.num_drones % 2:
            raise ConfigError(f"num_drones {self.num_drones}: MeetUp pairs drones, take 2, 4, ...")

    def start_team(self, mask: Mask, rng: WorldRng) -> NDArray:
        """Starts about the room."""
        low, high = self.room
        size = (self.num_drones, 3)
        return apart(mask, rng, lambda m: rng.uniform(m, low, high, size), self.gap)

    def aim(self, world: FlyingWorld) -> NDArray:
        """The way to the partner [m] and its relative velocity [m/s], (N, A, 6)."""
        flight = world.flight
        seen = np.concatenate([flight.position, flight.velocity], axis=-1)
        return seen[:, ::-1] - seen

    def beside(self, world: FlyingWorld) -> NDArray:
        """From partner to drone at their meeting, (N, A, 3) [m]: level, as they lie now."""
        way = -self.aim(world)[..., :3]
        way[..., 2] = 0.0
        length = np.linalg.norm(way, axis=-1, keepdims=True)
        # one straight above the other: along x, to opposite sides
        middle = np.arange(self.num_drones)[:, None] - (self.num_drones - 1) / 2
        along_x = np.sign(middle) * (1.0, 0.0, 0.0)
        return MEETING * np.where(length > 1e-6, way / np.maximum(length, 1e-6), along_x)

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """Both half way, a meeting apart; pairs that would meet too near each other move apart."""
        middle = world.flight.position + 0.5 * self.aim(world)[..., :3]
        way = middle[:, :, None] - middle[:, None]
        distance = np.linalg.norm(way, axis=-1, keepdims=True)
        lacking = np.maximum(ELBOW_ROOM - distance, 0.0) / np.maximum(distance, 1e-6)
        own = np.eye(self.num_drones, dtype=bool)
        lacking[:, own | own[::-1]] = 0.0
        # half of what lacks for each pair; both drones of the other one count
        middle = middle + 0.25 * (lacking * way).sum(axis=2)
        return Setpoint.at(middle + 0.5 * self.beside(world))

    def judge(self, world: FlyingWorld) -> Drones:
        """Distance to the place beside the partner [m]."""
        place = self.aim(world)[..., :3] + self.beside(world)
        return {"error": np.linalg.norm(place, axis=-1)}

    def terms(self, drones: Drones) -> dict[str, tuple[float, NDArray]]:
        """Near, nearer, and calm once there."""
        return reaching(drones)

    def expert(self) -> TeamPilot:
        """Pilots that dare as near as they are to meet."""
        return TeamPilot(self, gap=0.8 * MEETING)
