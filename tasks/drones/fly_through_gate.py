"""FlyThroughGate, and CourseTask: gates to be passed in order, with nothing touched."""

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
from .gates import from_gate, gate, in_gate, passes, through, upright
from .solo import PointTask, toward

BEHIND = 0.5
"""Where a drone that passed the last gate is to wait, this far behind it [m]."""


class CourseTask(PointTask):
    """Success: all gates passed in order, inside their openings, and nothing touched since.

    Once all are passed, each step gives the whole reward; a touch is still a crash.
    """

    num_gates: ClassVar[int] = 1

    def __init__(self, num_worlds: int, **options: Any) -> None:
        super().__init__(num_worlds, **options)
        self.memory["gates"] = np.zeros((num_worlds, self.num_gates, 7))
        self.memory["gates"][..., 3] = 1.0
        self.memory["passed"] = np.zeros(num_worlds)
        self.memory["last_position"] = np.zeros((num_worlds, 3))

    @property
    def gate_names(self) -> tuple[str, ...]:
        """Bodies of the gates, in order."""
        return tuple(f"gate{k}" for k in range(self.num_gates))

    @property
    def solids(self) -> tuple[str, ...]:
        """What is a crash to touch, beside the floor."""
        return self.gate_names

    def scene(self) -> Scene:
        """The room with its gates."""
        gates = tuple(gate(name) for name in self.gate_names)
        return arena(self.name, self.spec, self.start, bodies=gates, aero=self.aero)

    def place_gates(self, world: FlyingWorld, mask: Mask, poses: NDArray) -> None:
        """Gates of the masked worlds to poses (n, G, 7); none is passed yet."""
        self.memory["gates"][mask] = poses
        self.memory["passed"][mask] = 0.0
        for k, name in enumerate(self.gate_names):
            world.set_pose(name, poses[:, k], mask)

    def started(self, mask: Mask, places: NDArray) -> NDArray:
        """Remember where drones start (n, 3), and give it back."""
        self.memory["last_position"][mask] = places
        return places

    def next_gate(self, ahead: int = 0) -> NDArray:
        """Pose of the gate to pass next, or one after it; at the end the last, (N, 7)."""
        index = np.minimum(self.memory["passed"] + ahead, self.num_gates - 1).astype(int)
        return self.memory["gates"][np.arange(self.num_worlds), index]

    def known_gate(self, ahead: int = 0) -> NDArray:
        """`next_gate` as the drone knows it, (N, 7)."""
        return self.next_gate(ahead)

    def crashed(self, world: FlyingWorld) -> NDArray[np.bool_]:
        """(N,) drones that touch the floor, a gate or an obstacle."""
        body = self.drones[0]
        touched = [world.contacts(body, solid) for solid in self.solids]
        return np.logical_or.reduce([super().crashed(world), *touched])

    def goal(self, world: FlyingWorld) -> NDArray:
        """Where the drone is in the frames of the next two gates [m], share passed, (N, 1, 13).

        With each place goes the direction of the gate in the world.
        """
        position = world.flight.position[:, 0]
        parts = [self.memory["passed"][:, None] / self.num_gates]
        for k in (0, 1):
            pose = self.known_gate(k)
            ahead = from_gate(np.array((1.0, 0.0, 0.0)), pose) - pose[:, :3]
            parts += [in_gate(position, pose), ahead]
        return np.concatenate(parts, axis=-1)[:, None]

    def wanted_velocity(self, world: FlyingWorld) -> NDArray:
        """To before the gate, through it, and then to rest behind it."""
        position, pose = world.flight.position[:, 0], self.next_gate()
        finish = from_gate(np.array((BEHIND, 0.0, 0.0)), pose) - position
        done = self.memory["passed"] == self.num_gates
        way = np.where(done[:, None], finish, through(position, pose))
        return toward(way, self.cruise)

    def pass_gates(self, position: NDArray) -> None:
        """Count the next gate where the way since the last step, to (N, 3), went through it."""
        memory, pose = self.memory, self.next_gate()
        before = in_gate(memory["last_position"], pose)
        through_it = passes(before, in_gate(position, pose))
        memory["passed"] += through_it & (memory["passed"] < self.num_gates)
        memory["last_position"][...] = position

    def judge(self, world: FlyingWorld, felt: Evaluation) -> Evaluation:
        """Gates passed, and the distance to the next one's middle [m]."""
        position = world.flight.position[:, 0]
        self.pass_gates(position)
        passed = self.memory["passed"].copy()
        distance = np.linalg.norm(position - self.next_gate()[:, :3], axis=-1)
        return {"passed": passed, "distance": distance, "success": passed == self.num_gates}

    def terms(self, evaluation: Evaluation) -> dict[str, tuple[float, NDArray]]:
        """Gates passed, and the way to the next; both 1 when all are."""
        passed = evaluation["passed"]
        near = tolerance(evaluation["distance"], margin=1.5)
        near = np.where(passed == self.num_gates, 1.0, near)
        return {"passed": (0.8, passed / self.num_gates), "near": (0.2, near)}


@register_task("FlyThroughGate")
class FlyThroughGate(CourseTask):
    """One gate, 0.7 to 1.3 m high, turned up to 30 deg; starts 1.2 m before it, up to 40 cm off."""

    name = "FlyThroughGate"
    max_seconds = 7.0
    tilt_range = np.deg2rad(10)
    speed_range = 0.3
    templates = Templates("fly through the gate", "pass through the frame", "go through the gate")

    def begin(self, world: FlyingWorld, mask: Mask, rng: WorldRng) -> NDArray:
        """The gate, and a start before it."""
        place = rng.uniform(mask, (-0.2, -0.4, 0.7), (0.4, 0.4, 1.3), (3,))
        poses = upright(place, rng.uniform(mask, -np.pi / 6, np.pi / 6))
        self.place_gates(world, mask, poses[:, None])
        offset = rng.uniform(mask, (-1.4, -0.4, -0.3), (-1.0, 0.4, 0.3), (3,))
        return self.started(mask, from_gate(offset, poses))
