"""GateRace: the four gates and four poles of lsy_drone_racing, in its four levels.

Course and ranges: config/level0.toml to level3.toml of utiasDSL/lsy_drone_racing (commit 0156540).
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.registry import register_task
from octoworld.core.rng import WorldRng
from octoworld.core.rotations import matrix_from_quat, quat_from_rotvec
from sim.scene import Scene
from sim.world import FlyingWorld, Mask

from ..language import Templates
from ..task import Evaluation
from .arena import arena
from .fly_through_gate import CourseTask
from .gates import STAND, gate
from .multi_parts import apart
from .obstacle_field import pole
from .race_pilot import RacePilot

GATES = np.array(((0.5, 0.25, 0.7), (1.05, 0.75, 1.2), (-1.0, -0.25, 0.7), (0.0, -0.75, 1.2)))
YAWS = np.array((-0.78, 2.35, 3.14, 0.0))
POLES = np.array(((0.0, 0.75), (1.0, 0.25), (-1.5, -0.25), (-0.5, -0.75)))
START = np.array((-1.5, 0.75, 0.05))
POLE_HEIGHT, POLE_RADIUS = 1.52, 0.015
"""[m]"""
START_RANGE = np.array(((-0.1, -0.1, 0.0), (0.1, 0.1, 0.02)))
GATE_RANGE = np.array((0.15, 0.15, 0.1))
GATE_TURN = np.array((0.05, 0.1, 0.2))
POLE_RANGE = 0.15
MASS_RANGE = 0.15
"""Of the mass and inertia at level 1 and above, as a share; lsy: 5 g of 31 g."""
ROOM = np.array((1.3, 1.1))
"""Half extent of tracks drawn at level 3 [m]."""
LIMITS = np.array(((-2.5, -1.5, -1e-3), (2.5, 1.5, 2.0)))
"""Corners of the course; a drone that leaves it is out [m]."""
SENSOR_RANGE = 0.7
"""Level distance within which a gate's or pole's true pose is seen, and kept in mind [m]."""
TRACK_GAP = 0.55
"""Between gates and poles of a drawn track [m]."""


@register_task("GateRace")
class GateRace(CourseTask):
    """Success: all four gates in order, nothing touched, the course never left.

    Levels: 0 the course as it stands; 1 with drawn mass and inertia; 2 also gates and poles moved
    up to 15 cm and turned, of which the drone knows nothing until they are within 0.7 m of it; 3
    also another track, that it is told before those moves. At all levels the start is drawn within
    10 cm.

    Other than in lsy_drone_racing: the drone is the suite's; level 3 there tells no track at all;
    a gate counts inside its opening of 40 cm, there of 45 cm; no force noise.

    Observations: as in CourseTask, of gates as the drone knows them; then the ways to the known
    poles, nearest first [m].
    """

    name = "GateRace"
    num_gates = 4
    max_seconds = 30.0
    tilt_range = 0.1
    speed_range = 0.0
    templates: ClassVar = Templates(
        "race through the four gates", "fly through all gates in order", "take the gates in turn"
    )

    def __init__(self, num_worlds: int, *, level: int = 2, **options: Any) -> None:
        """A race.

        Args:
            num_worlds: N.
            level: 0 to 3.
            options: of `FlyingTask`.

        Raises:
            ConfigError: another level.
        """
        if level not in (0, 1, 2, 3):
            raise ConfigError(f"GateRace level {level!r}: expected 0, 1, 2 or 3")
        super().__init__(num_worlds, **options)
        self.level = level
        self.limits, self.stand, self.num_poles = LIMITS, STAND, len(POLES)
        self.memory["poles"] = np.tile(POLES, (num_worlds, 1, 1))
        self.memory["told_gates"] = self.memory["gates"].copy()
        self.memory["told_poles"] = self.memory["poles"].copy()
        self.memory["seen_gates"] = np.zeros((num_worlds, self.num_gates))
        self.memory["seen_poles"] = np.zeros((num_worlds, len(POLES)))
        self.memory["origin"] = np.tile(START, (num_worlds, 1))

    @property
    def solids(self) -> tuple[str, ...]:
        """Gates and poles."""
        return (*self.gate_names, *(f"pole{k}" for k in range(len(POLES))))

    def scene(self) -> Scene:
        """The room with gates and poles."""
        gates = [gate(name, stands=True) for name in self.gate_names]
        poles = [pole(f"pole{k}", POLE_HEIGHT, POLE_RADIUS) for k in range(len(POLES))]
        return arena(self.name, self.spec, self.start, bodies=(*gates, *poles), aero=self.aero)

    def begin(self, world: FlyingWorld, mask: Mask, rng: WorldRng) -> NDArray:
        """The track, the drone's inertia, a start on the ground's edge."""
        count = int(mask.sum())
        start = START + rng.uniform(mask, START_RANGE[0], START_RANGE[1], (3,))
        if self.level >= 1:
            self._draw_inertia(world, mask, rng)
        turn = np.zeros((count, self.num_gates, 3))
        turn[..., 2] = YAWS
        places, poles = np.tile(GATES, (count, 1, 1)), np.tile(POLES, (count, 1, 1))
        if self.level == 3:
            places, turn, poles = self._draw_track(mask, rng)
        quat = quat_from_rotvec(turn)
        memory = self.memory
        memory["told_gates"][mask] = np.concatenate([places, quat], axis=-1)
        memory["told_poles"][mask] = poles
        if self.level >= 2:
            places = places + rng.uniform(mask, -GATE_RANGE, GATE_RANGE, places.shape[1:])
            tilt = rng.uniform(mask, -GATE_TURN, GATE_TURN, turn.shape[1:])
            quat = quat_from_rotvec(turn + np.array((0.0, 0.0, 1.0)) * tilt)
            poles = poles + rng.uniform(mask, -POLE_RANGE, POLE_RANGE, poles.shape[1:])
        self.place_gates(world, mask, np.concatenate([places, quat], axis=-1))
        memory["poles"][mask] = poles
        memory["origin"][mask] = start
        memory["seen_gates"][mask] = memory["seen_poles"][mask] = 0.0
        away = np.full((self.num_worlds, 2), np.inf)
        away[mask] = start[:, :2]
        self.look(away)
        for k in range(poles.shape[1]):
            rest = np.tile((POLE_HEIGHT / 2, 1.0, 0.0, 0.0, 0.0), (count, 1))
            world.set_pose(f"pole{k}", np.concatenate([poles[:, k], rest], axis=1), mask)
        return self.started(mask, start)

    def look(self, position: NDArray) -> None:
        """Keep in mind what is in sight of drones at `position` (N, 2) [m]."""
        memory = self.memory
        for kind in ("gates", "poles"):
            way = memory[kind][..., :2] - position[:, None]
            seen = np.linalg.norm(way, axis=-1) < SENSOR_RANGE
            memory[f"seen_{kind}"][...] = np.maximum(memory[f"seen_{kind}"], seen)

    def known(self) -> tuple[NDArray, NDArray]:
        """Gates (N, G, 7) and poles (N, P, 2) as the drone knows them."""
        memory = self.memory
        gates, poles = (
            np.where(memory[f"seen_{k}"][..., None] > 0, memory[k], memory[f"told_{k}"])
            for k in ("gates", "poles")
        )
        return gates, poles

    def known_gate(self, ahead: int = 0) -> NDArray:
        """The gate to pass next, or one after it, as the drone knows it, (N, 7)."""
        index = np.minimum(self.memory["passed"] + ahead, self.num_gates - 1).astype(int)
        return self.known()[0][np.arange(self.num_worlds), index]

    def goal(self, world: FlyingWorld) -> NDArray:
        """That of the course, then ways to the known poles, nearest first, (N, 1, 13 + 2 P) [m]."""
        ways = self.known()[1] - world.flight.position[:, :, :2]
        order = np.argsort(np.linalg.norm(ways, axis=-1), axis=1, kind="stable")
        ways = np.take_along_axis(ways, order[..., None], axis=1).reshape(self.num_worlds, 1, -1)
        return np.concatenate([super().goal(world), ways], axis=-1)

    def judge(self, world: FlyingWorld, felt: Evaluation) -> Evaluation:
        """That of the course; a drone out of its limits has failed."""
        position = world.flight.position[:, 0]
        self.look(position[:, :2])
        out = ((position < LIMITS[0]) | (position > LIMITS[1])).any(axis=1)
        return {**super().judge(world, felt), "failure": out}

    def _draw_inertia(self, world: FlyingWorld, mask: Mask, rng: WorldRng) -> None:
        assert self.spec.rotorcraft is not None
        body = next(b for b in self.spec.bodies if b.name == self.spec.rotorcraft.body)
        assert body.mass is not None and body.inertia is not None
        share = 1 + rng.uniform(mask, -MASS_RANGE, MASS_RANGE, (2,))
        inertia = share[:, 1:, None] * np.array(body.inertia[:3])
        world.set_parameters({"mass": share[:, :1] * body.mass, "inertia": inertia}, mask)

    def _draw_track(self, mask: Mask, rng: WorldRng) -> tuple[NDArray, NDArray, NDArray]:
        """Gates (n, G, 3), their turns and poles (n, P, 2), each apart from all others."""

        def draw(some: Mask) -> NDArray:
            points = rng.uniform(some, -ROOM, ROOM, (self.num_gates + len(POLES), 2))
            first = np.broadcast_to(START[:2], (len(points), 1, 2))
            flat = np.concatenate([first, points], axis=1)
            return np.concatenate([flat, np.zeros((*flat.shape[:2], 1))], axis=-1)

        points = apart(mask, rng, draw, TRACK_GAP, tries=2000)[..., :2]
        places = points[:, 1 : 1 + self.num_gates]
        came = places - points[:, : self.num_gates]
        yaw = np.arctan2(came[..., 1], came[..., 0]) + rng.uniform(mask, -0.4, 0.4, (4,))
        turn = np.zeros((len(points), self.num_gates, 3))
        turn[..., 2] = yaw
        heights = np.broadcast_to(GATES[:, 2:], (*places.shape[:2], 1))
        return np.concatenate([places, heights], axis=-1), turn, points[:, 1 + self.num_gates :]

    def crashed(self, world: FlyingWorld) -> NDArray[np.bool_]:
        """(N,) drones that touch gates or poles, the floor (not in the first second), or tip."""
        touched = super().crashed(world)
        up = matrix_from_quat(world.flight.quat[:, 0])[:, 2, 2]
        on_floor = self.crashes(world)[:, 0]
        return np.where(self.time < 1.0, touched & ~on_floor, touched) | (up < 0.0)

    def expert(self) -> RacePilot:
        """A pilot on a spline of least snap."""
        return RacePilot(self)
