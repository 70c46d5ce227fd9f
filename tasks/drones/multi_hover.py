"""MultiHover: every drone flies to its own point and stays there."""

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

HEIGHT = 1.5
"""Of all targets [m]."""
SPACING = 0.8
"""Between targets, which lie in a line [m]."""


@register_task("MultiHover")
class MultiHover(TeamTask):
    """Success: every drone's mean distance to its target below 5 cm over the last 2 s.

    Starts: up to 1 m from the target along each axis, 0.45 m apart, 10 deg about each, 0.3 m/s
    along each. The multi-drone hover of gym-pybullet-drones, with starts that are drawn.
    """

    name = "MultiHover"
    num_drones: ClassVar[int] = 2
    offset_range: ClassVar[float] = 1.0
    """Of a start from its target, along each axis [m]."""
    gap: ClassVar[float] = 0.45
    """Between starts [m]."""
    templates = Templates(
        "hover at your {count} places",
        "hold {count} drones at their places",
        "keep the {count} drones where they belong",
    )
    slot_words: ClassVar = {"count": [str(n) for n in range(1, TeamTask.max_drones + 1)]}

    def __init__(self, num_worlds: int, **options) -> None:
        super().__init__(num_worlds, **options)
        side = SPACING * (np.arange(self.num_drones) - (self.num_drones - 1) / 2)
        self.target = np.stack([0 * side, side, 0 * side + HEIGHT], axis=1)

    def start_team(self, mask: Mask, rng: WorldRng) -> NDArray:
        """Starts about the targets, which stay where they are."""
        r, shape = self.offset_range, (self.num_drones, 3)
        return apart(mask, rng, lambda m: self.target + rng.uniform(m, -r, r, shape), self.gap)

    def aim(self, world: FlyingWorld) -> NDArray:
        """The way to each drone's target (N, A, 3) [m]."""
        return self.target - world.flight.position

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """The targets, at rest."""
        return Setpoint.at(np.broadcast_to(self.target, world.flight.position.shape))

    def judge(self, world: FlyingWorld) -> Drones:
        """Distance to the target [m]."""
        return {"error": np.linalg.norm(self.aim(world), axis=-1)}

    def terms(self, drones: Drones) -> dict[str, tuple[float, NDArray]]:
        """Near, nearer, and calm once there."""
        return reaching(drones)

    def words(self, world: int) -> dict[str, str]:
        """How many places there are."""
        return {"count": str(self.num_drones)}
