"""Wandering commands every action as often as any other, and stays over the table."""

import numpy as np
import pytest

from octoworld.core.errors import ConfigError
from octoworld.recipes.rollouts import RolloutConfig, collect
from octoworld.recipes.wander import WanderActor
from tasks.env import task_env


def wander(count: int):
    config = RolloutConfig(num_envs=count, hold_steps=10**6)
    seeds = range(4_900_000, 4_900_000 + count)
    return list(
        collect("PickUp", seeds, config, policy=None, source="wander", make_actor=WanderActor)
    )


def test_all_bins_of_all_dimensions_are_filled_alike():
    episodes = wander(12)
    actions = np.concatenate([e["action"] for e in episodes])
    for column in actions.T:
        shares = np.histogram(column, 5, (-1, 1))[0] / len(column)
        assert shares.min() > 0.12
        assert shares.max() < 0.3
    tool = np.concatenate([e["observation.state"][:, :3] for e in episodes])
    assert (np.abs(tool - (0.52, -0.04, 0.12)) < (0.2, 0.28, 0.18)).all()


def test_same_seeds_same_episodes():
    for a, b in zip(wander(2), wander(2), strict=True):
        assert np.array_equal(a["action"], b["action"])


def test_other_control_is_refused():
    env = task_env("PickUp", 2, control_mode="joint_pos", num_threads=1)
    with pytest.raises(ConfigError, match="ee_delta_pos"):
        WanderActor(env, 0)
    env.close()
