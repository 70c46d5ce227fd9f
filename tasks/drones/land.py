"""Land: come down gently on a pad and rest there."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task
from octoworld.core.rng import WorldRng
from sim.scene import Scene
from sim.world import FlyingWorld, Mask

from ..language import Templates
from ..rewards import tolerance
from ..task import Evaluation
from .arena import arena
from .pads import Touchdown, descent, pad, place_pad
from .solo import PointTask


@register_task("Land")
class Land(PointTask):
    """Success: at rest on the pad for 0.5 s, touched at less than 0.6 m/s.

    Touching the floor elsewhere or faster is a crash. Starts: 0.8 to 1.4 m high, within 60 cm of
    the pad along x and y, 10 deg, 0.5 m/s. Once landed, each step gives the whole reward.
    """

    name = "Land"
    max_seconds = 9.0
    tilt_range = np.deg2rad(10)
    speed_range = 0.5
    templates: ClassVar = Templates(
        "land on the pad", "come down gently on the pad", "touch down on the pad"
    )

    def __init__(self, num_worlds: int, **options: Any) -> None:
        super().__init__(num_worlds, **options)
        self.memory["pad"] = np.zeros((num_worlds, 2))
        self.touchdown = Touchdown(self.memory, num_worlds, self.fps)

    def scene(self) -> Scene:
        """The room and the pad."""
        return arena(self.name, self.spec, self.start, bodies=(pad("pad"),), aero=self.aero)

    def begin(self, world: FlyingWorld, mask: Mask, rng: WorldRng) -> NDArray:
        """The pad, and a start over its neighbourhood."""
        place = rng.uniform(mask, -0.8, 0.8, (2,))
        place_pad(world, mask, "pad", place)
        self.memory["pad"][mask] = place
        self.touchdown.reset(mask)
        offset = rng.uniform(mask, (-0.6, -0.6, 0.8), (0.6, 0.6, 1.4), (3,))
        return np.column_stack([place + offset[:, :2], offset[:, 2]])

    def goal(self, world: FlyingWorld) -> NDArray:
        """The way to the pad (N, 1, 3) [m]."""
        place = np.column_stack([self.memory["pad"], np.zeros(self.num_worlds)])
        return place[:, None] - world.flight.position

    def wanted_velocity(self, world: FlyingWorld) -> NDArray:
        """Over the pad, then down."""
        position = world.flight.position[:, 0]
        return descent(position, self.memory["pad"], position[:, 2], self.cruise)

    def crashed(self, world: FlyingWorld) -> NDArray[np.bool_]:
        """(N,) bad touches."""
        down = self.crashes(world)[:, 0]
        return self.touchdown.judge(world, down, self.memory["pad"])[0]

    def judge(self, world: FlyingWorld, felt: Evaluation) -> Evaluation:
        """Distance from the pad's axis and height [m], whether landed."""
        position = world.flight.position[:, 0]
        distance = np.linalg.norm(position[:, :2] - self.memory["pad"], axis=-1)
        return {
            "distance": distance, "height": position[:, 2],
            "success": self.memory["landed"] > 0,
        }  # fmt: skip

    def terms(self, evaluation: Evaluation) -> dict[str, tuple[float, NDArray]]:
        """Over the pad, low over it, landed."""
        done = evaluation["success"].astype(float)
        over = tolerance(evaluation["distance"], (0.0, 0.05), 0.4)
        low = over * tolerance(evaluation["height"], (0.0, 0.02), 0.5)
        over, low = np.maximum(done, over), np.maximum(done, low)
        return {"over": (0.15, over), "low": (0.25, low), "landed": (0.6, done)}
