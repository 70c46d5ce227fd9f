"""One policy for all agents: rows of agents for Stable-Baselines3, and the controller they give."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from stable_baselines3 import PPO

from octoworld.core.errors import ActionError, ConfigError
from octoworld.recipes.fly.config import default_config
from octoworld.recipes.fly.learner import Learner
from octoworld.recipes.fly.training import score, task_maker
from octoworld.rl.adapters.sb3_shared import SharedPolicyVecEnv
from tasks.env import task_env
from vla.controller import Controller, ControllerConfig

DRONES = 3
OPTIONS = {"task_options": {"num_drones": DRONES}, "num_threads": 1}


def shared(num_envs: int = 2, **options: Any) -> Any:
    return SharedPolicyVecEnv(task_env("MultiHover", num_envs, **OPTIONS, **options))


def test_rows_are_the_agents_of_the_worlds():
    env = shared()
    assert env.num_envs == 2 * DRONES and env.action_space.shape == (4,)
    env.seed(11)
    obs = env.reset()
    team_obs, _ = env.env.reset(seed=[11, 12])
    assert obs.shape == (6, *env.observation_space.shape)
    assert np.array_equal(obs, env.team.split(team_obs).reshape(6, -1))
    actions = np.random.default_rng(0).uniform(-1, 1, (6, 4)).astype(np.float32)
    obs, rewards, dones, infos = env.step(actions)
    speeds = env.env.world.flight.rotor_speed.reshape(6, 4)
    order = [np.argsort(row).tolist() for row in actions]
    assert [np.argsort(row).tolist() for row in speeds] == order
    assert rewards.shape == dones.shape == (6,) and not dones.any() and infos == [{}] * 6
    assert len(np.unique(rewards)) == 6


def test_rows_of_a_world_end_together_with_their_own_returns():
    env = shared(max_episode_length=3)
    env.seed(0)
    env.reset()
    earned = np.zeros(6)
    for k in range(3):
        obs, rewards, dones, infos = env.step(np.zeros((6, 4), np.float32))
        earned += rewards
        assert dones.all() == dones.any() == (k == 2)
    for row, info in enumerate(infos):
        assert info["episode"]["r"] == pytest.approx(earned[row], abs=1e-5)
        assert info["episode"]["l"] == 3 and info["TimeLimit.truncated"]
        assert info["is_success"] is False and info["num_out"] == 0
        assert not np.array_equal(info["terminal_observation"], obs[row])


def test_a_crash_of_one_terminates_its_team_alone():
    env = shared()
    env.seed(0)
    env.reset()
    world = env.env.world
    world.set_pose("d1_drone", np.array([[3, 0, 0.005, 1, 0, 0, 0]]), np.array([False, True]))
    _, rewards, dones, infos = env.step(np.zeros((6, 4), np.float32))
    assert dones.tolist() == [False] * 3 + [True] * 3
    assert (rewards[3:] == 0).all() and (rewards[:3] > 0).all()
    assert not infos[4]["TimeLimit.truncated"] and infos[4]["crashed"]


def test_ppo_learns_on_rows_of_agents():
    env = shared(4)
    model = PPO("MlpPolicy", env, n_steps=16, batch_size=64, n_epochs=1, seed=0, device="cpu")
    before = [p.detach().clone() for p in model.policy.parameters()]
    model.learn(192)
    assert model.num_timesteps == 192
    after = model.policy.parameters()
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_learner_gives_a_controller_that_flies_whole_teams(tmp_path):
    config = default_config(
        "MultiHover",
        shared_policy=True,
        num_envs=2,
        env=OPTIONS,
        options={"n_steps": 8, "batch_size": 48},
    )
    make = task_maker(config)
    learner: Any = Learner(config, make)
    learner.begin_segment(0)
    model = learner.model
    model.learn(48, log_interval=None)
    learner.controller().save_pretrained(tmp_path)
    controller = Controller.from_pretrained(tmp_path)
    worlds = make(2, AutoresetMode.DISABLED)
    obs, _ = worlds.reset(seed=5)
    acted = controller.act({"observation.state": torch.as_tensor(obs)}).actions
    assert acted.shape == (2, 1, worlds.num_acts)
    # the same as the algorithm's own policy says of each agent's row
    rows = learner.env.normalize_obs(learner.face.team.split(obs).reshape(2 * DRONES, -1))
    told, _ = model.predict(rows, deterministic=True)
    assert np.allclose(acted.detach().numpy().reshape(told.shape), told, atol=1e-5)
    judged = score(worlds, controller, 4_000_000, 2)
    assert judged.returns.shape == (2,) and (judged.returns > 0).all()
    learner.env.close()


def test_agents_act_alike_and_from_their_own_observation_alone():
    torch.manual_seed(0)
    controller = Controller(
        ControllerConfig(obs_dim=5, action_shape=(2,), num_agents=3, proprio_dim=3)
    )
    felt, goal = torch.randn(4, 3, 3), torch.randn(4, 3, 2)
    state = torch.cat([felt.flatten(1), goal.flatten(1)], dim=1)
    acted = controller.act({"observation.state": state}).actions.reshape(4, 3, 2)
    alone = Controller(ControllerConfig(obs_dim=5, action_shape=(2,)))
    alone.load_state_dict(controller.state_dict())
    for i in range(3):
        own = torch.cat([felt[:, i], goal[:, i]], dim=1)
        assert torch.allclose(acted[:, i], alone.act({"observation.state": own}).actions[:, 0])
    drawn = controller.act({"observation.state": state}, temperature=1.0)
    assert drawn.raw_actions is not None and drawn.log_prob is not None
    again = controller.log_prob({"observation.state": state}, (), drawn.raw_actions)
    assert torch.allclose(again, drawn.log_prob, atol=1e-6) and again.shape == (4,)
    with pytest.raises(ActionError, match="needs 15 numbers"):
        controller.act({"observation.state": state[:, :5]})
    with pytest.raises(ConfigError, match="num_agents 0"):
        ControllerConfig(obs_dim=5, action_shape=(2,), num_agents=0)
