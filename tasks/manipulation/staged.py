"""StagedTask: a job of named stages for an arm, over any scene of things, joints and places."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.rng import WorldRng
from sim.world import Mask, World

from ..language import COLOR_NAMES
from ..splits import CELL
from ..task import Evaluation, weighted
from .arm_task import ArmTask
from .places import Place, draw_places
from .tabletop import PALETTE

GRASP_GAP = (0.02, 0.075)
"""Finger gap with something between the fingers [m]."""
REST_SPEED = 0.05
"""Below it a thing rests [m/s]."""


@dataclass
class Reading:
    """Where everything is, in the world's frame."""

    tool: NDArray
    """(N, 3) [m]."""
    tool_velocity: NDArray
    """(N, 3) [m/s]."""
    gap: NDArray
    """(N,) between the fingers [m]."""
    command: NDArray
    """(N,) last gripper command, -1 to 1."""
    at: dict[str, NDArray] = field(default_factory=dict)
    """Thing -> (N, 3) [m]."""
    quat: dict[str, NDArray] = field(default_factory=dict)
    """Thing -> (N, 4) wxyz."""
    speed: dict[str, NDArray] = field(default_factory=dict)
    """Graspable thing -> (N,) [m/s]."""
    joint: dict[str, NDArray] = field(default_factory=dict)
    """Joint of a fixture -> (N,) [m] or [rad]."""
    grasped: dict[str, NDArray] = field(default_factory=dict)
    """Graspable thing -> (N,) bool: both fingers touch it, and it is between them."""

    def apart(self, a: str, b: str, axes: int = 3) -> NDArray:
        """Distance of two things, (N,) [m]; 2 axes: over the table."""
        return np.linalg.norm((self.at[a] - self.at[b])[:, :axes], axis=1)


class StagedTask(ArmTask):
    """A subclass names what is there and what counts as done; the rest is here.

    `stages` gives truths in the order in which the work is done. A stage that is done counts all
    before it as done (a block that lies in the bin need not be held any more), so its truth says
    all that it needs: "closed" of a store task is a closed drawer with the block in it. Success is
    the last stage.
    """

    cameras = ("front", "wrist", "side")
    graspable: ClassVar[tuple[str, ...]] = ()
    """Those of them that move freely and may be held."""
    landings: ClassVar[tuple[str, ...]] = ()
    """Places among `things` on which a graspable thing may come to lie."""
    fixtures: ClassVar[tuple[str, ...]] = ()
    """Joints of drawers, doors, buttons and levers."""
    operated_at: ClassVar[Mapping[str, float]] = {}
    """Fixture -> way from 0 from which it is open, pressed or turned [m] or [rad]."""
    concerns: ClassVar[tuple[str, ...]] = ()
    """Those of the graspable things and fixtures that the job is about."""
    places: ClassVar[Mapping[str, Place]]
    """Body -> where it is put at the start."""
    subject: ClassVar[str]
    """The one of them that the split `positions` is about."""
    heights: ClassVar[Mapping[str, float]] = {}
    """Body -> height of its origin at the start [m]; 0 where none is said."""
    colored: ClassVar[Mapping[str, str]] = {}
    """Geom -> slot of the instruction whose colour it wears; colours of slots differ."""
    tool_low: ClassVar[tuple[float, float, float]] = (0.42, -0.10, 0.16)
    """Lowest start of the tool [m]."""
    tool_high: ClassVar[tuple[float, float, float]] = (0.56, 0.10, 0.22)
    """Highest start of the tool [m]."""

    def __init__(self, num_worlds: int, **options: Any) -> None:
        """See `ArmTask`."""
        super().__init__(num_worlds, **options)
        self.slots = tuple(sorted(set(self.colored.values())))
        for slot in self.slots:
            self.memory[f"color_{slot}"] = np.zeros(num_worlds)
        self._read: tuple[Any, Reading] | None = None

    # -- what a task says ------------------------------------------------------------------------

    @abstractmethod
    def stages(self, r: Reading) -> dict[str, NDArray]:
        """Stage -> done (N,) bool, in the order of the work; the last one is success."""

    @abstractmethod
    def shaping(self, r: Reading) -> dict[str, NDArray]:
        """Stage -> how near it is, (N,) in [0, 1]; stages that are left out pay when done."""

    @abstractmethod
    def aim(self, r: Reading) -> tuple[NDArray, NDArray]:
        """What is to be handled now and where it is to go, (N, 3) [m] each."""

    def prepare(self, world: World, mask: Mask, rng: WorldRng) -> None:
        """Set what differs from the scene's home: open drawers, doors."""

    # -- the contract ----------------------------------------------------------------------------

    def reset(self, world: World, mask: Mask, rng: WorldRng) -> None:
        """Places, the tool's start, colours, wording, then physics, in this order of draws."""
        placed = draw_places(rng, mask, self.places, self.may_stand, self.subject)
        for name, row in placed.items():
            half = 0.5 * row[:, 2]
            zero = np.zeros(len(row))
            height = np.full(len(row), self.heights.get(name, 0.0))
            pose = [row[:, 0], row[:, 1], height, np.cos(half), zero, zero, np.sin(half)]
            world.set_pose(name, np.stack(pose, axis=1), mask)
        self.start_tool(world, mask, rng.uniform(mask, self.tool_low, self.tool_high, (3,)))
        if self.slots:
            order = self._colors(rng, mask)
            for i, slot in enumerate(self.slots):
                self.memory[f"color_{slot}"][mask] = order[:, i]
            for geom, slot in self.colored.items():
                color = self.memory[f"color_{slot}"][mask].astype(int)
                world.set_color(geom, PALETTE[color], mask)
        self.memory["gripper"][mask] = 1.0
        self.prepare(world, mask, rng)
        self.instruction(rng, mask)
        self.draw_physics(world, mask, rng)

    def _colors(self, rng: WorldRng, mask: Mask) -> NDArray[np.int64]:
        """Orders of all colours (n, C): the first ones are the slots'."""
        order = rng.uniform(mask, 0.0, 1.0, (len(COLOR_NAMES),)).argsort(axis=1)
        if self.split is None:
            return order
        paired = [self.slots.index(slot) for slot in self.paired_slots]
        pairs = self.split.pairs() if len(paired) > 1 else self.split.colors()[:, None]
        first = pairs[rng.integers(mask, len(pairs))]
        # the pair goes where it belongs, the others keep their order
        later = ~(order[:, :, None] == first[:, None]).any(axis=2)
        drawn = np.empty_like(order)
        drawn[:, paired] = first
        others = [i for i in range(order.shape[1]) if i not in paired]
        drawn[:, others] = order[later].reshape(len(order), -1)
        return drawn

    @property
    def paired_slots(self) -> tuple[str, ...]:
        """The two slots whose colours the split `pairs` is about: those that the sentence names."""
        told = sorted(self.slots, key=lambda slot: slot not in self.templates.slots)
        return tuple(sorted(told[:2]))

    @property
    def cell(self) -> float:
        """Edge of the squares by which splits part the subject's places [m]; small for a fixture.

        Half the narrower side of its room at most, so that there are squares of both kinds.
        """
        place = self.places[self.subject]
        return min(CELL, *((high - low) / 2 for low, high in (place.x, place.y)))

    @property
    def instructions(self) -> list[str]:
        """The sentence of every world."""
        wording = self.memory["wording"].astype(int)
        colors = {s: self.memory[f"color_{s}"].astype(int) for s in self.slots}
        return [
            self.templates.fill(w, **{s: COLOR_NAMES[c[i]] for s, c in colors.items()})
            for i, w in enumerate(wording)
        ]

    def read(self, world: World) -> Reading:
        """Read the world once: judging, observing and the expert share what was read."""
        key = (world, getattr(world, "revision", None))
        if self._read is None or key[1] is None or self._read[0] != key:
            self._read = key, self._reading(world)
        r = self._read[1]
        r.command = self.memory["gripper"]
        return r

    def _reading(self, world: World) -> Reading:
        gap = world.joint_position(*self.spec.gripper_joints).sum(axis=1)
        tool = self.spec.tool_site
        r = Reading(
            world.pose(tool)[:, :3], world.velocity(tool)[:, :3], gap, self.memory["gripper"]
        )
        for name in self.things:
            pose = world.pose(name)
            r.at[name], r.quat[name] = pose[:, :3], pose[:, 3:]
        low, high = GRASP_GAP
        for name in self.graspable:
            r.speed[name] = np.linalg.norm(world.velocity(name)[:, :3], axis=1)
            left, right = (world.contacts(finger, name) for finger in self.arm.fingers)
            r.grasped[name] = left & right & (gap > low) & (gap < high)
        for name in self.fixtures:
            r.joint[name] = world.joint_position(name)[:, 0]
        return r

    def meant(self, world: World) -> NDArray:
        """See `ArmTask`."""
        return np.stack(self.aim(self.read(world)), axis=1)

    def observe(self, world: World) -> dict[str, NDArray]:
        """Proprioception (N, 8), see `state_names`; places and aims, from the tool."""
        r = self.read(world)
        felt = [r.tool, r.tool_velocity, r.gap[:, None], r.command[:, None]]
        hidden = [r.at[name] - r.tool for name in self.things]
        hidden += [r.quat[name] for name in self.graspable]
        hidden += [r.grasped[name][:, None] for name in self.graspable]
        hidden += [r.joint[name][:, None] for name in self.fixtures]
        hidden += [place - r.tool for place in self.aim(r)]
        return {
            "observation.state": np.concatenate(felt, axis=1, dtype=np.float32),
            "privileged": np.concatenate(hidden, axis=1, dtype=np.float32),
        }

    def evaluate(self, world: World) -> Evaluation:
        """Stages by name, `progress` (share done), `shaped` (with the next one's nearness)."""
        r = self.read(world)
        done = self.stages(r)
        names = list(done)
        self.stage_names = tuple(names)
        # from the end: what comes after a stage implies it
        reached = np.logical_or.accumulate(np.stack(list(done.values()))[::-1], axis=0)[::-1]
        shaping = self.shaping(r)
        near = np.zeros(self.num_worlds)
        for i in reversed(range(len(names))):
            before = reached[i - 1] if i else np.ones(self.num_worlds, bool)
            value = shaping.get(names[i], np.zeros(self.num_worlds))
            near = np.where(before & ~reached[i], value, near)
        evaluation: Evaluation = dict(zip(names, reached, strict=True))
        evaluation["progress"] = reached.mean(axis=0)
        part = np.clip(near, 0.0, 1.0) / len(names)
        evaluation["shaped"] = np.minimum(evaluation["progress"] + part, 1.0)
        evaluation["success"] = reached[-1]
        evaluation["wrong_object"] = self.strayed(r)
        return evaluation

    def strayed(self, r: Reading) -> NDArray[np.bool_]:
        """Whether something else than what the job `concerns` is held or operated, (N,)."""
        held = [r.grasped[name] for name in self.graspable if name not in self.concerns]
        operated = [
            np.abs(r.joint[name]) >= way
            for name, way in self.operated_at.items()
            if name not in self.concerns
        ]
        return np.logical_or.reduce([np.zeros(self.num_worlds, bool), *held, *operated])

    def dense_reward(self, evaluation: Evaluation) -> tuple[NDArray, dict[str, NDArray]]:
        """Stages done and the nearness of the next, each stage an equal part."""
        return weighted({"stages": (1.0, evaluation["shaped"])})
