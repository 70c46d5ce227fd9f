"""The same seed means the same bytes: with any number of threads, and in company or alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from tasks.env import task_env

PAIRS = [
    ("PickUp", "mujoco"),
    ("TurnLever", "mujoco"),
    ("Hover", "mujoco"),
    ("MultiHover", "rotorcraft"),
]
STEPS = 12


def rollout(
    task: str, backend: str, seeds: list[int], actions: np.ndarray, threads: int
) -> np.ndarray:
    """Observations and rewards (STEPS + 1, N, ...)."""
    env: Any = task_env(
        task, len(seeds), backend=backend, num_threads=threads,
        autoreset_mode=AutoresetMode.DISABLED,
    )  # fmt: skip
    obs, _ = env.reset(seed=seeds)
    rows = [np.c_[obs, np.zeros(len(seeds), np.float32)]]
    for action in actions:
        obs, reward, *_ = env.step(action)
        rows.append(np.c_[obs, reward])
    env.close()
    return np.stack(rows)


def drawn(task: str, backend: str, count: int) -> np.ndarray:
    env: Any = task_env(task, 1, backend=backend, num_threads=1)
    shape = env.single_action_space.shape
    env.close()
    return np.random.default_rng(0).uniform(-1, 1, (STEPS, count, *shape)).astype(np.float32)


@pytest.mark.parametrize(("task", "backend"), PAIRS)
def test_threads_change_no_byte(task, backend):
    seeds, actions = list(range(24)), drawn(task, backend, 24)
    one, three = (rollout(task, backend, seeds, actions, n) for n in (1, 3))
    assert one.tobytes() == three.tobytes()


@pytest.mark.parametrize(("task", "backend"), [*PAIRS, ("PickUp", "pybullet")])
def test_a_world_in_company_is_the_world_alone(task, backend):
    seeds, actions = [5, 6, 7], drawn(task, backend, 3)
    together = rollout(task, backend, seeds, actions, 1)
    for i, seed in enumerate(seeds):
        alone = rollout(task, backend, [seed], actions[:, i : i + 1], 1)
        assert together[:, i].tobytes() == alone[:, 0].tobytes()
