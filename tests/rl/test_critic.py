"""A critic tells the decisions of an episode apart: rewards by decision, GAE, PPO."""

from dataclasses import replace

import pytest
import torch

from octoworld.core.errors import ConfigError
from octoworld.rl import Critic, CriticConfig, Rollouts, TrainerConfig, by_decision, train
from octoworld.rl.rewards import RETURNS


def rollouts() -> Rollouts:
    """Three decisions of two steps; the second world ends after its third step."""
    alive = torch.tensor([[[1, 1], [1, 1]], [[1, 1], [1, 0]], [[1, 1], [0, 0]]]).bool()
    rewards = torch.rand(3, 2, 2, generator=torch.Generator().manual_seed(0)) * alive
    return Rollouts(
        obs={"observation.state": torch.zeros(3, 2, 4)}, raw_actions=torch.zeros(3, 2, 2, 1),
        log_prob=torch.zeros(3, 2), rewards=rewards, alive=alive,
        success=torch.tensor([False, True]), starts=torch.zeros(2).long(),
        group=torch.zeros(2).long(), instructions=["a", "a"], temperature=1.0,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["sum", "last", "success"])
def test_rewards_of_decisions_sum_to_the_return(name):
    data = rollouts()
    earned = by_decision(data, name)
    torch.testing.assert_close(earned.sum(0), RETURNS.get(name)(data))
    assert not earned[~data.mask].any()


def test_progress_is_earned_where_it_is_made():
    data = rollouts()
    earned = by_decision(data, "last")
    torch.testing.assert_close(earned[1, 0], data.rewards[1, 0, 1] - data.rewards[0, 0, 1])
    torch.testing.assert_close(earned[1, 1], data.rewards[1, 1, 0] - data.rewards[0, 1, 1])


def state(obs, instructions):
    return obs["observation.state"]


def test_advantages_are_standard_and_the_critic_learns_what_comes():
    torch.manual_seed(0)
    data = rollouts()
    data.obs["observation.state"] = torch.randn(3, 2, 4)
    critic = Critic(state, 4, CriticConfig(epochs=60, trace=1.0))
    rewards = by_decision(data, "last")
    generator = torch.Generator().manual_seed(0)
    advantages, metrics = critic.judge(data, rewards, 3, 1.0, generator)
    kept = advantages[data.mask]
    assert float(kept.mean()) == pytest.approx(0, abs=1e-5)
    assert float(kept.std()) == pytest.approx(1, abs=1e-4)
    assert not advantages[~data.mask].any()
    assert metrics["explained_variance"] < 0.5
    for _ in range(5):
        _, metrics = critic.judge(data, rewards, 3, 1.0, generator)
    assert metrics["explained_variance"] > 0.95


PPO = TrainerConfig(
    iterations=25, group_size=4, num_groups=8, max_groups=8, horizon=6, returns="success",
    estimator="gae", learning_rate=5e-3, discount=0.97, minibatch_size=64, warmup_iterations=1,
)  # fmt: skip


def test_ppo_learns_to_reach(make_env, make_policy, tmp_path):
    torch.manual_seed(0)
    critic = Critic(state, 4)
    history = train(make_env(32), make_policy(), PPO, tmp_path, seed=0, critic=critic)
    success = [row["rl/success"] for row in history]
    assert sum(success[-5:]) / 5 > sum(success[:3]) / 3 + 0.3
    assert max(row["rl/explained_variance"] for row in history) > 0.2


def test_a_killed_run_goes_on_with_its_critic(make_env, make_policy, tmp_path):
    def run(folder, iterations):
        for total in iterations:
            torch.manual_seed(0)
            critic, policy = Critic(state, 4), make_policy()
            config = replace(PPO, iterations=total, final_learning_rate=1.0)
            train(make_env(32), policy, config, folder, seed=0, critic=critic)
        return policy.state_dict() | critic.state_dict()

    whole, resumed = run(tmp_path / "a", [4]), run(tmp_path / "b", [2, 4])
    assert all(torch.equal(whole[k], resumed[k]) for k in whole)


def test_mistakes_are_named(make_env, make_policy, tmp_path):
    with pytest.raises(ConfigError, match="estimator 'gae' needs a critic"):
        train(make_env(32), make_policy(), PPO, tmp_path, seed=0)
    loo = replace(PPO, estimator="loo")
    with pytest.raises(ConfigError, match="estimator 'loo' takes no critic"):
        train(make_env(32), make_policy(), loo, tmp_path, seed=0, critic=Critic(state, 4))
    with pytest.raises(ConfigError, match="'best' cannot be told by decision"):
        by_decision(rollouts(), "best")
