"""Wander: actions of every size and sign, from which inverse dynamics are learned and judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from octoworld.core.errors import ConfigError
from tasks.env import TaskEnv
from tasks.manipulation.tabletop import TabletopTask


@dataclass(frozen=True)
class WanderConfig:
    """How random."""

    memory: tuple[float, ...] = (0.0, 0.6, 0.8)
    """Correlations of an action with the one before it, one drawn for each episode [-]."""


class WanderActor:
    """Each number of each action is uniform on [-1, 1], the gripper's as well; no goal at all.

    Experts command few of the actions there are (a gripper open or shut, shifts along few
    directions), and noise leaves the gripper alone. Here all are as frequent. Where the tool is
    about to leave the room that the table's jobs need, the action is mirrored.
    """

    def __init__(self, env: TaskEnv, seed: int, config: WanderConfig | None = None) -> None:
        """Draw from `seed`.

        Raises:
            ConfigError: the task has no table-top, or is not driven by `ee_delta_pos`.
        """
        if not isinstance(env.task, TabletopTask) or env.drive.name != "ee_delta_pos":
            raise ConfigError(
                f"wandering is over the table-top by ee_delta_pos, not {env.task.name} by "
                f"{env.drive.name}"
            )
        config, self._random = config or WanderConfig(), np.random.default_rng(seed)
        self._low, self._high = env.task.layout.tool_range()
        self._memory = self._random.choice(config.memory, size=(env.num_envs, 1))
        self._state = self._random.normal(size=(env.num_envs, env.drive.action_dim))

    def act(self, env: TaskEnv, obs: dict[str, NDArray], step: int) -> NDArray[np.float32]:
        """One action, (N, 1, 4)."""
        memory, fresh = self._memory, self._random.normal(size=self._state.shape)
        self._state = memory * self._state + np.sqrt(1 - memory**2) * fresh
        action = erf(self._state / np.sqrt(2))  # of normal numbers, uniform ones
        assert isinstance(env.task, TabletopTask)
        tool, shift = env.task.measure(env.world).tool, action[:, :3]
        leaves = ((tool < self._low) & (shift < 0)) | ((tool > self._high) & (shift > 0))
        action[:, :3] = np.where(leaves, -shift, shift)
        return action.astype(np.float32)[:, None]
