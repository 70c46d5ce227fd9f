"""PettingZoo's ParallelEnv over one world of ours: every agent with its own reward and end."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from octoworld.core.errors import ActionError, ConfigError
from sim.vec_env import VecEnv

from .team import agents_of


class TeamParallelEnv(ParallelEnv[str, NDArray[np.float32], NDArray[np.float32]]):
    """Agents `drone_0`, `drone_1`, ...; an agent that fails leaves, the others go on.

    - Observations (D,) float32, actions (K,) in [-1, 1], rewards in [0, 1].
    - `terminations`: the agent has failed, or the world has ended otherwise than by the clock.
      `truncations`: the clock. The world shall go on without a failed agent: drone tasks do with
      the option `ends_with="last"`, which switches the drone's rotors off.
    - `infos[agent]`: the team's named quantities, and its `instruction`.
    - `state()`: what all agents observe together, for centralised critics.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "name": "octoworld"}  # noqa: RUF012 - PettingZoo's own

    def __init__(
        self, env: VecEnv, *, render_mode: str | None = None, camera: str | None = None
    ) -> None:
        """Wrap `env`.

        Args:
            env: one world that tells its agents apart, autoreset DISABLED, output numpy.
            render_mode: "rgb_array" or None.
            camera: what `render` looks through; None is the task's choice.

        Raises:
            ConfigError: the environment or the render mode is another.
        """
        if env.num_envs != 1 or env.autoreset_mode != AutoresetMode.DISABLED:
            raise ConfigError(
                f"ParallelEnv takes 1 world with autoreset DISABLED, got {env.num_envs} and "
                f"{env.autoreset_mode.name}"
            )
        if render_mode not in (None, "rgb_array"):
            raise ConfigError(f"render_mode {render_mode!r}: expected 'rgb_array' or None")
        self.env, self.team = env, agents_of(env)
        self.render_mode, self.camera = render_mode, camera
        self.metadata = self.metadata | {"render_fps": env.fps}
        self.possible_agents = [f"drone_{i}" for i in range(self.team.num_agents)]
        self.agents: list[str] = []
        box = spaces.Box
        self.observation_spaces = {
            name: box(-np.inf, np.inf, (self.team.obs_dim,), np.float32)
            for name in self.possible_agents
        }
        self.action_spaces = {
            name: box(-1.0, 1.0, (self.team.action_dim,), np.float32)
            for name in self.possible_agents
        }
        space = env.single_observation_space
        self.state_space = box(-np.inf, np.inf, space.shape, np.float32)

    def observation_space(self, agent: str) -> spaces.Space:
        """Of one agent; always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space:
        """Of one agent; always the same object."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, dict[str, Any]]]:
        """Start a new episode with all agents: observations and infos by agent."""
        obs, _ = self.env.reset(seed=seed, options=options)
        self.agents = list(self.possible_agents)
        said = {"instruction": self.env.instructions[0]}
        return self._observations(obs), {name: dict(said) for name in self.agents}

    def step(
        self, actions: dict[str, NDArray[np.float32]]
    ) -> tuple[
        dict[str, NDArray[np.float32]], dict[str, float], dict[str, bool], dict[str, bool],
        dict[str, dict[str, Any]],
    ]:  # fmt: skip
        """Take an action of each agent that is left: five dicts by agent.

        Raises:
            ActionError: an agent's action is missing or of another shape, or of no agent that is
                left.
        """
        if not self.agents:
            return {}, {}, {}, {}, {}
        acted, team = self._checked(actions), self.team
        obs, _, terminated, truncated, named = self.env.step(acted.reshape(1, -1))
        rewards, failed = team.rewards()[0], team.failures()[0] | bool(terminated[0])
        late = bool(truncated[0])
        index = {name: self.possible_agents.index(name) for name in self.agents}
        quantities = {k: v[0].item() for k, v in named.items() if not k.startswith("_")}
        quantities["instruction"] = self.env.instructions[0]
        seen = self._observations(obs)
        terminations = {name: bool(failed[i]) for name, i in index.items()}
        truncations = {name: late and not terminations[name] for name in index}
        self.agents = [n for n in index if not (terminations[n] or truncations[n])]
        return (
            seen, {name: float(rewards[i]) for name, i in index.items()}, terminations,
            truncations, {name: dict(quantities) for name in index},
        )  # fmt: skip

    def state(self) -> NDArray[np.float32]:
        """The team's observation, (A * D,)."""
        return np.array(self.env.obs_buf[0], np.float32)

    def render(self) -> NDArray[np.uint8] | None:
        """An image (H, W, 3) in the mode `rgb_array`, else None."""
        if self.render_mode is None:
            return None
        return self.env.render_frames(self.camera)[0]

    def close(self) -> None:
        """Free the environment."""
        self.env.close()

    def _observations(self, obs: Any) -> dict[str, NDArray[np.float32]]:
        rows = self.team.split(np.asarray(obs))[0]
        return {name: rows[self.possible_agents.index(name)].copy() for name in self.agents}

    def _checked(self, actions: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """(A, K), 0 for agents that have left."""
        if set(actions) != set(self.agents):
            raise ActionError(
                f"actions of {', '.join(map(str, actions)) or 'nobody'}: expected one of each of "
                f"{', '.join(self.agents)}"
            )
        acted = np.zeros((self.team.num_agents, self.team.action_dim), np.float32)
        for name, action in actions.items():
            if np.shape(action) != (self.team.action_dim,):
                raise ActionError(
                    f"action of {name} has shape {np.shape(action)}: expected "
                    f"({self.team.action_dim},)"
                )
            acted[self.possible_agents.index(name)] = action
        return acted
