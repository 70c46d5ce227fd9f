"""ObstacleField: cross a field of poles to a point behind it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task
from octoworld.core.rng import WorldRng
from robots.spec import BodySpec, GeomSpec
from sim.scene import Scene
from sim.world import FlyingWorld, Mask

from ..language import Templates
from ..rewards import tolerance
from ..task import Evaluation
from .arena import arena
from .multi_parts import apart
from .solo import PointTask, toward

COUNT, RADIUS, HEIGHT = 8, 0.06, 2.0
"""Poles; their radius and height [m]."""
GAP = 0.5
"""Least distance between axes of poles [m]."""
REACHED = 0.15
"""From the goal [m]."""
DIRECTIONS, LOOK, MARGIN = 48, 0.7, 0.2
"""Headings that the expert compares, how far it looks and what it keeps from axes [m]."""


def pole(name: str, height: float = HEIGHT, radius: float = RADIUS) -> BodySpec:
    """An upright pole whose place is set per world; its frame is in the middle of it."""
    shape = GeomSpec(f"{name}_pole", "cylinder", (radius, height / 2), rgba=(0.8, 0.2, 0.25, 1.0))
    return BodySpec(name, position=(0.0, 0.0, height / 2), movable_base=True, geoms=(shape,))


def clear_heading(position: NDArray, way: NDArray, poles: NDArray, margin: float) -> NDArray:
    """Level direction (N, 3) nearest to `way` that keeps `margin` from poles.

    Positions (N, 3), poles (N, P, 2) [m]. Of `DIRECTIONS` headings, the one of least turn plus
    penalty for the part of the margin lost within `LOOK`.
    """
    angles = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
    headings = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    reach = np.minimum(np.linalg.norm(way[:, :2], axis=-1), LOOK)[:, None, None]
    to_pole = poles - position[:, None, :2]
    along = np.clip(np.einsum("npi,di->ndp", to_pole, headings), 0.0, reach)
    miss = to_pole[:, None] - along[..., None] * headings[:, None]
    clearance = np.linalg.norm(miss, axis=-1).min(axis=-1)
    direct = np.arctan2(way[:, 1], way[:, 0])[:, None]
    turn = np.abs((angles - direct + np.pi) % (2 * np.pi) - np.pi)
    best = np.argmin(turn + 40.0 * np.maximum(0.0, margin - clearance), axis=1)
    return np.column_stack([headings[best], np.zeros(len(best))])


@register_task("ObstacleField")
class ObstacleField(PointTask):
    """Success: within 15 cm of a point behind eight poles, having touched none.

    Poles stand 50 cm apart or more within 1 m of the middle. Starts: 1.7 m before it, 10 deg,
    0.3 m/s. Once the goal is reached, each step gives the whole reward.
    """

    name = "ObstacleField"
    max_seconds = 12.0
    tilt_range = np.deg2rad(10)
    speed_range = 0.3
    cruise = 0.6
    templates = Templates(
        "fly between the poles to the other side",
        "cross the field of poles",
        "get past all poles",
    )

    def __init__(self, num_worlds: int, **options: Any) -> None:
        super().__init__(num_worlds, **options)
        self.memory["poles"] = np.zeros((num_worlds, COUNT, 2))
        self.memory["target"] = np.ones((num_worlds, 3))
        self.memory["reached"] = np.zeros(num_worlds)

    def scene(self) -> Scene:
        """The room with its poles."""
        poles = tuple(pole(f"pole{k}") for k in range(COUNT))
        return arena(self.name, self.spec, self.start, bodies=poles, aero=self.aero)

    def begin(self, world: FlyingWorld, mask: Mask, rng: WorldRng) -> NDArray:
        """Poles, the goal, a start."""
        low, high = (-1.0, -1.0, HEIGHT / 2), (1.0, 1.0, HEIGHT / 2)
        places = apart(mask, rng, lambda m: rng.uniform(m, low, high, (COUNT, 3)), GAP)
        self.memory["poles"][mask] = places[..., :2]
        for k in range(COUNT):
            quat = np.broadcast_to((1.0, 0.0, 0.0, 0.0), (len(places), 4))
            world.set_pose(f"pole{k}", np.concatenate([places[:, k], quat], axis=1), mask)
        self.memory["target"][mask] = rng.uniform(mask, (1.6, -0.6, 0.8), (1.8, 0.6, 1.4), (3,))
        self.memory["reached"][mask] = 0.0
        return rng.uniform(mask, (-1.8, -0.6, 0.8), (-1.6, 0.6, 1.4), (3,))

    def crashed(self, world: FlyingWorld) -> NDArray[np.bool_]:
        """(N,) drones that touch the floor or a pole."""
        body = self.drones[0]
        touched = [world.contacts(body, f"pole{k}") for k in range(COUNT)]
        return np.logical_or.reduce([super().crashed(world), *touched])

    def goal(self, world: FlyingWorld) -> NDArray:
        """Ways to the goal and, nearest first, to the poles' axes, (N, 1, 3 + 2 P) [m]."""
        position = world.flight.position[:, 0]
        ways = self.memory["poles"] - position[:, None, :2]
        order = np.argsort(np.linalg.norm(ways, axis=-1), axis=1, kind="stable")
        ways = np.take_along_axis(ways, order[..., None], axis=1).reshape(self.num_worlds, -1)
        return np.concatenate([self.memory["target"] - position, ways], axis=1)[:, None]

    def wanted_velocity(self, world: FlyingWorld) -> NDArray:
        """Straight to the goal as far as poles let it."""
        position = world.flight.position[:, 0]
        way = self.memory["target"] - position
        heading = clear_heading(position, way, self.memory["poles"], RADIUS + MARGIN)
        length = np.linalg.norm(way[:, :2], axis=-1, keepdims=True)
        aside = heading * length
        aside[:, 2] = way[:, 2]
        return toward(np.where(length > REACHED, aside, way), self.cruise)

    def judge(self, world: FlyingWorld, felt: Evaluation) -> Evaluation:
        """Distance to the goal [m], and whether it has been reached."""
        way = self.memory["target"] - world.flight.position[:, 0]
        distance = np.linalg.norm(way, axis=-1)
        reached = self.memory["reached"]
        reached[...] = np.maximum(reached, distance < REACHED)
        return {"distance": distance, "success": reached > 0}

    def terms(self, evaluation: Evaluation) -> dict[str, tuple[float, NDArray]]:
        """Near the goal, and there."""
        done = evaluation["success"].astype(float)
        near = np.maximum(done, tolerance(evaluation["distance"], margin=2.5))
        return {"near": (0.4, near), "reached": (0.6, done)}
