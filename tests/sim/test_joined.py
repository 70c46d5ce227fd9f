"""Joined environments step as they do apart, and count together."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from octoworld.core.errors import ConfigError
from sim.joined import JoinedEnv
from tasks.env import task_env

TASKS = ("PickUp", "OpenDrawer", "PushToZone")


def envs(**options):
    how = {"num_threads": 1, "autoreset_mode": AutoresetMode.DISABLED} | options
    return [task_env(task, 2, **how) for task in TASKS]


def test_worlds_do_what_they_do_apart():
    apart, joined = envs(), JoinedEnv(envs())
    seeds = list(range(6))
    obs, _ = joined.reset(seed=seeds)
    alone = [env.reset(seed=seeds[2 * i : 2 * i + 2])[0] for i, env in enumerate(apart)]
    assert np.array_equal(obs, np.concatenate(alone))
    assert joined.instructions == [text for env in apart for text in env.instructions]
    random = np.random.default_rng(0)
    for _ in range(3):
        chunk = random.uniform(-1, 1, (6, 4, joined.num_acts)).astype(np.float32)
        result = joined.step_chunk(chunk)
        told = [env.step_chunk(chunk[2 * i : 2 * i + 2]) for i, env in enumerate(apart)]
        assert np.array_equal(result.obs, np.concatenate([r.obs for r in told]))
        assert np.array_equal(result.rewards, np.concatenate([r.rewards for r in told]))
        success = np.concatenate([r.infos[-1]["success"] for r in told])
        assert np.array_equal(result.infos[-1]["success"], success)
    assert (joined.true_steps, joined.true_episodes) == (72, 6)
    joined.reset(seed=seeds, options={"reset_mask": np.arange(6) == 3})
    assert joined.progress_buf.tolist() == [12, 12, 12, 0, 12, 12]
    for env in (*apart, joined):
        env.close()


def test_pictures_are_of_the_world_asked_for():
    joined = JoinedEnv(envs(obs_mode="vision"))
    obs, _ = joined.reset(seed=list(range(6)))
    frames = joined.render_frames("front", [4, 1], (64, 64))
    assert np.array_equal(frames, obs["observation.images.front"][[4, 1]])
    joined.close()


def test_what_does_not_fit_is_refused():
    short = task_env("PickUp", 1, num_threads=1, max_episode_length=5)
    long = task_env("PickUp", 1, num_threads=1)
    with pytest.raises(ConfigError, match="environment 1 has max_episode_length"):
        JoinedEnv([short, long])
    with pytest.raises(ConfigError, match="no environments"):
        JoinedEnv([])
    joined = JoinedEnv([long])
    with pytest.raises(ConfigError, match="no reset options, got start"):
        joined.reset(seed=0, options={"start": np.zeros((1, 3))})
    joined.close()
    short.close()
