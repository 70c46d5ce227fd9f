"""ArmTask: a task whose worlds may each have physics and looks of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from octoworld.core.rng import WorldRng
from sim.randomize import Given, Randomizer
from sim.world import Mask, World

from ..task import Task


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

    def draw_physics(self, world: World, mask: Mask, rng: WorldRng) -> None:
        """New parameters of the masked worlds; after all else is drawn, which so stays the same."""
        if self.randomizer is not None:
            drawn = self.randomizer.draw(mask, rng)
            world.set_parameters({name: value[:, 0] for name, value in drawn.items()}, mask)
