"""One policy for all agents: N worlds of A agents as N * A rows for Stable-Baselines3."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv as Sb3Base

from octoworld.core.errors import ConfigError
from sim.vec_env import VecEnv

from .sb3 import Sb3VecEnv
from .team import agents_of
from .tensors import as_numpy


class SharedPolicyVecEnv(Sb3VecEnv):
    """Rows i * A ... i * A + A - 1 are the agents of world i, each with its own reward.

    An episode is the team's: its rows end together, as terminated where the world did. `infos` are
    as in `Sb3VecEnv`; `episode` counts the row's own rewards, `is_success` is the team's.
    """

    def __init__(self, env: VecEnv) -> None:
        """Wrap `env`, which resets by itself (SAME_STEP) and tells its agents apart.

        Raises:
            ConfigError: it does not.
        """
        self.team = agents_of(env)
        super().__init__(env)
        team, count = self.team, env.num_envs * self.team.num_agents
        observed = spaces.Box(-np.inf, np.inf, (team.obs_dim,), np.float32)
        acted = spaces.Box(-1.0, 1.0, (team.action_dim,), np.float32)
        Sb3Base.__init__(self, count, observed, acted)
        self._returns = np.zeros(count)
        self._lengths = np.zeros(count, np.int64)

    def reset(self) -> NDArray:
        """Start new episodes in all worlds, with the seeds and options set before."""
        if any(options != self._options[0] for options in self._options):
            raise ConfigError("set_options: one dict for all rows, which share one environment")
        given = [seed for seed in self._seeds[:: self.team.num_agents] if seed is not None]
        seeds = [int(seed) for seed in given] if len(given) == self.env.num_envs else None
        obs, _ = self.env.reset(seed=seeds, options=dict(self._options[0]))
        self._returns[:] = 0
        self._lengths[:] = 0
        self._reset_seeds()
        self._reset_options()
        return self._seen(obs)

    def seed(self, seed: int | None = None) -> list[int | None]:
        """Seeds of the next `reset`: all rows of world i start from seed + i. None draws one."""
        first = super().seed(seed)[0]
        assert first is not None
        self._seeds = [first + row // self.team.num_agents for row in range(self.num_envs)]
        return self._seeds

    def step_wait(self) -> tuple[NDArray, NDArray[np.float32], NDArray[np.bool_], list[dict]]:
        """Take the step: observations, rewards (N * A,), dones (N * A,), infos."""
        actions = np.asarray(self._pending).reshape(self.env.num_envs, -1)
        obs, _, terminated, truncated, named = self.env.step(actions)
        each = self.team.num_agents
        rewards = self.team.rewards().reshape(-1).astype(np.float32)
        truncated = np.repeat(as_numpy(truncated), each)
        dones = np.repeat(as_numpy(terminated), each) | truncated
        self._returns += rewards
        self._lengths += 1
        infos: list[dict[str, Any]] = [{}] * self.num_envs
        if dones.any():
            self._describe(infos, np.flatnonzero(dones), named, truncated)
        return self._seen(obs), rewards, dones, infos

    def _seen(self, obs: Any) -> NDArray:
        return self.team.split(as_numpy(obs)).reshape(self.num_envs, -1)

    def _world_of(self, rows: NDArray) -> NDArray:
        return rows // self.team.num_agents

    def get_images(self) -> list[NDArray[np.uint8] | None]:
        """The image (H, W, 3) of its world for each row."""
        return [image for image in self.env.render_frames() for _ in range(self.team.num_agents)]
