"""Grouped rollouts: what is kept, what is masked after the stop, what an episode is worth."""

from typing import Any

import pytest
import torch

from octoworld.core.errors import ConfigError
from octoworld.rl.filters import live_groups, live_share
from octoworld.rl.rewards import RETURNS, discounted
from octoworld.rl.rollout import collect, merge
from octoworld.rl.update import Batch


def _collect(make_env, make_policy, starts=(3, 4, 5), seed=0, horizon=6):
    options: Any = dict(group_size=4, horizon=horizon, temperature=1.0)
    env = make_env(len(starts) * 4, radius=0.5)
    generator = torch.Generator().manual_seed(seed)
    return collect(env, make_policy(), list(starts), generator=generator, **options)


def test_members_of_a_group_share_their_start(make_env, make_policy):
    rollouts = _collect(make_env, make_policy)
    assert rollouts.starts.tolist() == [3] * 4 + [4] * 4 + [5] * 4
    assert rollouts.group_size == 4
    first = rollouts.obs["observation.state"][0].reshape(3, 4, 4)
    assert (first == first[:, :1]).all()
    assert not (first[0] == first[1]).all()
    assert rollouts.instructions[5] == "reach 4"


def test_observations_are_copies(make_env, make_policy):
    seen = _collect(make_env, make_policy).obs["observation.state"]
    assert not torch.equal(seen[0], seen[1])


def test_alive_is_a_prefix_and_ends_at_success(make_env, make_policy):
    rollouts = _collect(make_env, make_policy)
    flat = rollouts.alive.permute(1, 0, 2).reshape(12, -1).int()
    assert (flat[:, 1:] <= flat[:, :-1]).all()
    assert rollouts.success.any() and not rollouts.success.all()
    short = rollouts.lengths < 12
    assert torch.equal(short & ~rollouts.success, torch.zeros(12, dtype=torch.bool))


def test_returns_count_no_step_after_the_stop(make_env, make_policy):
    rollouts = _collect(make_env, make_policy)
    won = rollouts.success.float()
    for name in ("sum", "last", "success"):
        torch.testing.assert_close(RETURNS.get(name)(rollouts), won, msg=name)


def test_discount_prefers_the_faster(make_env, make_policy):
    worth = discounted(torch.tensor([1.0, 1.0]), torch.tensor([3, 9]), 0.9)
    torch.testing.assert_close(worth, torch.tensor([0.9**3, 0.9**9]))


def test_decisions_after_the_stop_have_no_gradient(make_env, make_policy):
    rollouts = _collect(make_env, make_policy)
    dead = ~rollouts.mask
    assert dead.any()
    live = torch.ones(3, dtype=torch.bool)
    batch = Batch.of(rollouts, torch.ones(12), live)
    assert len(batch) == int(rollouts.mask.sum())
    policy = make_policy()

    def gradient():
        policy.zero_grad()
        rows = torch.arange(len(batch))
        (batch.weight * batch.log_prob(policy, rows)).mean().backward()
        return torch.cat([p.grad.flatten() for p in policy.parameters()])

    before = gradient()
    rollouts.raw_actions[dead] = 1e6
    rollouts.obs["observation.state"][dead] = 1e6
    assert torch.equal(before, gradient())


def test_dead_groups_are_left_out(make_env, make_policy):
    returns = torch.tensor([[0.0, 0, 0, 0], [1, 0, 1, 0], [0.5, 0.52, 0.5, 0.5]])
    assert live_groups(returns, 0.05).tolist() == [False, True, False]
    assert live_share(returns, 0.05) == pytest.approx(1 / 3)
    rollouts = _collect(make_env, make_policy)
    batch = Batch.of(rollouts, torch.ones(12), live_groups(returns, 0.05))
    assert set(batch.index[:, 1].tolist()) <= {4, 5, 6, 7}


def test_waves_merge_with_padding(make_env, make_policy):
    short = _collect(make_env, make_policy, starts=(1,), horizon=2)
    long = _collect(make_env, make_policy, starts=(2,), horizon=6)
    both = merge([short, long])
    assert both.raw_actions.shape[:2] == (len(long.log_prob), 8)
    assert both.group.tolist() == [0] * 4 + [1] * 4
    assert not both.mask[2:, :4].any()
    for name in ("sum", "last", "success"):
        parts = torch.cat([RETURNS.get(name)(p) for p in (short, long)])
        torch.testing.assert_close(RETURNS.get(name)(both), parts)


def test_torch_environments_give_the_same(make_env, make_policy):
    def run(output):
        options: Any = dict(group_size=2, horizon=3, temperature=1.0)
        generator = torch.Generator().manual_seed(0)
        return collect(
            make_env(4, output=output), make_policy(), [1, 2], generator=generator, **options
        )

    ours, theirs = run("numpy"), run("torch")
    assert torch.equal(ours.raw_actions, theirs.raw_actions)
    assert torch.equal(ours.alive, theirs.alive)


def test_mistakes_are_named(make_env, make_policy):
    options: Any = dict(horizon=2, generator=torch.Generator())
    with pytest.raises(ConfigError, match="temperature"):
        collect(make_env(4), make_policy(), [1], group_size=4, temperature=0.0, **options)
    with pytest.raises(ConfigError, match="4 worlds"):
        collect(make_env(4), make_policy(), [1, 2], group_size=4, temperature=1.0, **options)


def test_success_must_be_told(make_env, make_policy):
    env = make_env(4)
    told = env.step_chunk

    def silent(actions):
        result = told(actions)
        result.infos = [{"distance": 0} for _ in result.infos]
        return result

    env.step_chunk = silent
    with pytest.raises(ConfigError, match="distance"):
        collect(
            env,
            make_policy(),
            [1],
            group_size=4,
            horizon=1,
            temperature=1.0,
            generator=torch.Generator(),
        )
