"""Pads to land on: their bodies, and what a good touch-down is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robots.spec import BodySpec, GeomSpec, Vec3
from sim.world import FlyingWorld

RADIUS = 0.2
"""Of a pad [m]; the drone's middle must be over it."""
GENTLE = 0.6
"""Highest speed before touching down [m/s]."""
CUSHION, PRESS = 0.12, 0.7
"""Height under which the ground effect is pressed through [m], at this command [m/s]."""
REST_SPEED, REST_SECONDS = 0.05, 0.5
"""A drone is at rest below this speed [m/s], for this long [s]."""


def pad(name: str, rgb: Vec3 = (0.12, 0.42, 1.0)) -> BodySpec:
    """A disc painted on the floor, whose place is set per world; drones stand on the floor."""
    disc = GeomSpec(
        f"{name}_disc", "cylinder", (RADIUS, 0.002), rgba=(*rgb, 1.0), collides=False
    )  # fmt: skip
    return BodySpec(name, movable_base=True, geoms=(disc,))


def place_pad(world: FlyingWorld, mask: NDArray, name: str, places: NDArray) -> None:
    """A pad of the masked worlds to `places` (n, 2) [m]."""
    poses = np.zeros((len(places), 7))
    poses[:, :2], poses[:, 2], poses[:, 3] = places, 0.003, 1.0
    world.set_pose(name, poses, mask)


def descent(position: NDArray, place: NDArray, height: NDArray, speed: float) -> NDArray:
    """Velocity (N, 3) that lands at `place` (N, 2) [m/s]: over it at `height` (N,), then down.

    Within 8 cm of its axis it sinks at 0.8 / s of the height, 0.2 to 0.45 m/s; near the floor it
    asks for more, since the ground effect carries a drone that does not.
    """
    way = place - position[:, :2]
    off = np.linalg.norm(way, axis=-1, keepdims=True)
    level = 1.5 * way * np.minimum(1.0, speed / np.maximum(1.5 * off, 1e-9))
    sink = -np.where(position[:, 2] < CUSHION, PRESS, np.clip(0.8 * position[:, 2], 0.2, 0.45))
    hold = np.clip(1.5 * (height - position[:, 2]), -0.4, 0.4)
    return np.column_stack([level, np.where(off[:, 0] < 0.08, sink, hold)])


class Touchdown:
    """Judges landings by what it keeps in a task's memory: speed before, steps at rest, landed."""

    def __init__(self, memory: dict[str, NDArray], num_worlds: int, fps: int) -> None:
        self.memory, self.steps = memory, round(REST_SECONDS * fps)
        for name in ("speed_before", "was_down", "rested", "landed"):
            memory[name] = np.zeros(num_worlds)

    def reset(self, mask: NDArray) -> None:
        """Nothing has happened yet in the masked worlds."""
        for name in ("speed_before", "was_down", "rested", "landed"):
            self.memory[name][mask] = 0.0

    def judge(
        self, world: FlyingWorld, is_down: NDArray, place: NDArray, may_land: NDArray | None = None
    ) -> tuple[NDArray, NDArray]:
        """Bad touches and landings, each (N,) bool.

        A touch is bad off the pad at `place` (N, 2), faster than `GENTLE`, on the side, or where
        `may_land` is false; a landing is `REST_SECONDS` of rest on the pad.
        """
        memory, flight = self.memory, world.flight
        speed = np.linalg.norm(flight.velocity[:, 0], axis=-1)
        over = np.linalg.norm(flight.position[:, 0, :2] - place, axis=-1) < RADIUS
        x, y = flight.quat[:, 0, 1], flight.quat[:, 0, 2]
        upright = 1 - 2 * (x * x + y * y) > 0.7
        hard = (memory["was_down"] == 0) & (memory["speed_before"] > GENTLE)
        good = over & upright & ~hard & (True if may_land is None else may_land)
        resting = is_down & good & (speed < REST_SPEED)
        memory["rested"][...] = np.where(resting, memory["rested"] + 1, 0.0)
        memory["landed"][...] = np.maximum(memory["landed"], memory["rested"] >= self.steps)
        memory["speed_before"][...], memory["was_down"][...] = speed, is_down
        landed = memory["landed"] > 0
        return is_down & ~good & ~landed, landed
