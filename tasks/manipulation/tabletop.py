"""TabletopTask: what the four table-top tasks share: start, observation, and the judging."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.rng import WorldRng
from sim.scene import Scene
from sim.world import Mask, World

from ..language import COLOR_NAMES, COLORS
from ..task import Evaluation
from . import judging
from .arm_task import ArmTask
from .layout import LayoutConfig, draw_distractors, draw_layout
from .scene import SIZES, standing_height, tabletop_scene

PALETTE = np.array([(*COLORS[name], 1.0) for name in COLOR_NAMES])
UPRIGHT = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class JudgeConfig:
    """Thresholds of the evaluation."""

    reach_distance: float = 0.03
    """Tool to block, counted as reached [m]."""
    grasp_gap: tuple[float, float] = (0.03, 0.07)
    """Finger gap with the block between the fingers [m]; its edge is 0.05 m."""
    lift_height: float = 0.08
    """Clearance under the block, counted as lifted [m]."""
    zone_distance: float = 0.05
    """Block centre to zone centre, counted as inside [m]."""
    rest_speed: float = 0.05
    """Below it the block rests [m/s]."""
    bin_margin: float = 0.02
    """From the bin's outer edge to the block's centre, inside it [m]."""
    over_distance: float = 0.04
    """Block centre to bin centre, counted as over the bin [m]."""
    open_gap: float = 0.06
    """Finger gap of an open gripper [m]."""
    drawer_open: float = 0.10
    """Opening, counted as open [m]."""
    drawer_moved: float = 0.03
    """Opening from which it is ajar [m]."""
    handle_distance: float = 0.045
    """Tool to handle, counted as reached [m]."""


def _metres(point: Any) -> str:
    return "({:.2f}, {:.2f}, {:.2f})".format(*point)


@dataclass
class Measurement:
    """Where everything is: world positions (N, 3) [m], speeds (N, 3) [m/s], truth values (N,)."""

    tool: NDArray
    tool_velocity: NDArray
    gap: NDArray
    command: NDArray
    """Last gripper command, -1 to 1."""
    block: NDArray
    block_quat: NDArray
    block_velocity: NDArray
    zone: NDArray
    bin: NDArray
    handle: NDArray
    opening: NDArray
    """Of the drawer [m]."""
    grasped: NDArray
    """Both fingers touch the block, which is between them."""


class TabletopTask(ArmTask):
    """A job on the shared table-top. A subclass says which: success, reward, words, expert.

    The start states of all four tasks have one distribution: only the instruction tells them apart.
    """

    remembers = ("block_color", "gripper", "wording", "zone_color")
    control_mode = "ee_delta_pos"
    cameras = ("front", "wrist")
    slot_words: ClassVar = {"block": COLOR_NAMES, "zone": COLOR_NAMES}
    layout: LayoutConfig = LayoutConfig()
    has_distractors = True
    subject: ClassVar[Literal["block", "cabinet"]] = "block"
    """What the split `positions` is about."""
    judge: JudgeConfig = JudgeConfig()

    _read: tuple[Any, Measurement] | None = None

    def __init__(self, num_worlds: int, **options: Any) -> None:
        """A task of `num_worlds` worlds; options of `ArmTask`.

        Raises:
            ConfigError: the arm does not reach the table's things.
        """
        super().__init__(num_worlds, **options)
        low, high = self.layout.tool_range()
        can_low, can_high = self.arm.workspace
        if (low < np.array(can_low)).any() or (high > np.array(can_high)).any():
            raise ConfigError(
                f"task {self.name} needs a tool from {_metres(low)} to {_metres(high)} m; "
                f"robot {self.robot!r} reaches from {_metres(can_low)} to {_metres(can_high)} m"
            )

    @abstractmethod
    def succeeded(self, e: Evaluation) -> NDArray[np.bool_]:
        """Success (N,) from the common quantities."""

    @abstractmethod
    def aim(self, m: Measurement) -> tuple[NDArray, NDArray]:
        """What the instruction refers to: positions of the thing and of its goal, (N, 3) [m]."""

    def scene(self) -> Scene:
        """The shared scene; the same object for all table-top tasks."""
        return tabletop_scene(self.robot, SIZES, self.distractors)

    @property
    def distractors(self) -> int:
        """Further things on the table."""
        return 0 if self.split is None else self.split.distractors

    def reset(self, world: World, mask: Mask, rng: WorldRng) -> None:
        """Draw places, colours (block and zone differ) and the tool's start; gripper open."""
        may_stand = None if self.split is None else self.may_stand
        start = draw_layout(rng, mask, self.layout, may_stand, self.subject)
        count = len(start.tool)

        def placed(xy: NDArray, z: float, quat: NDArray | tuple = UPRIGHT) -> NDArray:
            quats = np.broadcast_to(np.asarray(quat, float), (count, 4))
            return np.concatenate([xy, np.full((count, 1), z), quats], axis=1)

        half = 0.5 * start.yaw[:, None]
        turned = np.concatenate([np.cos(half), 0 * half, 0 * half, np.sin(half)], axis=1)
        world.set_pose("block", placed(start.block, SIZES.block_half, turned), mask)
        world.set_pose("zone", placed(start.zone, 0.0006), mask)
        world.set_pose("bin", placed(start.bin, 0.0), mask)
        world.set_pose("cabinet", placed(start.cabinet, 0.0), mask)
        self.start_tool(world, mask, start.tool)
        if self.split is None:
            block = rng.integers(mask, len(COLOR_NAMES))
            zone = (block + 1 + rng.integers(mask, len(COLOR_NAMES) - 1)) % len(COLOR_NAMES)
        else:
            pairs = self.split.pairs()
            block, zone = pairs[rng.integers(mask, len(pairs))].T
        world.set_color("block", PALETTE[block], mask)
        world.set_color("zone", PALETTE[zone], mask)
        self.memory["block_color"][mask] = block
        self.memory["zone_color"][mask] = zone
        self.memory["gripper"][mask] = 1.0
        self.instruction(rng, mask)
        self.draw_physics(world, mask, rng)
        if self.distractors:
            others = draw_distractors(rng, mask, start, self.distractors)
            for i in range(self.distractors):
                pose = placed(others[:, i], standing_height(i), UPRIGHT)
                world.set_pose(f"distractor{i}", pose, mask)

    @property
    def instructions(self) -> list[str]:
        """The sentence of every world."""
        columns = (self.memory[k].astype(int) for k in ("wording", "block_color", "zone_color"))
        return [
            self.templates.fill(w, block=COLOR_NAMES[b], zone=COLOR_NAMES[z])
            for w, b, z in zip(*columns, strict=True)
        ]

    def measure(self, world: World) -> Measurement:
        """Read the world once: judging and observing after a step share what was read."""
        key = (world, getattr(world, "revision", None))
        if self._read is None or key[1] is None or self._read[0] != key:
            self._read = key, self._measured(world)
        m = self._read[1]
        m.command = self.memory["gripper"]
        return m

    def _measured(self, world: World) -> Measurement:
        block = world.pose("block")
        gap = world.joint_position(*self.spec.gripper_joints).sum(axis=1)
        left, right = (world.contacts(finger, "block") for finger in self.arm.fingers)
        low, high = self.judge.grasp_gap
        return Measurement(
            tool=world.pose(self.spec.tool_site)[:, :3],
            tool_velocity=world.velocity(self.spec.tool_site)[:, :3],
            gap=gap,
            command=self.memory["gripper"],
            block=block[:, :3],
            block_quat=block[:, 3:],
            block_velocity=world.velocity("block")[:, :3],
            zone=world.pose("zone")[:, :3],
            bin=world.pose("bin")[:, :3],
            handle=world.pose("handle")[:, :3],
            opening=world.joint_position("drawer_slide")[:, 0],
            grasped=left & right & (gap > low) & (gap < high),
        )

    def meant(self, world: World) -> NDArray:
        """See `ArmTask`."""
        return np.stack(self.aim(self.measure(world)), axis=1)

    def observe(self, world: World) -> dict[str, NDArray]:
        """Proprioception (N, 8), see `state_names`; places and what is meant, from the tool."""
        m = self.measure(world)
        felt = np.empty((self.num_worlds, judging.FELT), np.float32)
        hidden = np.empty((self.num_worlds, judging.HIDDEN), np.float32)
        judging.observe(
            m.tool, m.tool_velocity, m.block, m.block_quat, m.block_velocity, m.zone, m.bin,
            m.handle, *self.aim(m), m.gap, m.command, m.opening, m.grasped, felt, hidden,
        )  # fmt: skip
        return {"observation.state": felt, "privileged": hidden}

    def evaluate(self, world: World) -> Evaluation:
        """What happened, whichever task it is: the same names in all four."""
        m = self.measure(world)
        quantities = np.empty((len(judging.QUANTITIES), self.num_worlds))
        truths = np.empty((len(judging.TRUTHS), self.num_worlds), bool)
        judging.judge(
            m.tool, m.block, m.block_velocity, m.zone, m.bin, m.handle, m.gap, m.opening,
            m.grasped, self._limits, quantities, truths,
        )  # fmt: skip
        evaluation: Evaluation = dict(zip(judging.QUANTITIES, quantities, strict=True))
        evaluation.update(zip(judging.TRUTHS, truths, strict=True))
        evaluation["success"] = self.succeeded(evaluation)
        evaluation["wrong_object"] = (
            m.grasped if self.subject == "cabinet" else evaluation["drawer_open"]
        )
        return evaluation

    @cached_property
    def _limits(self) -> NDArray:
        j = self.judge
        return np.array([
            SIZES.block_half, SIZES.bin_half - j.bin_margin, SIZES.bin_height, j.reach_distance,
            j.lift_height, j.rest_speed, j.open_gap, j.zone_distance, j.drawer_open,
        ])  # fmt: skip
