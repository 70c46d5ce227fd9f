"""The scripted experts succeed, in time, with smooth actions, and nobody succeeds by accident."""

import numpy as np
import pytest

from octoworld.core.errors import ConfigError
from octoworld.core.registry import TASKS
from tasks.env import task_env
from tasks.manipulation.expert import TabletopExpert
from tasks.manipulation.staged import StagedTask
from tasks.manipulation.tabletop import TabletopTask
from tasks.manipulation.validate import validate

ARMS = [name for name in TASKS.names() if TASKS.get(name).robot == "panda"]
NAMES = [name for name in ARMS if not issubclass(TASKS.get(name), StagedTask)]  # tested by suite


@pytest.mark.parametrize("name", NAMES)
def test_expert_succeeds_from_32_starts(name):
    limit = TASKS.get(name)(1).max_steps
    result = validate(name, 32, seed=50_000, num_envs=32)
    assert result.success_rate >= 0.95, result
    if TASKS.get(name).ends_on_success:
        assert result.longest <= 0.9 * limit
        assert 8 <= result.mean_steps <= 0.7 * limit


@pytest.mark.parametrize("name", NAMES)
def test_actions_stay_inside_the_range_and_earn_more_and_more(name):
    env = task_env(name, 8, terminate_on_success=False, num_threads=1)
    env.reset(seed=0)
    expert = env.task.expert()
    rewards = []
    for _ in range(env.max_episode_length - 1):
        actions = expert.act(env.world)
        assert actions.shape == (8, 4)
        assert np.abs(actions[:, :3]).max() <= TabletopExpert.speed + 1e-9
        rewards.append(env.step(actions)[1])
    rewards = np.array(rewards)
    assert (rewards[-1] > 0.95).all()  # and stays done: nothing is undone after success
    assert (rewards[-1] > rewards[0]).all()
    env.close()


@pytest.mark.parametrize("name", NAMES)
def test_random_actions_and_another_tasks_expert_do_not_succeed(name):
    env = task_env(name, 24, num_threads=1)
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    succeeded = 0
    for _ in range(40):
        succeeded += int(env.step(rng.uniform(-1, 1, (24, 4)))[2].sum())
    assert succeeded <= 2
    if not issubclass(TASKS.get(name), TabletopTask):  # other scenes: the experts see nothing
        env.close()
        return
    other = TASKS.get("PickUp" if name == "OpenDrawer" else "OpenDrawer")(24)
    expert = other.expert()
    env.reset(seed=100)
    for _ in range(20):
        actions = expert.act(env.world)
        other.note_action(actions)
        assert not env.step(actions)[2].any()
    env.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_sparse_reward_is_success(name):
    env = task_env(name, 4, num_threads=1, seed=0, task_options={"reward": "sparse"})
    expert = env.task.expert()
    for _ in range(env.max_episode_length - 1):
        if not env.live.all():
            break
        _, reward, _, _, infos = env.step(expert.act(env.world))
        np.testing.assert_array_equal(reward, infos["success"])
    env.close()
    with pytest.raises(ConfigError, match="reward 'shaped': expected dense or sparse"):
        task_env(name, task_options={"reward": "shaped"})
