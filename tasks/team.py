"""Team: a TaskEnv seen agent by agent; what the adapters of multi-agent libraries stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError

if TYPE_CHECKING:
    from .env import TaskEnv


class Team:
    """A agents in each of N worlds. A team's action is theirs side by side, (N, A * K).

    A team's observation is what all of them feel, then what is privileged about each:
    (N, A * P + A * G); an agent's own is (P + G,).
    """

    def __init__(self, env: TaskEnv) -> None:
        """Look at the agents of `env`, which observes in `state` mode.

        Raises:
            ConfigError: another mode, or numbers that do not divide among the agents.
        """
        self.env, self.num_agents = env, env.task.num_agents
        if env.obs_mode != "state":
            raise ConfigError(f"agents observe in obs_mode 'state', not {env.obs_mode!r}")
        parts = env.task.observe(env.world)
        felt, goal = (parts[k].shape[1] for k in ("observation.state", "privileged"))
        if felt % self.num_agents or goal % self.num_agents or env.num_acts % self.num_agents:
            raise ConfigError(
                f"task {env.task.name!r}: {felt} and {goal} numbers observed and {env.num_acts} "
                f"actions do not divide among {self.num_agents} agents"
            )
        self.proprio_dim = felt // self.num_agents
        """P."""
        self.obs_dim = self.proprio_dim + goal // self.num_agents
        """P + G."""
        self.action_dim = env.num_acts // self.num_agents
        """K."""

    def split(self, obs: NDArray) -> NDArray:
        """A team's observations (N, A * (P + G)) as its agents', (N, A, P + G)."""
        count, agents = len(obs), self.num_agents
        felt = obs[:, : agents * self.proprio_dim].reshape(count, agents, -1)
        goal = obs[:, agents * self.proprio_dim :].reshape(count, agents, -1)
        return np.concatenate([felt, goal], axis=2)

    def rewards(self) -> NDArray[np.float32]:
        """Of the last step, (N, A)."""
        env = self.env
        rewards = env.task.agent_rewards(env.judged)
        return np.where(env.judged["diverged"][:, None], 0.0, rewards).astype(np.float32)

    def failures(self) -> NDArray[np.bool_]:
        """Agents that have failed by the last step, (N, A)."""
        env = self.env
        return env.task.agent_failures(env.judged) | env.judged["diverged"][:, None]
