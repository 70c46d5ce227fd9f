"""Task: the contract of one job for a robot, judged once a step by named quantities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.rng import WorldRng
from sim.scene import Scene
from sim.world import Mask, World

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
    control_mode: ClassVar[str] = "ee_delta_pos"
    """Control mode that the expert speaks, and the default of environments."""
    cameras: ClassVar[tuple[str, ...]] = ()
    """Cameras of `vision` observations."""
    max_seconds: ClassVar[float] = 4.8
    """Length of an episode [s]."""
    fps: ClassVar[int] = 10
    """Control steps a second [Hz]."""

    def __init__(self, num_worlds: int) -> None:
        self.num_worlds = num_worlds
        self.memory: dict[str, NDArray[np.float64]] = {}

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
        """Judge the worlds: named quantities (N,), among them bool `success`."""

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

    @abstractmethod
    def expert(self) -> Expert:
        """The scripted teacher of this task's worlds."""

    def note_action(self, actions: NDArray) -> None:  # noqa: B027 - optional hook
        """Remember what `observe` needs of the actions (N, A) about to be taken."""

    @property
    def max_steps(self) -> int:
        """Length of an episode in control steps."""
        return round(self.max_seconds * self.fps)

    def get_memory(self) -> NDArray[np.float64]:
        """(N, E): the memory's columns in the order of their names."""
        columns = [self.memory[k] for k in sorted(self.memory)]
        return np.stack(columns, axis=1) if columns else np.zeros((self.num_worlds, 0))

    def set_memory(self, rows: ArrayLike, mask: Mask) -> None:
        """Write rows (n, E) of `get_memory` back into the masked worlds."""
        rows = np.asarray(rows, np.float64)
        expected = (int(np.sum(mask)), len(self.memory))
        if rows.shape != expected:
            raise ConfigError(f"task memory of shape {rows.shape}, expected {expected}")
        for i, name in enumerate(sorted(self.memory)):
            self.memory[name][mask] = rows[:, i]


def weighted(terms: dict[str, tuple[float, Any]]) -> tuple[NDArray, dict[str, NDArray]]:
    """Total and terms from {name: (weight, value in [0, 1])}; the weights must sum to 1."""
    total_weight = sum(weight for weight, _ in terms.values())
    if abs(total_weight - 1) > 1e-9:
        raise ConfigError(f"reward weights sum to {total_weight}, expected 1")
    values = {name: np.asarray(value, np.float64) for name, (_, value) in terms.items()}
    total = sum(weight * values[name] for name, (weight, _) in terms.items())
    return np.clip(total, 0.0, 1.0), values
