"""LeRobot's evaluator over our VecEnv: `lerobot.scripts.lerobot_eval.rollout` takes it as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from sim.vec_env import VecEnv

from .tensors import as_numpy

IMAGE, STATE = "observation.images.", "observation.state"


class LeRobotVecEnv(VectorEnv):
    """Our worlds as the vector of single environments that LeRobot 0.4 expects.

    - Observations: `pixels` {camera: (N, H, W, 3) uint8} and `agent_pos` (N, P); from a `state`
      environment `agent_pos` alone, which then holds all of it.
    - `infos["is_success"]` (N,), and `infos["final_info"]["is_success"]` where an episode ended.
    - `call("task_description")`, `call("task")`, `call("_max_episode_steps")`, `call("render")`
      give one value a world; `envs[i]` has the same attributes.
    """

    def __init__(self, env: VecEnv) -> None:
        """Wrap `env`, which resets by itself in the same step.

        Raises:
            ConfigError: it does not.
        """
        if env.autoreset_mode != AutoresetMode.SAME_STEP:
            raise ConfigError(
                f"LeRobotVecEnv needs autoreset_mode SAME_STEP, got {env.autoreset_mode.name}"
            )
        self.env, self.num_envs, self.metadata = env, env.num_envs, env.metadata
        self.render_mode = env.render_mode
        self.single_observation_space = _space(env.single_observation_space)
        self.observation_space = _space(env.observation_space)
        self.single_action_space, self.action_space = env.single_action_space, env.action_space
        self.envs = [LeRobotWorld(self, index) for index in range(env.num_envs)]

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start episodes; a list gives each world's seed."""
        obs, infos = self.env.reset(seed=seed, options=options)
        return _named(obs), infos

    def step(self, actions: Any) -> tuple[dict[str, Any], Any, Any, Any, dict[str, Any]]:
        """Apply actions (N, A)."""
        obs, rewards, terminated, truncated, infos = self.env.step(actions)
        told = dict(infos) | {"is_success": success_of(infos)}
        if "final_info" in infos:
            final = dict(infos["final_info"])
            # LeRobot reads all rows: those of worlds whose episode goes on must not count
            final["is_success"] = success_of(final) & as_numpy(infos["_final_info"])
            told |= {"final_info": final, "final_obs": _named(infos["final_obs"])}
        rewards, terminated, truncated = map(as_numpy, (rewards, terminated, truncated))
        return _named(obs), rewards, terminated, truncated, told

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Attribute `name` of every world, or what it returns when called."""
        if name == "render":
            return tuple(self.env.render_frames())
        values = [getattr(world, name) for world in self.envs]
        return tuple(v(*args, **kwargs) if callable(v) else v for v in values)

    def render(self) -> tuple[NDArray[np.uint8], ...]:
        """One image a world."""
        return self.call("render")

    def close_extras(self, **kwargs: Any) -> None:
        """Close what is wrapped."""
        self.env.close()


def success_of(infos: Mapping[str, Any]) -> NDArray[np.bool_]:
    """(N,) whether worlds are in success now."""
    return as_numpy(infos["success"]).astype(bool)


class LeRobotWorld:
    """What LeRobot asks of `envs[i]`."""

    def __init__(self, owner: LeRobotVecEnv, index: int) -> None:
        self._owner, self._index = owner, index

    @property
    def task_description(self) -> str:
        """What this world is asked to do now."""
        return self._owner.env.instructions[self._index]

    @property
    def task(self) -> str:
        """The same sentence."""
        return self.task_description

    @property
    def _max_episode_steps(self) -> int:
        return self._owner.env.max_episode_length

    def render(self) -> NDArray[np.uint8]:
        """This world's image (H, W, 3)."""
        return self._owner.env.render_frames(worlds=[self._index])[0]


def _named(obs: Any) -> dict[str, Any]:
    """An observation under LeRobot's names, in numpy."""
    if not isinstance(obs, Mapping):
        return {"agent_pos": as_numpy(obs)}
    pixels = {k[len(IMAGE) :]: as_numpy(v) for k, v in obs.items() if k.startswith(IMAGE)}
    return {"pixels": pixels, "agent_pos": as_numpy(obs[STATE])}


def _space(space: gymnasium.Space) -> gymnasium.spaces.Dict:
    spaces = gymnasium.spaces
    if not isinstance(space, spaces.Dict):
        return spaces.Dict({"agent_pos": space})
    pixels = {k[len(IMAGE) :]: v for k, v in space.items() if k.startswith(IMAGE)}
    return spaces.Dict({"pixels": spaces.Dict(pixels), "agent_pos": space[STATE]})
