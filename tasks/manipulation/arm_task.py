"""ArmTask: a task whose worlds may each have physics and looks of their own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import ROBOTS
from octoworld.core.rng import WorldRng
from robots.control.ik import InverseKinematics, ik_config
from robots.spec import RobotSpec, arm_of
from sim.randomize import Given, Randomizer
from sim.world import Mask, World

from ..task import Task


class ArmTask(Task):
    """What arm tasks share: the choice of the arm, and parameters drawn at every start."""

    robot = "panda"
    remembers: ClassVar[tuple[str, ...]] = ()
    """Names of the numbers (N,) in `memory`."""

    def __init__(
        self,
        num_worlds: int,
        *,
        robot: str | None = None,
        randomize: str | Mapping[str, Given] | None = None,
        randomize_ramp: int = 0,
    ) -> None:
        """A task of `num_worlds` worlds.

        Args:
            num_worlds: N.
            robot: registered arm; None is the task's own.
            randomize: what is drawn for each world at every start, see `sim.randomize`: presets
                ("servos", "arm", "looks", "arm+looks"), or parameter of the world -> spread.
                Starts stay those of the same seed without it.
            randomize_ramp: episodes over which the spreads grow to their full width.

        Raises:
            UnknownNameError: no such robot or preset; at the first reset, no such parameter.
            ConfigError: the robot has no arm, or one that cannot do the task.
        """
        super().__init__(num_worlds)
        if robot is not None:
            self.robot = robot  # type: ignore[misc]
        self.spec: RobotSpec = ROBOTS.get(self.robot)()
        """The arm."""
        self.arm = arm_of(self.spec)
        """Its workspace."""
        self.memory = {name: np.zeros(num_worlds) for name in self.remembers}
        self.randomizer: Randomizer | None = None
        """Its `sampled()` says what physics each world has; None: all have the scene's."""
        if randomize is not None:
            self.randomizer = Randomizer(randomize, None, num_worlds, 1, randomize_ramp)
            self.memory["physics"] = self.randomizer.values

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
