"""Pilot: the scripted teacher of drone tasks, a geometric controller behind the rpm actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from robots.control.flight.geometric import Geometric
from robots.control.flight.setpoint import Setpoint
from sim.world import FlyingWorld, World

if TYPE_CHECKING:
    from .flying import FlyingTask


class Pilot:
    """Follows the task's set-point with rotor speeds, one command a control step.

    Its actions are of the mode `rpm`, or `one_d_rpm` where the task's own is that.
    """

    def __init__(self, task: FlyingTask) -> None:
        self.task = task
        shape = (task.num_worlds, task.num_drones)
        self.controller = Geometric(task.spec, shape, frequency=task.fps, integral=0.3)

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """Where to fly now: the task's word."""
        return self.task.setpoint(world)

    def act(self, world: World) -> NDArray[np.float64]:
        """Actions (N, A * M), or (N, A) of `one_d_rpm`."""
        flying = cast("FlyingWorld", world)
        rpm = self.controller.command(flying.flight, self.setpoint(flying))
        model = self.controller.model
        rotors = model.rotors
        share = (rotors.thrust_coefficient * rpm + rotors.thrust_linear) * rpm * model.num_rotors
        reach = min(1.0, model.thrust_to_weight - 1)
        if self.task.control_mode == "one_d_rpm":
            share = share.mean(axis=-1, keepdims=True)
        return np.clip((share / model.weight - 1) / reach, -1, 1).reshape(len(rpm), -1)
