"""ArmTask: a task whose worlds may each have physics and looks of their own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import ROBOTS
from octoworld.core.rng import WorldRng
from robots.control.ik import IkConfig, InverseKinematics
from sim.randomize import Given, Randomizer
from sim.world import Mask, World

from ..task import Task

TOOL_DOWN = (0.0, 1.0, 0.0, 0.0)
"""Orientation wxyz of a tool that points down, fingers opening along y."""


class ArmTask(Task):
    """What arm tasks share: the option to draw each world's parameters at every start."""

    robot = "panda"
    remembers: ClassVar[tuple[str, ...]] = ()
    """Names of the numbers (N,) in `memory`."""

    def __init__(
        self,
        num_worlds: int,
        *,
        randomize: str | Mapping[str, Given] | None = None,
        randomize_ramp: int = 0,
    ) -> None:
        """A task of `num_worlds` worlds.

        Args:
            num_worlds: N.
            randomize: what is drawn for each world at every start, see `sim.randomize`: presets
                ("servos", "arm", "looks", "arm+looks"), or parameter of the world -> spread.
                Starts stay those of the same seed without it.
            randomize_ramp: episodes over which the spreads grow to their full width.

        Raises:
            UnknownNameError: no such preset; at the first reset, no such parameter.
        """
        super().__init__(num_worlds)
        self.memory = {name: np.zeros(num_worlds) for name in self.remembers}
        self.randomizer: Randomizer | None = None
        """Its `sampled()` says what physics each world has; None: all have the scene's."""
        if randomize is not None:
            self.randomizer = Randomizer(randomize, None, num_worlds, 1, randomize_ramp)
            self.memory["physics"] = self.randomizer.values

    @cached_property
    def _start_ik(self) -> InverseKinematics:
        return InverseKinematics(ROBOTS.get(self.robot)(), IkConfig(iterations=8))

    def start_tool(self, world: World, mask: Mask, tool: NDArray) -> None:
        """Put the masked worlds' tools at (n, 3) [m], pointing down."""
        ik, count = self._start_ik, len(tool)
        target = np.concatenate([tool, np.tile(TOOL_DOWN, (count, 1))], axis=1)
        joints = ik.solve(np.tile(ik.home, (count, 1)), target)
        world.set_joint_position(ik.spec.arm_joints, joints, mask)

    def draw_physics(self, world: World, mask: Mask, rng: WorldRng) -> None:
        """New parameters of the masked worlds; after all else is drawn, which so stays the same."""
        if self.randomizer is not None:
            drawn = self.randomizer.draw(mask, rng)
            world.set_parameters({name: value[:, 0] for name, value in drawn.items()}, mask)
