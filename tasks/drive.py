"""Drive: what carries actions into the worlds, with what it must remember between steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from robots.control.modes import ControlConfig, ControlMode, control_mode
from robots.spec import RobotSpec
from sim.world import Mask, World


class Drive(ABC):
    """Steps N worlds under actions (N, A) in [-1, 1]."""

    name: str
    """Registered control mode."""
    action_dim: int
    """A."""
    action_names: tuple[str, ...] = ()
    """What the A numbers of an action are called; none where the drive does not say."""
    memory: ClassVar[dict[str, NDArray]] = {}
    """Arrays (N, ...) that decide what the next actions do; saved with the worlds' state."""

    @abstractmethod
    def advance(self, world: World, actions: NDArray[np.float32], substeps: int) -> None:
        """Hold `actions` for `substeps` physics steps."""

    def reset(self, world: World, mask: Mask) -> None:  # noqa: B027 - most remember nothing
        """Forget, in the masked worlds."""


class ArmDrive(Drive):
    """A control mode of `robots.control.modes`: servo targets, set once a control step."""

    def __init__(self, name: str, robot: RobotSpec, config: ControlConfig | None = None) -> None:
        self.mode: ControlMode = control_mode(name, robot, config)
        self.name, self.action_dim = self.mode.name, self.mode.action_dim
        self.action_names = self.mode.action_names

    def advance(self, world: World, actions: NDArray[np.float32], substeps: int) -> None:
        """Targets from the joints as they are now."""
        joints = world.joint_position(*self.mode.spec.arm_joints)
        world.step(self.mode.targets(actions, joints), substeps)
