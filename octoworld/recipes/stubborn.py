"""Stubborn: one command held on and on, as policies do that have found a fault of a reward."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from tasks.env import TaskEnv
from tasks.manipulation.tabletop import TabletopTask

STILL = 0.5
"""Probability that a number of the command is 0."""
LEAST = 0.3
"""Least size of one that is not."""
TURN_RATE = 0.03
"""Probability at a step of another command."""


class StubbornActor:
    """Goes up, or to the left with the gripper shut, or nowhere: the same for tens of steps.

    Experts, play and noise hardly ever do that, so who learns to judge from them has not seen it,
    and a policy that is trained on the judge's word finds the frames on which it errs.
    """

    def __init__(self, env: TaskEnv, seed: int) -> None:
        """Draw from `seed`.

        Raises:
            ConfigError: the task has no table-top, or is not driven by `ee_delta_pos`.
        """
        if not isinstance(env.task, TabletopTask) or env.drive.name != "ee_delta_pos":
            raise ConfigError(
                f"stubbornness is over the table-top by ee_delta_pos, not {env.task.name} by "
                f"{env.drive.name}"
            )
        self._random = np.random.default_rng(seed)
        self._command = self._draw(env.num_envs, env.drive.action_dim)

    def act(self, env: TaskEnv, obs: dict[str, NDArray], step: int) -> NDArray[np.float32]:
        """One action, (N, 1, 4)."""
        turns = self._random.random(env.num_envs) < TURN_RATE
        self._command = np.where(turns[:, None], self._draw(*self._command.shape), self._command)
        return self._command.astype(np.float32)[:, None]

    def _draw(self, count: int, dim: int) -> NDArray[np.float64]:
        random = self._random
        size = random.uniform(LEAST, 1.0, (count, dim)) * random.choice((-1.0, 1.0), (count, dim))
        return np.where(random.random((count, dim)) < STILL, 0.0, size)
