"""ArmTask: a task whose worlds may each have physics and looks of their own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.registry import ROBOTS
from octoworld.core.rng import WorldRng
from robots.control.ik import InverseKinematics, ik_config
from robots.spec import RobotSpec, arm_of
from sim.randomize import Given, Randomizer
from sim.world import Mask, World

from ..splits import CELL, split_named
from ..task import Evaluation, Task, weighted

REWARDS = ("dense", "sparse")

PROPRIOCEPTION = ("tool_x", "tool_y", "tool_z", "tool_vx", "tool_vy", "tool_vz", "gap", "gripper")
"""Names of the columns of `observation.state`: [m], [m/s], [m], last command in [-1, 1]."""


class ArmTask(Task):
    """What arm tasks share: the choice of the arm, and parameters drawn at every start."""

    robot = "panda"
    state_names = PROPRIOCEPTION
    remembers: ClassVar[tuple[str, ...]] = ("gripper", "wording")
    """Names of the numbers (N,) in `memory`: the last gripper command, the sentence, ..."""
    things: ClassVar[tuple[str, ...]] = ()
    """Bodies and sites that the work is about; staged tasks read and observe them."""
    has_distractors: ClassVar[bool] = False
    """Whether further things can stand about."""
    physics: ClassVar[str | Mapping[str, Given]] = "arm"
    """What the split `physics` randomises."""

    def __init__(
        self,
        num_worlds: int,
        *,
        robot: str | None = None,
        randomize: str | Mapping[str, Given] | None = None,
        randomize_ramp: int = 0,
        split: str = "",
        instruction: str = "",
        reward: str = "dense",
    ) -> None:
        """A task of `num_worlds` worlds.

        Args:
            num_worlds: N.
            robot: registered arm; None is the task's own.
            randomize: what is drawn for each world at every start, see `sim.randomize`: presets
                ("servos", "arm", "looks", "arm+looks"), or parameter of the world -> spread.
                Starts stay those of the same seed without it.
            randomize_ramp: episodes over which the spreads grow to their full width.
            split: what starts are drawn from, see `tasks.splits`; "" is everything.
            instruction: the one sentence that is said, instead of the task's own paraphrases, with
                the same slots: "grab the {block} block".
            reward: "dense", or "sparse": 1 for success and 0 before it.

        Raises:
            UnknownNameError: no such robot, preset or split; at the first reset, no such parameter.
            ConfigError: the robot has no arm, or one that cannot do the task; the task has no
                distractors, which the split asks for; `instruction` does not have its slots;
                `reward` is neither "dense" nor "sparse".
        """
        super().__init__(num_worlds)
        if reward not in REWARDS:
            raise ConfigError(f"reward {reward!r}: expected {' or '.join(REWARDS)}")
        self.is_sparse = reward == "sparse"
        if robot is not None:
            self.robot = robot  # type: ignore[misc]
        self.spec: RobotSpec = ROBOTS.get(self.robot)()
        """The arm."""
        self.arm = arm_of(self.spec)
        """Its workspace."""
        self.split = split_named(split) if split else None
        if self.split is not None and self.split.distractors and not self.has_distractors:
            raise ConfigError(f"task {self.name} has no distractors: take another split")
        if instruction:
            self.templates = self.templates.reworded(instruction)  # type: ignore[misc]
        if self.split is not None and self.split.randomize and randomize is None:
            preset = self.split.randomize
            randomize = self.physics if preset == "arm" else preset
        self.memory = {name: np.zeros(num_worlds) for name in self.remembers}
        self.randomizer: Randomizer | None = None
        """Its `sampled()` says what physics each world has; None: all have the scene's."""
        if randomize is not None:
            self.randomizer = Randomizer(randomize, None, num_worlds, 1, randomize_ramp)
            self.memory["physics"] = self.randomizer.values

    @abstractmethod
    def dense_reward(self, evaluation: Evaluation) -> tuple[NDArray, dict[str, NDArray]]:
        """Total (N,) and named terms (N,) in [0, 1], which lead the way."""

    def reward(self, evaluation: Evaluation) -> tuple[NDArray, dict[str, NDArray]]:
        """What leads the way, or success alone."""
        if self.is_sparse:
            return weighted({"success": (1.0, evaluation["success"])})
        return self.dense_reward(evaluation)

    @abstractmethod
    def meant(self, world: World) -> NDArray:
        """(N, 2, 3) places of what the instruction is about now: the thing, and its goal [m]."""

    def instruction(self, rng: WorldRng, mask: Mask) -> list[str]:
        """Draw a paraphrase for each masked world."""
        may = np.arange(len(self.templates))
        if self.split is not None:
            may = self.split.wordings(len(may))
        self.memory["wording"][mask] = may[rng.integers(mask, len(may))]
        every = self.instructions
        return [every[i] for i in np.flatnonzero(mask)]

    def note_action(self, actions: NDArray) -> None:
        """Remember the gripper command, the last column of every control mode."""
        self.memory["gripper"] = np.asarray(actions[:, -1], np.float64).copy()

    def may_stand(self, xy: NDArray) -> NDArray[np.bool_]:
        """Whether the thing that the task is about may start at (..., 2) [m]."""
        if self.split is None:
            return np.ones(xy.shape[:-1], bool)
        return self.split.places(xy, self.cell)

    @property
    def cell(self) -> float:
        """Edge of the squares by which splits part that thing's places [m]."""
        return CELL

    def start_tool(self, world: World, mask: Mask, tool: NDArray) -> None:
        """Put the masked worlds' tools at (n, 3) [m], pointing down as far as they can."""
        world.set_joint_position(self.spec.arm_joints, self.joints_at(tool), mask)

    def draw_physics(self, world: World, mask: Mask, rng: WorldRng) -> None:
        """New parameters of the masked worlds; after all else is drawn, which so stays the same."""
        if self.randomizer is not None:
            drawn = self.randomizer.draw(mask, rng)
            world.set_parameters({name: value[:, 0] for name, value in drawn.items()}, mask)

    def joints_at(self, tool: NDArray) -> NDArray[np.float64]:
        """Arm joints (n, J) [rad] with the tool at (n, 3) [m], pointing down as far as it can."""
        ik = self._start_ik
        target = np.concatenate([tool, np.tile(self.arm.tool_quat_wxyz, (len(tool), 1))], axis=1)
        return ik.solve(np.tile(ik.home, (len(tool), 1)), target)

    @cached_property
    def _start_ik(self) -> InverseKinematics:
        return InverseKinematics(self.spec, ik_config(self.spec, iterations=8))
