"""What a person does to physics itself: pushes and gusts, and dials for mass, friction and more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import UnknownNameError
from sim.arrays import as_numpy
from tasks.drones.flying import FlyingTask
from tasks.env import TaskEnv

GUST = 0.3
"""Time over which a push acts [s]: a gust of wind, a shove of a hand."""
LEAST, MOST = 0.25, 4.0
"""Shares that dials offer."""
FLIGHT_DIALS = {"mass": "mass_scale", "thrust": "thrust_scale", "drag": "drag_scale"}
"""Of drones: dial -> parameter, see `tasks.drones.flying.PHYSICS`."""
SUFFIXES = {"mass": ".mass", "friction": ".friction", "damping": ".damping"}
"""Of other scenes: dial -> end of the names that it turns, see `World.parameters`."""


class Push:
    """Speeds bodies up, all of them alike, over a moment; at once in the next control steps."""

    def __init__(self, env: TaskEnv) -> None:
        """Of the one world of `env`: its drones, or else whatever lies loose in it."""
        self._env = env
        if isinstance(env.task, FlyingTask):
            self.bodies = tuple(env.task.drones)
        else:
            loose = (b for b in env.world.scene.bodies if b.joint is not None)
            self.bodies = tuple(b.name for b in loose if b.joint and b.joint.kind == "free")
        """Names of what moves."""
        self._left = 0
        self._change = np.zeros(3)

    def start(self, velocity: NDArray[np.float64]) -> None:
        """Change the velocity of all bodies by (3,) [m/s] within the next `GUST`."""
        self._left = max(1, round(GUST * self._env.fps))
        self._change = np.asarray(velocity, float) / self._left

    def stop(self) -> None:
        """Nothing pushes any more."""
        self._left = 0

    def act(self) -> None:
        """Before each control step."""
        if not self._left:
            return
        self._left -= 1
        world = self._env.world
        for body in self.bodies:
            velocity = np.array(as_numpy(world.velocity(body)), float)
            velocity[:, :3] += self._change
            world.set_velocity(body, velocity)


@dataclass(frozen=True)
class Dial:
    """A physical parameter that a person turns."""

    turn: Callable[[float], None]
    """Sets it to a share of its own value."""
    low: float = LEAST
    high: float = MOST
    """Least and greatest share."""


def dials_of(env: TaskEnv) -> dict[str, Dial]:
    """Dials of the one world of `env`, all at 1; none where its engine has one physics for all.

    They are turned once, so that a recorded state says their values from the first row on.
    """
    dials = _dials(env)
    for dial in dials.values():
        dial.turn(1.0)
    return dials


def _dials(env: TaskEnv) -> dict[str, Dial]:
    if isinstance(env.task, FlyingTask):
        return {name: Dial(_flight(env, parameter)) for name, parameter in FLIGHT_DIALS.items()}
    known = [name for name in env.world.parameters]
    found = {dial: [n for n in known if n.endswith(end)] for dial, end in SUFFIXES.items()}
    dials = {dial: Dial(_shares(env, names)) for dial, names in found.items() if names}
    if "gravity" in known:
        dials["gravity"] = Dial(_shares(env, ["gravity"]), 0.0, 2.0)
    return dials


def turn(dials: dict[str, Dial], name: str, share: float) -> None:
    """Set a dial, within its bounds.

    Raises:
        UnknownNameError: there is no such dial.
    """
    if name not in dials:
        raise UnknownNameError("physical parameter", name, dials)
    dials[name].turn(float(np.clip(share, dials[name].low, dials[name].high)))


def _flight(env: TaskEnv, parameter: str) -> Callable[[float], None]:
    task = env.task
    assert isinstance(task, FlyingTask)

    def set_share(share: float) -> None:
        values = task.physics_of({parameter: np.full((1, task.num_drones), share)})
        env.world.set_parameters(values)

    return set_share


def _shares(env: TaskEnv, names: list[str]) -> Callable[[float], None]:
    def set_share(share: float) -> None:
        env.world.set_parameters({name: share for name in names})

    return set_share
