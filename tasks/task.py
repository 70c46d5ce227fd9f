"""Task: the contract of one job for a robot, judged once a step by named quantities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.registry import ROBOTS
from octoworld.core.rng import WorldRng
from robots.control.modes import ControlConfig
from sim.scene import Scene
from sim.world import Mask, World

from .drive import ArmDrive, Drive
from .language import Templates

Evaluation = dict[str, NDArray]
"""Named quantities and booleans, each (N,); always has `success`."""


class Expert(Protocol):
    """A scripted teacher."""

    def act(self, world: World) -> NDArray[np.float64]:
        """Actions (N, A) in [-1, 1] for the task's `control_mode`, from the state of `world`."""
        ...


class Task(ABC):
    """One job in N worlds at once. All arrays have first axis N; no method loops over worlds.

    A step of the environment calls, in this order: `note_action`, the world's step, `evaluate`
    once, `reward` of that evaluation, `observe`. What a task must remember between steps (the
    colours it drew, the last gripper command) lives in `memory`, so that environments can save and
    restore it with the world's state.
    """

    name: ClassVar[str]
    """Registered name."""
    robot: ClassVar[str]
    """Registered name of the robot that the scene holds."""
    backend: ClassVar[str] = "mujoco"
    """Physics backend that environments take when none is named."""
    control_mode: ClassVar[str] = "ee_delta_pos"
    """Control mode that the expert speaks, and the default of environments."""
    cameras: ClassVar[tuple[str, ...]] = ()
    """Cameras of `vision` observations."""
    max_seconds: ClassVar[float] = 4.8
    """Length of an episode [s]."""
    fps: ClassVar[int] = 10
    """Control steps a second [Hz]."""
    ends_on_success: ClassVar[bool] = True
    """Whether an episode is over once it has succeeded; False for what is to be held or kept up."""
    templates: ClassVar[Templates]
    """Paraphrases of the request, three at least; no other task's sentences."""
    slot_words: ClassVar[Mapping[str, Sequence[str]]] = {}
    """What each slot of `templates` can be filled with."""
    state_names: tuple[str, ...] = ()
    """What the P numbers of `observation.state` are called, in recorded data sets; none where the
    task does not say."""
    stage_names: tuple[str, ...] = ()
    """Entries of `evaluate` that say how far an episode came, in the order of the work; the last
    one need not be success. Known at the latest after the first evaluation."""

    def __init__(self, num_worlds: int) -> None:
        self.num_worlds = num_worlds
        self.memory: dict[str, NDArray[np.float64]] = {}
        """Arrays (N, ...) that live between steps."""

    @abstractmethod
    def scene(self) -> Scene:
        """The world to compile: robot, objects, cameras."""

    @abstractmethod
    def reset(self, world: World, mask: Mask, rng: WorldRng) -> None:
        """Draw and set the start of the masked worlds (the world has just been reset there)."""

    @abstractmethod
    def observe(self, world: World) -> dict[str, NDArray]:
        """`observation.state` (N, P): what the robot feels; `privileged` (N, D): what it cannot."""

    @abstractmethod
    def evaluate(self, world: World) -> Evaluation:
        """Judge the worlds: named quantities (N,), among them bool `success`.

        Bool `failure`, where given, ends the episode (a crash). Bool `wrong_object`, where given:
        something that the instruction does not speak of is held, or as open, pressed or turned as a
        task about it would ask for (brushed in passing is not enough).
        """

    @abstractmethod
    def reward(self, evaluation: Evaluation) -> tuple[NDArray, dict[str, NDArray]]:
        """Total (N,) and named terms (N,), each in [0, 1], of an evaluation alone."""

    @abstractmethod
    def instruction(self, rng: WorldRng, mask: Mask) -> list[str]:
        """Draw the masked worlds' wording; n strings that say what to do."""

    @property
    @abstractmethod
    def instructions(self) -> list[str]:
        """What each of the N worlds is asked to do."""

    @classmethod
    def vocabulary(cls) -> list[str]:
        """Every sentence that the task can say."""
        return cls.templates.all(cls.slot_words)

    @abstractmethod
    def expert(self) -> Expert:
        """The scripted teacher of this task's worlds."""

    def drive(self, control: str, config: ControlConfig | None = None) -> Drive:
        """What carries actions of the control mode `control` into the worlds.

        Raises:
            UnknownNameError: the robot has no such control mode.
            ConfigError: the mode's period is not the task's.
        """
        drive = ArmDrive(control, ROBOTS.get(self.robot)(), config)
        period = drive.mode.config.period
        if abs(period * self.fps - 1) > 1e-9:
            raise ConfigError(f"control period {period} s, but the task runs at {self.fps} Hz")
        return drive

    def bind(self, action_dim: int) -> None:  # noqa: B027 - optional hook
        """Learn the length of actions, once, before anything else."""

    def note_action(self, actions: NDArray) -> None:  # noqa: B027 - optional hook
        """Remember what `observe` needs of the actions (N, A) about to be taken."""

    @property
    def num_agents(self) -> int:
        """A, agents that act in each world; their actions and observations lie side by side."""
        return 1

    def agent_rewards(self, evaluation: Evaluation) -> NDArray:
        """Reward of each agent, (N, A) in [0, 1]."""
        return np.repeat(self.reward(evaluation)[0][:, None], self.num_agents, axis=1)

    def agent_failures(self, evaluation: Evaluation) -> NDArray[np.bool_]:
        """Agents that have failed, (N, A), whether or not the episode goes on without them."""
        failed = evaluation.get("failure", np.zeros(self.num_worlds, bool))
        return np.repeat(failed[:, None], self.num_agents, axis=1)

    @property
    def max_steps(self) -> int:
        """Length of an episode in control steps."""
        return round(self.max_seconds * self.fps)


def weighted(terms: dict[str, tuple[float, Any]]) -> tuple[NDArray, dict[str, NDArray]]:
    """Total and terms from {name: (weight, value in [0, 1])}; the weights must sum to 1."""
    total, total_weight, values = 0.0, 0.0, {}
    for name, (weight, value) in terms.items():
        values[name] = np.asarray(value, np.float64)
        total, total_weight = total + weight * values[name], total_weight + weight
    if abs(total_weight - 1) > 1e-9:
        raise ConfigError(f"reward weights sum to {total_weight}, expected 1")
    return np.minimum(np.maximum(total, 0.0), 1.0), values
