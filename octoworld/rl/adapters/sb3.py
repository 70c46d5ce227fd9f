"""Stable-Baselines3's VecEnv over ours: one batch, no subprocesses, one dict a finished episode."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv as Sb3Base

from octoworld.core.errors import ConfigError
from sim.vec_env import VecEnv

from .tensors import as_numpy

Indices = int | Iterable[int] | None
Obs = Any
"""An array (N, ...) or a dict of them."""


class Sb3VecEnv(Sb3Base):
    """Our VecEnv with the face that Stable-Baselines3's algorithms take.

    - Keys of dict observations: torch allows no dot in a module's name, so
      `observation.images.front` becomes `observation_images_front`.
    - `infos[i]` of a world whose episode ended holds `terminal_observation`,
      `TimeLimit.truncated`, `episode` (`r` return, `l` steps, `t` seconds since the start),
      `is_success`, and every named quantity of the last evaluation as a number. All other worlds
      share one empty dict: a thousand dicts a step would cost more than the physics.
    - All worlds live in one object, so `env_method` calls it once and `set_attr` sets it once.
    """

    def __init__(self, env: VecEnv) -> None:
        """Wrap `env`.

        Args:
            env: resets by itself in the same step (autoreset SAME_STEP); output numpy or torch.

        Raises:
            ConfigError: `env` does not reset by itself.
        """
        if env.autoreset_mode != AutoresetMode.SAME_STEP:
            raise ConfigError(
                f"Sb3VecEnv needs autoreset_mode SAME_STEP, got {env.autoreset_mode.name}"
            )
        self.env = env
        super().__init__(env.num_envs, _space(env.single_observation_space), _actions(env))
        self._began = time.monotonic()
        self._returns = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, np.int64)
        self._pending: Any = None

    # -- stepping --------------------------------------------------------------------------------

    def reset(self) -> Obs:
        """Start new episodes in all worlds, with the seeds and options set before."""
        given = [seed for seed in self._seeds if seed is not None]
        options = self._options[0]
        if any(other != options for other in self._options):
            raise ConfigError("set_options: one dict for all worlds, which share one environment")
        seeds = [int(seed) for seed in given] if len(given) == self.num_envs else None
        obs, _ = self.env.reset(seed=seeds, options=dict(options))
        self._returns[:] = 0
        self._lengths[:] = 0
        self._reset_seeds()
        self._reset_options()
        return _numpy(obs)

    def step_async(self, actions: NDArray) -> None:
        """Keep actions (N, A) for `step_wait`."""
        self._pending = actions

    def step_wait(self) -> tuple[Obs, NDArray[np.float32], NDArray[np.bool_], list[dict]]:
        """Take the step: observations, rewards (N,), dones (N,), infos."""
        obs, rewards, terminated, truncated, named = self.env.step(self._pending)
        rewards, terminated, truncated = (
            as_numpy(rewards).astype(np.float32), as_numpy(terminated), as_numpy(truncated),
        )  # fmt: skip
        self._returns += rewards
        self._lengths += 1
        # fresh each step, so that a wrapper that writes into it does no lasting harm
        infos: list[dict[str, Any]] = [{}] * self.num_envs
        dones = terminated | truncated
        if dones.any():
            self._describe(infos, np.flatnonzero(dones), named, truncated)
        return _numpy(obs), rewards, dones, infos

    def _describe(
        self, infos: list[dict[str, Any]], ended: NDArray, named: Mapping, truncated: NDArray
    ) -> None:
        """Write the dicts of the worlds that ended, and start their episode statistics anew."""
        last = self._seen(named["final_obs"])
        worlds = self._world_of(ended)
        quantities = {k: as_numpy(v)[worlds] for k, v in named["final_info"].items()}
        scalars = {k: v.tolist() for k, v in quantities.items() if v.ndim == 1}
        seconds = round(time.monotonic() - self._began, 6)
        for row, world in enumerate(ended):
            info: dict[str, Any] = {k: v[row] for k, v in scalars.items()}
            if "success" in info:
                info["is_success"] = info["success"]
            info["episode"] = {
                "r": float(self._returns[world]), "l": int(self._lengths[world]), "t": seconds,
            }  # fmt: skip
            info["TimeLimit.truncated"] = bool(truncated[world])
            info["terminal_observation"] = _row(last, world)
            infos[world] = info
        self._returns[ended] = 0
        self._lengths[ended] = 0

    def _seen(self, obs: Any) -> Obs:
        """The environment's observations as rows of this one."""
        return _numpy(obs)

    def _world_of(self, rows: NDArray) -> NDArray:
        """Worlds that rows of this environment belong to."""
        return rows

    # -- the rest of the contract ----------------------------------------------------------------

    def seed(self, seed: int | None = None) -> list[int | None]:
        """Seeds of the next `reset`: world i starts from seed + i. None draws one."""
        if seed is None:
            seed = int(np.random.randint(0, np.iinfo(np.uint32).max, dtype=np.uint32))
        self._seeds = [seed + i for i in range(self.num_envs)]
        return self._seeds

    def close(self) -> None:
        """Free the environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """Attribute of the environment, one value for each index; one of length N is split."""
        return self._split(getattr(self.env, attr_name), indices)

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Set an attribute of the shared environment.

        With `indices` only these rows of an array (N, ...) are set.

        Raises:
            ConfigError: `indices` name some of the worlds, but the attribute has no rows.
        """
        rows = self._rows(indices)
        if len(rows) == self.num_envs:
            setattr(self.env, attr_name, value)
            return
        current = getattr(self.env, attr_name)
        if not isinstance(current, np.ndarray) or current.shape[:1] != (self.num_envs,):
            raise ConfigError(
                f"set_attr {attr_name!r} for worlds {rows}: it is one for all {self.num_envs}"
            )
        current[rows] = value

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the shared environment once; its value, one for each index."""
        return self._split(getattr(self.env, method_name)(*method_args, **method_kwargs), indices)

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper], indices: Indices = None
    ) -> list[bool]:
        """True for `Monitor` alone, whose `episode` entries this class gives itself."""
        return [issubclass(wrapper_class, Monitor)] * len(self._rows(indices))

    def get_images(self) -> list[NDArray[np.uint8] | None]:
        """One image (H, W, 3) a world."""
        return list(self.env.render_frames())

    def _rows(self, indices: Indices) -> list[int]:
        return [int(i) for i in self._get_indices(indices)]

    def _split(self, value: Any, indices: Indices) -> list[Any]:
        batched = isinstance(value, list | tuple) or getattr(value, "ndim", 0) > 0
        each = list(value) if batched and len(value) == self.num_envs else [value] * self.num_envs
        return [each[i] for i in self._rows(indices)]


def key_of(column: str) -> str:
    """Name of an observation column in Stable-Baselines3: dots become underscores."""
    return column.replace(".", "_")


def _space(space: gymnasium.Space) -> gymnasium.Space:
    if isinstance(space, spaces.Dict):
        return spaces.Dict({key_of(k): _space(v) for k, v in space.items()})
    return space


def _actions(env: VecEnv) -> spaces.Box:
    """The action space, with a stream of its own: algorithms seed what they are given."""
    box = env.single_action_space
    assert isinstance(box, spaces.Box)  # the contract of VecEnv
    return spaces.Box(box.low, box.high, box.shape, box.dtype.type)


def _numpy(obs: Any) -> Obs:
    if isinstance(obs, Mapping):
        return {key_of(k): as_numpy(v) for k, v in obs.items()}
    return as_numpy(obs)


def _row(obs: Obs, world: int) -> Obs:
    """A copy of one world's observation, which outlives the batch."""
    if isinstance(obs, Mapping):
        return {k: v[world].copy() for k, v in obs.items()}
    return obs[world].copy()
