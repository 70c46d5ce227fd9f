"""A stubborn hand keeps to its command, gets nothing done, and repeats by its seed."""

import numpy as np
import pytest

from octoworld.core.errors import ConfigError
from octoworld.recipes.rollouts import RolloutConfig, collect
from octoworld.recipes.stubborn import StubbornActor
from tasks.env import task_env


def stubborn(count: int):
    seeds = range(4_910_000, 4_910_000 + count)
    config = RolloutConfig(num_envs=count, hold_steps=10**6)
    return list(
        collect("PickUp", seeds, config, policy=None, source="s", make_actor=StubbornActor)
    )  # fmt: skip


def test_a_command_is_held_and_all_directions_occur():
    episodes = stubborn(20)
    actions = np.stack([e["action"] for e in episodes])
    changes = (actions[:, 1:] != actions[:, :-1]).any(-1).mean()
    assert 0 < changes < 0.1
    assert (actions.min((0, 1)) < -0.3).all() and (actions.max((0, 1)) > 0.3).all()
    assert sum(e["next.success"].any() for e in episodes) <= 2
    again = stubborn(20)
    assert all(
        np.array_equal(a["action"], b["action"]) for a, b in zip(episodes, again, strict=True)
    )


def test_other_control_is_refused():
    env = task_env("PickUp", 2, control_mode="joint_pos", num_threads=1)
    with pytest.raises(ConfigError, match="ee_delta_pos"):
        StubbornActor(env, 0)
    env.close()
