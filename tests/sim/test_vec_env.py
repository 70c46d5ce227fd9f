"""The VecEnv contract, on a toy environment."""

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from octoworld.core.errors import ActionError, ConfigError

UP, REST = 1.0, 0.0


def actions(*values):
    return np.array(values, np.float32)[:, None]


def test_shapes_dtypes_and_isaac_names(make_env):
    env = make_env()
    obs, infos = env.reset(seed=0)
    assert env.observation_space.contains(obs) and infos == {}
    obs, reward, terminated, truncated, infos = env.step(env.action_space.sample())
    assert obs.dtype == np.float32 and reward.dtype == np.float32
    assert terminated.dtype == bool and truncated.dtype == bool
    assert infos["angle"].shape == (3,) and infos["_angle"].all()
    assert (env.num_obs, env.num_acts, env.max_episode_length) == (3, 1, 5)
    assert env.obs_buf is obs and env.rew_buf is reward and env.extras is infos
    assert env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    assert env.progress_buf.tolist() == [1, 1, 1]
    assert len(env.call("instructions")) == 3 and env.call("fps") == (10, 10, 10)


def test_start_depends_on_the_worlds_seed_alone(make_env):
    a, b = make_env(num_envs=3), make_env(num_envs=5)
    first, _ = a.reset(seed=10)
    other, _ = b.reset(seed=[12, 99, 10, 11, 5])
    np.testing.assert_array_equal(first, other[[2, 3, 0]])
    again, _ = a.reset()
    assert not np.array_equal(again, first)
    assert np.array_equal(a.reset(seed=10)[0], first) and np.array_equal(a.reset()[0], again)


def test_same_step_autoreset_keeps_the_final_observation(make_env):
    env = make_env(max_episode_length=3)
    env.reset(seed=0)
    for _ in range(2):
        *_, truncated, infos = env.step(actions(REST, REST, REST))
        assert not truncated.any() and "final_obs" not in infos
    obs, _, terminated, truncated, infos = env.step(actions(REST, REST, REST))
    assert truncated.all() and not terminated.any() and infos["_final_obs"].all()
    assert env.timeout_buf.all() and env.reset_buf.all() and env.progress_buf.tolist() == [0, 0, 0]
    assert not np.array_equal(obs[:, 0], infos["final_obs"][:, 0])
    assert infos["final_info"]["success"].tolist() == [False] * 3
    assert env.true_steps == 9 and env.true_episodes == 3


def test_success_terminates_and_is_never_a_timeout(make_env):
    env = make_env(max_episode_length=2)
    env.reset(seed=0)
    env.step(actions(UP, REST, REST))
    _, _, terminated, truncated, infos = env.step(actions(UP, REST, REST))
    assert terminated.tolist() == [True, False, False]
    assert truncated.tolist() == [False, True, True]
    assert infos["success"].tolist() == [True, False, False]


def test_disabled_holds_a_world_until_it_is_reset(make_env):
    env = make_env(max_episode_length=4, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    env.step(actions(UP, REST, REST))
    obs, _, terminated, _, _ = env.step(actions(UP, REST, REST))
    assert terminated[0] and not env.live[0]
    state = env.world.get_state()[0]
    held, reward, terminated, _, infos = env.step(actions(-1, UP, REST))
    assert terminated[0] and reward[0] == 0 and infos["success"][0]
    np.testing.assert_array_equal(held[0], obs[0])
    np.testing.assert_array_equal(env.world.get_state()[0], state)
    assert env.true_steps == 3 + 3 + 2
    mask = np.array([True, False, False])
    fresh, _ = env.reset(options={"reset_mask": mask})
    assert env.live.all() and env.progress_buf.tolist() == [0, 3, 3]
    np.testing.assert_array_equal(fresh[1:], held[1:])


def test_step_chunk_sees_the_end_of_every_world_without_looking_in_between(make_env):
    plan = np.repeat(actions(UP, REST, -UP)[:, None], 5, axis=1)
    observations = []
    for every in (True, False):
        env = make_env(max_episode_length=3, autoreset_mode=AutoresetMode.DISABLED)
        env.reset(seed=3)
        result = env.step_chunk(plan, every_observation=every)
        assert len(result.observations) == (5 if every else 1)
        observations.append(result.obs)
    np.testing.assert_array_equal(observations[0], observations[1])


def test_step_chunk_equals_steps_and_masks_ended_worlds(make_env):
    chunk = make_env(max_episode_length=3, autoreset_mode=AutoresetMode.DISABLED)
    single = make_env(max_episode_length=3, autoreset_mode=AutoresetMode.DISABLED)
    plan = np.repeat(actions(UP, REST, -UP)[:, None], 5, axis=1)
    chunk.reset(seed=3)
    single.reset(seed=3)
    result = chunk.step_chunk(plan, every_observation=True)
    for k in range(5):
        obs, reward, terminated, truncated, _ = single.step(plan[:, k])
        np.testing.assert_array_equal(result.observations[k], obs)
        np.testing.assert_array_equal(result.rewards[:, k], reward)
        np.testing.assert_array_equal(result.terminated[:, k], terminated)
        np.testing.assert_array_equal(result.truncated[:, k], truncated)
    assert result.alive.tolist() == [
        [True, True, False, False, False],
        [True, True, True, False, False],
        [True, True, True, False, False],
    ]
    assert chunk.true_steps == 8
    with pytest.raises(ConfigError, match="DISABLED"):
        make_env().step_chunk(plan)


def test_wrong_actions_are_named(make_env):
    env = make_env()
    env.reset(seed=0)
    with pytest.raises(ActionError, match=r"\(3, 2\).*\(3, 1\)"):
        env.step(np.zeros((3, 2)))
    with pytest.raises(ActionError, match="world 1"):
        env.step(actions(0, np.nan, np.inf))
    with pytest.raises(ConfigError, match="reset"):
        make_env().step(actions(0, 0, 0))


def test_torch_output_shares_memory(make_env):
    env = make_env(output="torch")
    env.reset(seed=0)
    obs, reward, *_ = env.step(torch.zeros(3, 1))
    assert isinstance(obs, torch.Tensor) and reward.dtype == torch.float32
    env.rew_buf[0] = 7
    assert reward[0] == 7
    numpy = make_env()
    numpy.reset(seed=0)
    np.testing.assert_array_equal(numpy.step(actions(0, 0, 0))[0], obs.numpy())


def test_reset_idx_starts_only_the_listed_worlds(make_env):
    env = make_env()
    before, _ = env.reset(seed=0)
    env.step(actions(0, 0, 0))
    env.reset_idx([2])
    assert env.progress_buf.tolist() == [1, 1, 0]
    assert before[2, 0] != env.obs_buf[2, 0] and before[1, 0] == pytest.approx(env.obs_buf[1, 0])


def test_vision_mode_redraws_reset_worlds(make_env):
    env = make_env(max_episode_length=1, vision=True, num_envs=2)
    obs, _ = env.reset(seed=0)
    assert env.observation_space.contains(obs)
    obs, *_, infos = env.step(actions(0, 0))
    images = obs["observation.images.front"]
    np.testing.assert_array_equal(images, env.world.render("front"))
    assert not np.array_equal(images, infos["final_obs"]["observation.images.front"])
