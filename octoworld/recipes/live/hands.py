"""Hands: a person as an Actor: of an arm's tool and of drones, by keys, sticks, or a handle."""

from __future__ import annotations

from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from robots.control.flight.setpoint import Setpoint
from sim.arrays import as_numpy
from sim.world import FlyingWorld, World
from tasks.drive import ArmDrive
from tasks.drones.flying import FlyingTask
from tasks.drones.pilot import Pilot
from tasks.env import TaskEnv

from ..teleop.commands import CONTROLS, FLYING, Commands

REACHED = 0.004
"""From a place that the handle was dragged to, at which the tool is there [m]."""
CRUISE = 1.2
"""Speed of a full push of a drone [m/s]."""
LEASH = 0.6
"""Farthest that keys pull a drone's goal away from it [m]."""
LOWEST = 0.05
"""That a drone's goal can be pulled down to [m]."""


class Hand(Protocol):
    """A person who drives; also an Actor."""

    commands: Commands
    target: NDArray[np.float64] | None
    """Where the handle was dragged to (3,) [m]; None: nowhere."""

    def begin(self, env: TaskEnv) -> None:
        """An episode begins, or the person takes over in the midst of one."""
        ...

    def handle(self, env: TaskEnv, acts: bool) -> NDArray[np.float64]:
        """Where the drag handle is, (3,) [m]: at the goal, or, if others act, at the robot."""
        ...

    def act(self, env: TaskEnv, obs: dict[str, NDArray], step: int) -> NDArray[np.float32]:
        """One action, (1, 1, A)."""
        ...


def hand_of(env: TaskEnv) -> ArmHand | DroneHand | None:
    """How a person drives `env`, of one world; None: its control mode cannot be driven by hand."""
    if isinstance(env.task, FlyingTask):
        # the pilot speaks the task's own control mode
        return DroneHand(env.task) if env.drive.name == env.task.control_mode else None
    if env.drive.name in CONTROLS and isinstance(env.drive, ArmDrive):
        return ArmHand(env.drive)
    return None


class ArmHand:
    """Moves the tool, by keys or toward the handle; whoever touches a key lets the handle go."""

    def __init__(self, drive: ArmDrive) -> None:
        self.commands = Commands(drive.name, wishes={})
        self.target: NDArray[np.float64] | None = None
        self._step, self._site = drive.mode.config.position_step, drive.mode.spec.tool_site

    def begin(self, env: TaskEnv) -> None:
        """See `Hand`."""
        self.target = None
        self.commands.begin(float(env.task.memory.get("gripper", [1.0])[0]))

    def handle(self, env: TaskEnv, acts: bool) -> NDArray[np.float64]:
        """The tool, or where it is sent."""
        return self.target if self.target is not None else env.world.pose(self._site)[0, :3]

    def act(self, env: TaskEnv, obs: dict[str, NDArray], step: int) -> NDArray[np.float32]:
        """See `Hand`."""
        action = self.commands.action()
        if self.target is not None:
            way = self.target - env.world.pose(self._site)[0, :3]
            if np.abs(action[:-1]).any() or np.linalg.norm(way) < REACHED:
                self.target = None
            else:
                action[:3] = np.clip(way / self._step, -1, 1)
        return action[None, None]


class DroneHand:
    """Moves the goals that drones hold: of all together, or of one; a pilot flies to them."""

    ALL = "all"

    def __init__(self, task: FlyingTask) -> None:
        self.commands = Commands(FLYING, wishes={})
        self.target: NDArray[np.float64] | None = None
        self.drones = (self.ALL, *(f"drone {i}" for i in range(task.num_drones)))
        """Names of what can be chosen."""
        self._chosen = np.ones(task.num_drones, bool)
        self._goals = np.zeros((task.num_drones, 3))
        self._pilot = _Follower(task, self._goals)

    def choose(self, name: str) -> None:
        """Steer one drone, or all; ConfigError for other names."""
        if name not in self.drones:
            raise ConfigError(f"drone {name!r}: expected one of {', '.join(self.drones)}")
        index = self.drones.index(name) - 1
        self._chosen[:] = index < 0
        if index >= 0:
            self._chosen[index] = True

    def begin(self, env: TaskEnv) -> None:
        """The goals are where the drones are; a new pilot, who remembers nothing."""
        self.target = None
        self.commands.begin(1.0)
        self._goals[:] = _positions(env.world)
        self._goals[:, 2] = np.maximum(self._goals[:, 2], LOWEST)
        self._pilot = _Follower(cast("FlyingTask", env.task), self._goals)

    def handle(self, env: TaskEnv, acts: bool) -> NDArray[np.float64]:
        """The goal of the chosen drone, or the middle of all goals; if others act, the drones'."""
        goals = self._goals if acts else _positions(env.world)
        return goals[self._chosen].mean(axis=0)

    def act(self, env: TaskEnv, obs: dict[str, NDArray], step: int) -> NDArray[np.float32]:
        """See `Hand`."""
        goals, chosen = self._goals, self._chosen
        push = self.commands.action()[:3].astype(float)
        if push.any():
            moved = goals[chosen] + CRUISE / env.fps * push
            place = _positions(env.world)[chosen]
            goals[chosen] = place + np.clip(moved - place, -LEASH, LEASH)
        elif self.target is not None:
            goals[chosen] += self.target - goals[chosen].mean(axis=0)
        self.target = None
        goals[:, 2] = np.maximum(goals[:, 2], LOWEST)
        return self._pilot.act(env.world).astype(np.float32)[:, None]


class _Follower(Pilot):
    """A pilot to goals (A, 3), whatever the task wants."""

    def __init__(self, task: FlyingTask, goals: NDArray[np.float64]) -> None:
        super().__init__(task)
        self._goals = goals

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """The goals, at rest."""
        return Setpoint.at(self._goals[None])


def _positions(world: World) -> NDArray[np.float64]:
    """Where the drones of the one world are, (A, 3) [m]."""
    flying: Any = world
    return np.array(as_numpy(flying.flight.position)[0], float)
