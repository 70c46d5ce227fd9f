"""FlyWaypoints: visit four points in order, then stay at the last."""

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
from .solo import PointTask, toward

COUNT = 4
VISITED = 0.10
"""A point is visited within this distance of it [m]."""


@register_task("FlyWaypoints")
class FlyWaypoints(PointTask):
    """Success: all four points visited (within 10 cm) in their order, and no crash after.

    Points: anywhere within 1.2 m along x and y, 0.6 to 1.8 m high. Once all are visited, each step
    gives the whole reward. Starts: about (0, 0, 1.2), 20 deg, 0.5 m/s.
    """

    name = "FlyWaypoints"
    max_seconds = 14.0
    speed_range = 0.5
    cruise = 1.2
    templates = Templates(
        "fly to the four points in order",
        "visit the waypoints one by one",
        "go from waypoint to waypoint",
    )

    def __init__(self, num_worlds: int, **options: Any) -> None:
        super().__init__(num_worlds, **options)
        self.memory["points"] = np.ones((num_worlds, COUNT, 3))
        self.memory["visited"] = np.zeros(num_worlds)

    def begin(self, world: FlyingWorld, mask: Mask, rng: WorldRng) -> NDArray:
        """The points, and a start in the middle."""
        self.memory["visited"][mask] = 0.0
        points = rng.uniform(mask, (-1.2, -1.2, 0.6), (1.2, 1.2, 1.8), (COUNT, 3))
        self.memory["points"][mask] = points
        return np.array((0.0, 0.0, 1.2)) + rng.uniform(mask, -0.2, 0.2, (3,))

    def point(self, ahead: int = 0) -> NDArray:
        """The next point to visit, or one after it; at the end the last, (N, 3) [m]."""
        index = np.minimum(self.memory["visited"] + ahead, COUNT - 1).astype(int)
        return self.memory["points"][np.arange(self.num_worlds), index]

    def goal(self, world: FlyingWorld) -> NDArray:
        """Ways to the next two points [m], share visited, (N, 1, 7)."""
        position = world.flight.position[:, 0]
        share = self.memory["visited"][:, None] / COUNT
        ways = [self.point(k) - position for k in (0, 1)]
        return np.concatenate([*ways, share], axis=-1)[:, None]

    def wanted_velocity(self, world: FlyingWorld) -> NDArray:
        """Straight to the next point."""
        return toward(self.point() - world.flight.position[:, 0], self.cruise)

    def judge(self, world: FlyingWorld, felt: Evaluation) -> Evaluation:
        """Distance to the next point [m], points visited."""
        visited = self.memory["visited"]
        distance = np.linalg.norm(self.point() - world.flight.position[:, 0], axis=-1)
        visited += (distance < VISITED) & (visited < COUNT)
        return {"distance": distance, "visited": visited.copy(), "success": visited == COUNT}

    def terms(self, evaluation: Evaluation) -> dict[str, tuple[float, NDArray]]:
        """Points visited, and the way to the next; both 1 when all are."""
        done = evaluation["visited"] == COUNT
        near = np.where(done, 1.0, tolerance(evaluation["distance"], (0.0, VISITED), 1.5))
        return {"visited": (0.8, evaluation["visited"] / COUNT), "near": (0.2, near)}
