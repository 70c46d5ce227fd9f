"""make_worlds: a task in N worlds, with what shall be uncertain about them laid over."""

from __future__ import annotations

from typing import Any

from sim.stochastic import StochasticEnv, parse
from sim.vec_env import VecEnv

from .env import task_env


def make_worlds(
    task: str,
    num_envs: int = 1,
    *,
    stochastic: str = "",
    seed: int | None = None,
    **options: Any,
) -> VecEnv:
    """What `octoworld.make_vec` gives.

    Args:
        task: registered task.
        num_envs: N.
        stochastic: effects, see `sim.stochastic.parse`.
        seed: when given, the environment is reset with it.
        options: as for `task_env`.

    Raises:
        UnknownNameError: no such task, backend or effect.
        ConfigError: a value is out of range, or an effect has no meaning in the task.
    """
    if not stochastic:
        return task_env(task, num_envs=num_envs, seed=seed, **options)
    effects, pixels = parse(stochastic)
    if pixels:
        options["obs_mode"] = "vision"
    env: VecEnv = task_env(task, num_envs=num_envs, **options)
    if effects:
        env = StochasticEnv(env, effects)
    if seed is not None:
        env.reset(seed=seed)
    return env
