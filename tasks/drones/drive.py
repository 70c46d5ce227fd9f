"""FlightDrive: flight control modes behind the drive of environments."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from robots.control.flight.actions import FlightConfig, FlightControl
from robots.spec import RobotSpec
from sim.world import FlyingWorld, Mask, World

from ..drive import Drive
from .arena import drone_names


class FlightDrive(Drive):
    """A mode of `robots.control.flight` for the A drones of each world: actions (N, A * K)."""

    def __init__(
        self, name: str, robot: RobotSpec, num_worlds: int, num_drones: int, *, fps: float,
        physics_hz: float, config: FlightConfig | None = None,
    ) -> None:  # fmt: skip
        self.control = FlightControl(
            robot, num_worlds, num_drones, name, frequency=fps, physics_frequency=physics_hz,
            config=config,
        )  # fmt: skip
        self.name, self.action_dim = name, num_drones * self.control.action_dim
        self.action_names = tuple(
            drone + part
            for drone in drone_names(num_drones)
            for part in self.control.mode.action_names
        )
        self.memory = self.control.memory  # type: ignore[misc]
        self.off: NDArray | None = None
        """(N, A), not 0 where a drone gets no power; None: all have it."""
        self.watch: Callable[[FlyingWorld, NDArray], None] | None = None
        """Called after each step of the world with it and its command (N, A, M) [rpm]: a log."""

    @property
    def log_period(self) -> float:
        """Time between calls of `watch` [s]."""
        return 1 / self.control.inner_frequency

    def reset(self, world: World, mask: Mask) -> None:
        """Forget integrals and filters."""
        self.control.reset(mask)

    def advance(self, world: World, actions: NDArray[np.float32], substeps: int) -> None:
        """The mode's inner loop, at its own rate."""
        flying, control = cast("FlyingWorld", world), self.control
        count = len(actions)
        control.begin(actions.reshape(*control.shape, -1), flying.flight)
        for _ in range(control.inner_steps):
            rpm = control.inner(flying.flight)
            if self.off is not None and self.off.any():
                rpm = np.where(self.off[..., None] > 0, 0.0, rpm)
            flying.step(rpm.reshape(count, -1), control.inner_substeps)
            if self.watch is not None:
                self.watch(flying, rpm)
