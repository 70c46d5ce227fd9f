"""TeamTask: what tasks for several drones share: judged drone by drone, paid as a team."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.rng import WorldRng
from sim.world import FlyingWorld, Mask, World

from ..drive import Drive
from ..task import Evaluation, weighted
from .drive import FlightDrive
from .flying import FlyingTask
from .multi_parts import Drones
from .multi_pilot import TeamPilot

CLEARANCE = 0.01
"""Hulls nearer than this have collided [m]."""
CEILING = 5.0
"""A drone above this height has flown away [m]."""


class TeamEvaluation(dict):
    """An Evaluation of the team, (N,) each, with what was judged of every drone."""

    def __init__(self, team: Evaluation, drones: Drones) -> None:
        super().__init__(team)
        self.drones = drones


class TeamTask(FlyingTask):
    """`num_drones` drones with one job. Rewards are each drone's; the team earns their mean.

    A drone that touches the floor or another drone, or flies away, is out: it earns 0 from then on
    and its rotors are switched off. `ends_with` says whether the first such drone ends the episode
    (a failure of the team), or only the last one. Success: `error` of every drone, mean over the
    last `hold_seconds`, below `hold_error`, and nobody is out.

    Observations of each drone: as in FlyingTask; privileged: `aim` of the task, then the way to
    and the relative velocity of its nearest drones, nearest first [m, m/s].
    """

    min_drones: ClassVar[int] = 1
    max_drones: ClassVar[int] = 50
    num_neighbours: ClassVar[int] = 3
    """Most drones that one observes."""
    hold_seconds: ClassVar[float] = 2.0
    """Time over which success is judged [s]."""
    hold_error: ClassVar[float] = 0.05
    """Largest mean error in that time [m]."""
    far: ClassVar[float] = 4.0
    """A drone with a larger error has flown away [m]."""
    tilt_range: ClassVar[float] = np.deg2rad(10)
    speed_range: ClassVar[float] = 0.3

    def __init__(
        self,
        num_worlds: int,
        *,
        num_drones: int | None = None,
        ends_with: Literal["first", "last"] = "first",
        **options: Any,
    ) -> None:
        """A task of `num_worlds` worlds.

        Args:
            num_worlds: N.
            num_drones: A; None is the task's own.
            ends_with: the first or only the last drone that is out ends the episode.
            options: further ones of FlyingTask.

        Raises:
            ConfigError: A is out of the task's range, or `ends_with` is neither.
        """
        count = self.num_drones if num_drones is None else num_drones
        if not self.min_drones <= count <= self.max_drones:
            raise ConfigError(
                f"num_drones {count}: task {self.name!r} takes {self.min_drones} to "
                f"{self.max_drones}"
            )
        if ends_with not in ("first", "last"):
            raise ConfigError(f"ends_with {ends_with!r}: expected 'first' or 'last'")
        self.num_drones = count  # type: ignore[misc]
        self.ends_with = ends_with
        self.start = tuple(  # type: ignore[misc]
            (0.0, 0.8 * (i - (count - 1) / 2), 1.0) for i in range(count)
        )
        super().__init__(num_worlds, **options)
        shape, window = (num_worlds, count), round(self.hold_seconds * self.fps)
        self.memory |= {
            "out": np.zeros(shape),
            "error": np.full(shape, self.far),
            "errors": np.full((*shape, window), self.far),
            "clock": np.zeros(num_worlds),
        }

    # -- what a task says ------------------------------------------------------------------------

    @abstractmethod
    def start_team(self, mask: Mask, rng: WorldRng) -> NDArray:
        """Draw goals of the masked worlds; where their drones start, (n, A, 3) [m]."""

    @abstractmethod
    def aim(self, world: FlyingWorld) -> NDArray:
        """What each drone shall do, seen from it: (N, A, G)."""

    @abstractmethod
    def judge(self, world: FlyingWorld) -> Drones:
        """Quantities of each drone, (N, A), among them `error`, from what it shall do [m]."""

    @abstractmethod
    def terms(self, drones: Drones) -> dict[str, tuple[float, NDArray]]:
        """{name: (weight, value (N, A) in [0, 1])} of a drone's reward; weights sum to 1."""

    # -- Task ------------------------------------------------------------------------------------

    def draw(self, world: FlyingWorld, mask: Mask, rng: WorldRng) -> NDArray:
        """Forget what was judged, then `start_team`."""
        self.memory["out"][mask] = self.memory["clock"][mask] = 0
        self.memory["error"][mask] = self.memory["errors"][mask] = self.far
        return self.start_team(mask, rng)

    def drive(self, control: str, config: Any = None) -> Drive:
        """A flight control mode; drones that are out get no power."""
        drive = cast("FlightDrive", super().drive(control, config))
        drive.off = self.memory["out"]
        return drive

    def note_action(self, actions: NDArray) -> None:
        """Keep it, and the errors judged before it."""
        super().note_action(actions)
        memory = self.memory
        memory["errors"][self._slot()] = memory["error"]
        memory["clock"] += 1

    def goal(self, world: FlyingWorld) -> NDArray:
        """`aim` and neighbours, (N, A, G + 6 min(`num_neighbours`, A - 1))."""
        return np.concatenate([self.aim(world), self.neighbours(world)], axis=-1)

    def expert(self) -> TeamPilot:
        """Pilots that give way to each other."""
        return TeamPilot(self)

    def evaluate(self, world: World) -> TeamEvaluation:
        """Judge the drones; of the team, worst error and speed, how many are out, success."""
        flying, memory = cast("FlyingWorld", world), self.memory
        drones = self.judge(flying)
        position = flying.flight.position
        crashed, collided = self.crashes(flying), self.collisions(position)
        lost = (drones["error"] > self.far) | (position[..., 2] > CEILING)
        memory["error"][...] = drones["error"]
        memory["out"][crashed | collided | lost] = 1.0
        out = memory["out"] > 0
        held = self.mean_error()
        drones |= {
            "speed": np.linalg.norm(flying.flight.velocity, axis=-1),
            "spin": np.linalg.norm(flying.flight.omega_body, axis=-1),
            "out": out,
        }
        team = {name: drones[name].max(axis=1) for name in ("error", "speed", "spin")}
        team |= {
            "mean_error": held.max(axis=1),
            "num_out": out.sum(axis=1),
            "crashed": crashed.any(axis=1),
            "collided": collided.any(axis=1),
            "failure": out.any(axis=1) if self.ends_with == "first" else out.all(axis=1),
            "success": self.achieved(held).all(axis=1) & ~out.any(axis=1),
        }
        return TeamEvaluation(team, drones)

    def achieved(self, held: NDArray) -> NDArray[np.bool_]:
        """(N, A) drones that do what they shall, of their mean error over `hold_seconds`."""
        return held < self.hold_error

    def reward(self, evaluation: Evaluation) -> tuple[NDArray, dict[str, NDArray]]:
        """Means over the drones; 0 of one that is out, and of all where the team has failed."""
        drones = cast("TeamEvaluation", evaluation).drones
        named = {name: value.mean(axis=1) for name, (_, value) in self.terms(drones).items()}
        return self.agent_rewards(evaluation).mean(axis=1), named

    def agent_rewards(self, evaluation: Evaluation) -> NDArray:
        """(N, A) in [0, 1]."""
        drones = cast("TeamEvaluation", evaluation).drones
        total, _ = weighted(self.terms(drones))
        return np.where(drones["out"] | evaluation["failure"][:, None], 0.0, total)

    def agent_failures(self, evaluation: Evaluation) -> NDArray[np.bool_]:
        """(N, A) drones that are out."""
        return cast("TeamEvaluation", evaluation).drones["out"]

    # -- parts -----------------------------------------------------------------------------------

    def mean_error(self) -> NDArray:
        """(N, A) mean of the last errors, this step's among them [m]."""
        errors, slot = self.memory["errors"], self._slot()
        return errors.mean(axis=2) + (self.memory["error"] - errors[slot]) / errors.shape[2]

    def _slot(self) -> tuple[NDArray, slice, NDArray]:
        """Where the oldest errors lie, which the next ones replace."""
        clock = self.memory["clock"].astype(int)
        return np.arange(self.num_worlds), slice(None), clock % self.memory["errors"].shape[2]

    def collisions(self, position: NDArray) -> NDArray[np.bool_]:
        """(N, A) drones whose hull, an upright cylinder, is within 1 cm of another's.

        Contacts as the engines see them last a few physics steps and may be over at the end of a
        control step; this is the same in every engine and misses none that is slow enough to see.
        """
        rotorcraft = self.spec.rotorcraft
        assert rotorcraft is not None
        delta = position[:, :, None] - position[:, None]
        beside = (
            np.hypot(delta[..., 0], delta[..., 1]) < 2 * rotorcraft.collision_radius + CLEARANCE
        )
        level = np.abs(delta[..., 2]) < rotorcraft.collision_height + CLEARANCE
        return np.any(beside & level & ~np.eye(self.num_drones, dtype=bool), axis=2)

    def neighbours(self, world: FlyingWorld) -> NDArray:
        """(N, A, 6 k): way to [m] and relative velocity [m/s] of the k nearest, nearest first."""
        count = min(self.num_neighbours, self.num_drones - 1)
        position, velocity = world.flight.position, world.flight.velocity
        way = position[:, None] - position[:, :, None]
        seen = np.concatenate([way, velocity[:, None] - velocity[:, :, None]], axis=-1)
        distance = np.linalg.norm(way, axis=-1)
        order = np.argsort(distance, axis=2, kind="stable")[..., 1 : count + 1, None]
        return np.take_along_axis(seen, order, axis=2).reshape(*position.shape[:2], 6 * count)
