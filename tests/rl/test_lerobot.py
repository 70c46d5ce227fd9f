"""LeRobot's evaluator finds the names and shapes it asks for."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import octoworld
from octoworld.core.errors import ConfigError
from octoworld.rl.adapters.lerobot import LeRobotVecEnv


def test_rollout_as_lerobot_runs_it():
    """The calls of `lerobot.scripts.lerobot_eval.rollout` (0.4.4), in their order."""
    env = LeRobotVecEnv(
        octoworld.make_vec("PickUp", 3, obs_mode="vision", cameras=("front",), max_episode_length=5)
    )
    assert isinstance(env, gymnasium.vector.VectorEnv)
    observation, _ = env.reset(seed=[7, 8, 9])
    assert observation["pixels"]["front"].shape == (3, 64, 64, 3)
    assert observation["pixels"]["front"].dtype == np.uint8
    assert observation["agent_pos"].shape == (3, 8)
    assert env.observation_space.contains(observation)
    done, steps, successes = np.zeros(3, bool), 0, []
    limit = env.call("_max_episode_steps")[0]
    while not done.all() and steps < limit:
        assert hasattr(env.envs[0], "task_description")
        sentences = env.call("task_description")
        assert len(sentences) == 3
        assert all(isinstance(s, str) and s for s in sentences)
        actions = env.action_space.sample()
        observation, reward, terminated, truncated, info = env.step(actions)
        if "final_info" in info:
            successes = info["final_info"]["is_success"].tolist()
        assert info["is_success"].shape == reward.shape == (3,)
        done |= terminated | truncated
        steps += 1
    assert steps == limit == 5
    assert len(successes) == 3
    frames = env.call("render")
    assert np.array_equal(frames[1], env.envs[1].render())
    assert env.unwrapped.metadata["render_fps"] == 10
    env.close()


def test_state_is_agent_pos_and_other_reset_modes_are_refused():
    env = octoworld.make_vec("Hover", 2)
    wrapped = LeRobotVecEnv(env)
    obs, _ = wrapped.reset(seed=0)
    assert wrapped.observation_space.contains(obs)
    assert np.array_equal(obs["agent_pos"], env.obs_buf)
    wrapped.close()
    with pytest.raises(ConfigError, match="SAME_STEP"):
        LeRobotVecEnv(octoworld.make_vec("Hover", 2, autoreset_mode=AutoresetMode.DISABLED))
