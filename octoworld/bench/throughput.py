"""Throughput: what an environment's step costs on top of the bare engine, measured side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def throughput(
    make_env: Callable[[int], Any],
    *,
    substeps: int,
    num_worlds: int = 256,
    rounds: int = 7,
    seconds: float = 1.0,
    seed: int = 0,
) -> dict[str, float]:
    """Rates of `env.step` and of a bare `mujoco.batch.Batch.step` of the same model and threads.

    Both run in this process, step by step in turn, so that a busy machine slows both alike; each
    bare step starts from the states the environment has just reached, with its controls, so that
    the contacts are alike too. The environment gets uniform random actions, and resets by itself.

    Args:
        make_env: `num_worlds -> VecEnv` on the MuJoCo backend, observation mode `state`; the
            environment has `world` with `batch` and `num_threads`.
        substeps: physics steps in one environment step.
        num_worlds: N.
        rounds: medians are taken over them.
        seconds: wall time of a round, both together.
        seed: of the environment and the actions.

    Returns:
        `env_rate` and `bare_rate` [environment steps/s, all worlds together], their `ratio`
        (median over rounds), `ratio_min`, `ratio_max`,
        and `num_worlds`, `num_threads`, `substeps`, `rounds`.
    """
    from mujoco.batch import Batch

    env = make_env(num_worlds)
    try:
        env.reset(seed=seed)
        world = env.world
        rng = np.random.default_rng(seed)
        low, high = env.single_action_space.low, env.single_action_space.high
        shape = (64, num_worlds, *env.single_action_space.shape)
        actions = rng.uniform(low, high, shape).astype(np.float32)
        for k in range(4):  # the first steps build caches and contact sensors
            env.step(actions[k])
        bare = Batch(world.batch.model, num_worlds, world.num_threads)
        env_rates, bare_rates = [], []
        for _ in range(rounds):
            env_time = bare_time = 0.0
            steps = 0
            while env_time + bare_time < seconds:
                action = actions[steps % len(actions)]
                env_time += _seconds(lambda action=action: env.step(action))
                bare.state[...] = world.batch.state
                bare_time += _seconds(lambda: bare.step(nstep=substeps))
                steps += 1
            env_rates.append(steps / env_time)
            bare_rates.append(steps / bare_time)
        ratios = [e / b for e, b in zip(env_rates, bare_rates, strict=True)]
        return {
            "env_rate": statistics.median(env_rates) * num_worlds,
            "bare_rate": statistics.median(bare_rates) * num_worlds,
            "ratio": statistics.median(ratios),
            "ratio_min": min(ratios),
            "ratio_max": max(ratios),
            "num_worlds": num_worlds,
            "num_threads": world.num_threads,
            "substeps": substeps,
            "rounds": rounds,
        }
    finally:
        env.close()


def _seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
