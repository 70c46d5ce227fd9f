"""PettingZoo's face of team tasks: its own tests, and what becomes of agents one by one."""

import warnings
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from octoworld.core.errors import ActionError, ConfigError
from octoworld.core.registry import TASKS
from octoworld.recipes.teams import parallel_env
from sim.vec_env import VecEnv
from tasks.drones.flying import FlyingTask
from tasks.env import task_env

pytest.importorskip("pettingzoo")
from pettingzoo.test import parallel_api_test, parallel_seed_test

from octoworld.rl.adapters.pettingzoo import TeamParallelEnv

FLYING = [name for name in TASKS.names() if issubclass(TASKS.get(name), FlyingTask)]


def hover(num_drones: int = 3, **options: Any) -> Any:
    return parallel_env("MultiHover", num_drones=num_drones, num_threads=1, **options)


def expert_actions(env: Any, expert: Any) -> dict[str, np.ndarray]:
    acted = expert.act(env.env.world).reshape(env.team.num_agents, -1)
    return {name: acted[env.possible_agents.index(name)] for name in env.agents}


def drop(env: Any, drone: int) -> None:
    pose = np.array([[3.0 + drone, 0, 0.005, 1, 0, 0, 0]])
    env.env.world.set_pose(env.env.task.drones[drone], pose)


@pytest.mark.parametrize("num_drones", [1, 2, 10])
def test_pettingzoos_api_test_is_clean(num_drones):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(hover(num_drones), 100)


@pytest.mark.parametrize("task", FLYING)
def test_other_tasks_are_parallel_environments_too(task):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(parallel_env(task, num_threads=1), 30)


def test_pettingzoos_seed_test():
    parallel_seed_test(hover, 60)


def test_different_seeds_start_differently():
    env = hover()
    first, again, other = (env.reset(seed=s)[0] for s in (1, 1, 2))
    for name in env.possible_agents:
        assert np.array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])


def test_a_crashed_agent_leaves_and_the_others_go_on_to_the_clock():
    env = hover()
    obs, infos = env.reset(seed=7_000_000)
    assert list(obs) == list(infos) == ["drone_0", "drone_1", "drone_2"]
    assert infos["drone_0"]["instruction"] in env.env.instructions
    expert = env.env.task.expert()
    for _ in range(10):
        env.step(expert_actions(env, expert))
    drop(env, 1)
    obs, rewards, terminations, truncations, infos = env.step(expert_actions(env, expert))
    assert terminations == {"drone_0": False, "drone_1": True, "drone_2": False}
    assert not any(truncations.values()) and set(obs) == set(rewards) == set(infos)
    assert rewards["drone_1"] == 0 < min(rewards["drone_0"], rewards["drone_2"])
    assert env.agents == ["drone_0", "drone_2"] and env.num_agents == 2
    while env.agents:
        obs, rewards, terminations, truncations, infos = env.step(expert_actions(env, expert))
        assert set(obs) == {"drone_0", "drone_2"} and not any(terminations.values())
    assert all(truncations.values()) and min(rewards.values()) > 0.8
    assert infos["drone_0"]["num_out"] == 1 and not infos["drone_0"]["success"]
    assert env.step({}) == ({}, {}, {}, {}, {})
    env.reset(seed=1)
    assert env.agents == env.possible_agents


def test_all_agents_terminate_when_the_last_one_crashes():
    env = hover(2)
    env.reset(seed=3)
    for drone in (0, 1):
        drop(env, drone)
    _, _, terminations, truncations, infos = env.step(
        {name: np.zeros(4, np.float32) for name in env.agents}
    )
    assert all(terminations.values()) and not any(truncations.values())
    assert infos["drone_1"]["crashed"] is True and env.agents == []


def test_rewards_are_each_agents_own():
    env = hover(2)
    env.reset(seed=5)
    flight = env.env.world.flight
    distance = np.linalg.norm(env.env.task.target - flight.position, axis=-1)[0]
    _, rewards, *_ = env.step({name: np.zeros(4, np.float32) for name in env.agents})
    near, far = np.argsort(distance)
    assert rewards[f"drone_{near}"] > rewards[f"drone_{far}"] > 0


def test_state_is_what_all_agents_observe_together():
    env = hover(2)
    obs, _ = env.reset(seed=5)
    state = env.state()
    assert env.state_space.contains(state) and state.dtype == np.float32
    rows = env.team.split(state[None])[0]
    for i, name in enumerate(env.possible_agents):
        assert env.observation_space(name).contains(obs[name])
        assert np.array_equal(rows[i], obs[name])


def test_actions_reach_their_own_drone():
    env = hover(2)
    env.reset(seed=5)
    up, down = np.full(4, 0.5, np.float32), np.full(4, -0.5, np.float32)
    env.step({"drone_1": down, "drone_0": up})
    speeds = env.env.world.flight.rotor_speed[0].mean(axis=1)
    assert speeds[0] > speeds[1]


def test_pictures_and_their_absence():
    env = hover(2, render_mode="rgb_array")
    env.reset(seed=0)
    image = env.render()
    assert image.shape == (256, 256, 3) and image.dtype == np.uint8 and image.std() > 5
    env.close()
    assert hover(2).render() is None


def test_bad_input_is_refused():
    env = hover(2)
    env.reset(seed=0)
    with pytest.raises(ActionError, match="expected one of each of drone_0, drone_1"):
        env.step({"drone_0": np.zeros(4, np.float32)})
    with pytest.raises(ActionError, match=r"drone_1 has shape \(3,\)"):
        env.step({"drone_0": np.zeros(4), "drone_1": np.zeros(3)})
    with pytest.raises(ConfigError, match="render_mode 'human'"):
        hover(2, render_mode="human")
    with pytest.raises(ConfigError, match="1 world with autoreset DISABLED"):
        TeamParallelEnv(task_env("MultiHover", 2, autoreset_mode=AutoresetMode.DISABLED))
    with pytest.raises(ConfigError, match="has no team"):
        TeamParallelEnv(Teamless())


class Teamless(VecEnv):
    num_envs = 1
    autoreset_mode = AutoresetMode.DISABLED

    def __init__(self):
        pass
