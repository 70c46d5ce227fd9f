"""Play handles things whatever the instruction says, and repeats by its seed."""

import numpy as np
import pytest

from octoworld.core.errors import ConfigError
from octoworld.recipes.play import PlayActor
from octoworld.recipes.rollouts import RolloutConfig, collect
from tasks.env import task_env


def play(task: str, count: int = 6):
    config = RolloutConfig(num_envs=count, hold_steps=10**6)
    seeds = range(4_900_000, 4_900_000 + count)
    return list(
        collect(task, seeds, config, policy=None, source="play", make_actor=PlayActor)
    )  # fmt: skip


def test_blocks_move_and_drawers_open_in_episodes_of_any_task():
    episodes = play("PickUp", 10)
    assert all(len(e) == 48 and e.info["source"] == "play" for e in episodes)
    state = np.stack([e["observation.environment_state"] for e in episodes])
    grasped, opening = state[..., 18], state[..., 17]
    assert grasped.any(axis=1).sum() >= 3
    assert (opening.max(axis=1) > 0.05).any()
    assert 0 < sum(e["next.success"].any() for e in episodes) < 10


def test_same_seeds_same_episodes():
    first, second = play("OpenDrawer", 3), play("OpenDrawer", 3)
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a["action"], b["action"])
    assert not np.array_equal(first[0]["action"], first[1]["action"])


def test_other_control_is_refused():
    env = task_env("PickUp", 2, control_mode="joint_pos", num_threads=1)
    with pytest.raises(ConfigError, match="ee_delta_pos"):
        PlayActor(env, 0)
    env.close()
