"""Advantage estimators against numbers worked out by hand."""

import pytest
import torch

from octoworld.core.errors import UnknownNameError
from octoworld.core.registry import ESTIMATORS
from octoworld.rl.advantages import gae, group_centred, group_normalised, leave_one_out

RETURNS = torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 3.0, 1.0]])


def test_leave_one_out_by_hand():
    expected = torch.tensor([[2 / 3, -2 / 3, -2 / 3, 2 / 3], [-4 / 3, -4 / 3, 8 / 3, 0.0]])
    torch.testing.assert_close(leave_one_out(RETURNS), expected)


def test_leave_one_out_is_the_scaled_centred_return():
    torch.testing.assert_close(leave_one_out(RETURNS), 4 / 3 * group_centred(RETURNS))


def test_group_centred_by_hand():
    expected = torch.tensor([[0.5, -0.5, -0.5, 0.5], [-1.0, -1.0, 2.0, 0.0]])
    torch.testing.assert_close(group_centred(RETURNS), expected)


def test_group_normalised_by_hand():
    # std of (1, 0, 0, 1) with n - 1 is sqrt(1/3), of (0, 0, 3, 1) is sqrt(2)
    first = 0.5 / (1 / 3) ** 0.5
    expected = torch.tensor(
        [[first, -first, -first, first], [-(0.5**0.5), -(0.5**0.5), 2**0.5, 0.0]]
    )
    torch.testing.assert_close(group_normalised(RETURNS), expected, atol=1e-5, rtol=1e-5)


def test_group_of_equal_returns_has_no_advantage():
    same = torch.full((1, 4), 0.7)
    for name in ESTIMATORS.names():
        torch.testing.assert_close(ESTIMATORS.get(name)(same), torch.zeros(1, 4))


def test_estimators_are_registered_by_name():
    assert {"loo", "grpo", "dr_grpo"} <= set(ESTIMATORS.names())
    with pytest.raises(UnknownNameError, match="loo"):
        ESTIMATORS.get("looo")


def test_gae_by_hand():
    rewards = torch.tensor([[1.0], [0.0], [2.0]])
    values = torch.tensor([[0.5], [1.0], [2.0], [4.0]])
    no = torch.zeros(3, 1, dtype=torch.bool)
    advantages, targets = gae(rewards, values, no, no, discount=0.5, trace=0.5)
    # delta = (1 + .5 - .5, 0 + 1 - 1, 2 + 2 - 2) = (1, 0, 2); A_2 = 2, A_1 = .5, A_0 = 1.125
    torch.testing.assert_close(advantages, torch.tensor([[1.125], [0.5], [2.0]]))
    torch.testing.assert_close(targets, torch.tensor([[1.625], [1.5], [4.0]]))


def test_gae_bootstraps_at_truncation_only():
    rewards, values = torch.zeros(2, 1), torch.tensor([[0.0], [10.0], [10.0]])
    no, yes = torch.zeros(2, 1, dtype=torch.bool), torch.tensor([[True], [False]])
    terminated, _ = gae(rewards, values, yes, no, discount=1.0, trace=1.0)
    truncated, _ = gae(rewards, values, no, yes, discount=1.0, trace=1.0)
    assert terminated[0].item() == 0.0
    assert truncated[0].item() == 10.0


def test_gae_with_full_trace_is_the_return_minus_the_value():
    generator = torch.Generator().manual_seed(0)
    rewards = torch.randn(6, 3, generator=generator)
    values = torch.randn(7, 3, generator=generator)
    no = torch.zeros(6, 3, dtype=torch.bool)
    advantages, _ = gae(rewards, values, no, no, discount=1.0, trace=1.0)
    to_go = rewards.flip(0).cumsum(0).flip(0) + values[-1]
    torch.testing.assert_close(advantages, to_go - values[:-1])
