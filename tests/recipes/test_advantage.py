"""Recorded roll-outs of a policy with a critic: its values, and advantages as training has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from octoworld.core.errors import ConfigError
from octoworld.data.episode import Episode
from octoworld.data.reader import Dataset
from octoworld.recipes.actors import PolicyActor
from octoworld.recipes.advantage import add_advantages
from octoworld.recipes.recording import write_dataset
from octoworld.recipes.rollouts import RolloutConfig, collect, recording_env, roll_out
from tasks.env import task_env
from tasks.manipulation.reach import Reach
from vla.controller import Controller, ControllerConfig

GAMMA, LAMBDA = 0.9, 0.8


@pytest.fixture(scope="module")
def critic() -> Controller:
    """A controller that goes straight to the ball of `Reach`; its critic has random weights."""
    env = task_env("Reach", num_envs=1, obs_mode="state")
    shape = env.single_action_space.shape
    assert shape is not None
    torch.manual_seed(0)
    made = Controller(
        ControllerConfig(
            obs_dim=env.num_obs,
            action_shape=shape,
            hidden=(),
            critic=True,
            discount=GAMMA,
            trace=LAMBDA,
        )
    )
    env.close()
    with torch.no_grad():
        for parameter in made.mean_head.parameters():
            parameter.zero_()
        made.mean_head.weight[:3, -3:] = 10 * torch.eye(3)  # the last 3 numbers lead to the ball
    made.value_scale.fill_(20)
    return made.eval()


@pytest.mark.parametrize("ends", [True, False])
def test_a_recorded_policy_leaves_its_values_and_advantages(critic, tmp_path, monkeypatch, ends):
    monkeypatch.setattr(Reach, "ends_on_success", ends)  # of itself it goes on to the clock
    env = recording_env("Reach", 2, RolloutConfig(cameras=()), policy=critic)
    episodes = roll_out(env, PolicyActor(critic, 0.0, 1), [1, 2], hold_steps=2)
    env.close()
    write_dataset(tmp_path / "data", episodes)
    for episode in Dataset(tmp_path / "data").load_all():
        seen = {
            name: torch.from_numpy(episode[name])
            for name in ("observation.state", "observation.environment_state")
        }
        with torch.no_grad():
            values = critic.value(seen).numpy()
        assert np.allclose(episode["policy.value"], values, atol=1e-5)
        assert episode.info["advantage"] == {"discount": GAMMA, "trace": LAMBDA}
        # delta_t = r_t + gamma V_{t+1} - V_t;  A_t = delta_t + gamma lambda A_{t+1}
        advantage, reward = episode["policy.advantage"], episode["next.reward"]
        end = episode.info["first_success"] if ends else len(episode) - 1
        assert end > 0 and episode["next.success"][-1]
        for t in range(end):
            delta = reward[t] + GAMMA * values[t + 1] - values[t]
            assert advantage[t] == pytest.approx(
                delta + GAMMA * LAMBDA * advantage[t + 1], abs=1e-4
            )
        if ends:
            assert advantage[end] == pytest.approx(reward[end] - values[end], abs=1e-4)
            assert end + 1 < len(episode) and not advantage[end + 1 :].any()


def test_where_nothing_follows_and_where_something_does():
    def episode(length: int) -> Episode:
        columns: dict[str, Any] = {
            "next.reward": np.ones(length, np.float32), "policy.value": np.zeros(length, np.float32)
        }  # fmt: skip
        return Episode(columns, "go", 10)

    # the first is cut after 2 of 3 steps, and would have gone on; the second fails at step 1
    cut, failed = episode(2), episode(3)
    values = np.array([[0, 0], [0, 0], [10, 10], [100, 100]], np.float32)
    ended = np.array([[False, False], [False, True], [False, False]])
    add_advantages([cut, failed], values, ended, 0.5, 0.5)
    # 1 + 0.5 * 10 = 6, and 1 + 0.25 * 6 = 2.5;  1, and 1 + 0.25 * 1 = 1.25
    assert cut["policy.advantage"].tolist() == [2.5, 6]
    assert failed["policy.advantage"].tolist() == [1.25, 1, 0]


def test_a_policy_without_a_critic_leaves_none(critic):
    config = critic.config
    plain = Controller(ControllerConfig(config.obs_dim, config.action_shape))
    rollouts = RolloutConfig(num_envs=1, hold_steps=0, cameras=())
    (episode,) = collect("Reach", [1], rollouts, policy=plain, source="policy")
    assert not [name for name in episode.columns if name.startswith("policy.")]
    with pytest.raises(ConfigError, match="a value each"):
        ControllerConfig(obs_dim=2, action_shape=(1,), critic=True, num_agents=2)
