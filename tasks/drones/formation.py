"""Formation: a crowd of drones takes up a drawn formation and keeps it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from octoworld.core.registry import register_task
from octoworld.core.rng import WorldRng
from robots.control.flight.setpoint import Setpoint
from sim.world import FlyingWorld, Mask

from ..language import Templates
from .multi import TeamTask
from .multi_parts import Drones, apart, reaching

SHAPES = ("line", "circle", "wedge", "grid")
SPACING = 0.6
"""Between neighbours of a formation [m]."""


@register_task("Formation")
class Formation(TeamTask):
    """Success: every drone's mean distance to its place below 5 cm over the last 2 s.

    Drawn are the shape, its heading, centre (up to 0.3 m from the middle) and height (1 to 1.6 m),
    and the starts in a room of 4 x 4 x 1.2 m, 0.6 m apart. Each drone is given a place so that the
    sum of squared ways is least, by which straight ways are the safest (CAPT: Turpin, Michael &
    Kumar, IJRR 2014).
    """

    name = "Formation"
    num_drones: ClassVar[int] = 10
    min_drones: ClassVar[int] = 2
    max_drones: ClassVar[int] = 20
    max_seconds: ClassVar[float] = 10.0
    far: ClassVar[float] = 12.0
    room: ClassVar[tuple] = ((-2.0, -2.0, 0.8), (2.0, 2.0, 2.0))
    """Lowest and highest corner of where starts are drawn [m]."""
    gap: ClassVar[float] = 0.6
    """Between starts, height counted half [m]."""
    slot_words: ClassVar = {"shape": SHAPES}
    templates = Templates("form a {shape}", "fly to your places in a {shape}", "make a {shape}")

    def __init__(self, num_worlds: int, **options) -> None:
        super().__init__(num_worlds, **options)
        self.memory["shape"] = np.zeros(num_worlds)
        self.memory["place"] = np.zeros((num_worlds, self.num_drones, 3))
        self.shapes = np.stack([formation(shape, self.num_drones) for shape in SHAPES])

    def start_team(self, mask: Mask, rng: WorldRng) -> NDArray:
        """A formation and who takes which place in it."""
        low, high = self.room
        shape = rng.integers(mask, len(SHAPES))
        heading = rng.uniform(mask, -np.pi, np.pi)
        centre = rng.uniform(mask, (-0.3, -0.3, 1.0), (0.3, 0.3, 1.6), (3,))
        size = (self.num_drones, 3)
        starts = apart(mask, rng, lambda m: rng.uniform(m, low, high, size), self.gap)
        x, y = self.shapes[shape][..., 0], self.shapes[shape][..., 1]
        cos, sin = np.cos(heading)[:, None], np.sin(heading)[:, None]
        turned = np.stack([cos * x - sin * y, sin * x + cos * y, 0 * x], axis=-1)
        places = turned + centre[:, None]
        way = np.square(starts[:, :, None] - places[:, None]).sum(axis=-1)
        order = np.array([linear_sum_assignment(w)[1] for w in way], int).reshape(len(way), -1)
        self.memory["shape"][mask] = shape
        self.memory["place"][mask] = np.take_along_axis(places, order[..., None], axis=1)
        return starts

    def aim(self, world: FlyingWorld) -> NDArray:
        """The way to each drone's place (N, A, 3) [m]."""
        return self.memory["place"] - world.flight.position

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """The places, at rest."""
        return Setpoint.at(self.memory["place"])

    def judge(self, world: FlyingWorld) -> Drones:
        """Distance to the place [m]."""
        return {"error": np.linalg.norm(self.aim(world), axis=-1)}

    def terms(self, drones: Drones) -> dict[str, tuple[float, NDArray]]:
        """Near, nearer, and calm once there."""
        return reaching(drones)

    def words(self, world: int) -> dict[str, str]:
        """The formation's name."""
        return {"shape": SHAPES[int(self.memory["shape"][world])]}


def formation(shape: str, count: int) -> NDArray:
    """Places (A, 2) of a formation about its centre, `SPACING` apart [m]."""
    i = np.arange(count, dtype=float)
    if shape == "line":
        places = np.stack([0 * i, SPACING * i], axis=1)
    elif shape == "circle":
        radius = SPACING / (2 * np.sin(np.pi / max(count, 2)))
        angle = 2 * np.pi * i / count
        places = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    elif shape == "wedge":
        # the leader in front, the others on two arms that open backwards at a right angle
        rank, side = (i + 1) // 2, np.where(i % 2 == 1, 1.0, -1.0)
        places = SPACING / np.sqrt(2) * np.stack([-rank, side * rank], axis=1)
    else:
        across = int(np.ceil(np.sqrt(count)))
        places = SPACING * np.stack([i // across, i % across], axis=1)
    return places - places.mean(axis=0)
