"""Policies that write tokens: what teaches, and credit from common beginnings."""

import pytest
import torch

from octoworld.core.errors import ConfigError
from octoworld.rl.rollout import Rollouts
from octoworld.rl.tree import prefix_leave_one_out, tree_advantages
from octoworld.rl.update import Batch

TOKENS = torch.tensor([[[1, 2, 3], [1, 2, 4], [1, 5, -1], [9, 9, 9]]])
CHOSEN = torch.tensor([[[True] * 3, [False, False, True], [True, True, False], [True] * 3]])
RETURNS = torch.tensor([[1.0, 0.0, 0.0, 0.0]])


def rollouts(chosen):
    """Two groups of two programs of three tokens."""
    return Rollouts(
        obs={}, raw_actions=torch.zeros(1, 4, 1, 3), log_prob=torch.zeros(1, 4, 3),
        rewards=torch.zeros(1, 4, 1), alive=torch.ones(1, 4, 1, dtype=torch.bool),
        success=torch.zeros(4, dtype=torch.bool), starts=torch.zeros(4, dtype=torch.long),
        group=torch.tensor([0, 0, 1, 1]), instructions=[""] * 4, temperature=1.0, chosen=chosen,
    )  # fmt: skip


def test_the_baseline_of_a_token_is_of_those_who_stood_before_the_same_choice():
    advantage = prefix_leave_one_out(TOKENS, CHOSEN, RETURNS)[0]
    # of all, then of the one that began with 1, then of the one that began with 1, 2
    assert advantage[0].tolist() == [1.0, 1.0, 1.0]
    # the third stands against the first alone: the second was given what it began with
    assert advantage[2, 1] == -1.0
    # the second's own token stands against that of the first
    assert advantage[1, 2] == -1.0


def test_the_gradient_of_a_tree_is_that_of_the_mean_return():
    # one choice between two tokens, each followed by another; returns by token
    logits = torch.tensor([0.3, -0.2], dtype=torch.float64, requires_grad=True)
    value = torch.tensor([1.0, 0.25], dtype=torch.float64)
    (logits.softmax(0) @ value).backward()
    assert logits.grad is not None
    exact = logits.grad.clone()
    generator = torch.Generator().manual_seed(0)
    chance = logits.detach().softmax(0)
    first = torch.multinomial(chance, 2 * 20000, True, generator=generator).reshape(-1, 2)
    # a third member is given the first one's beginning
    tokens = torch.stack([first[:, 0], first[:, 1], first[:, 0]], 1)[..., None]
    chosen = torch.tensor([True, True, False]).reshape(1, 3, 1).expand(tokens.shape)
    returns = value[tokens[..., 0]]
    advantage = prefix_leave_one_out(tokens, chosen, returns)
    score = torch.nn.functional.one_hot(tokens[..., 0], 2) - chance
    found = (score * advantage * chosen).sum((0, 1)) / chosen.sum()
    assert found == pytest.approx(exact, abs=0.01)


def test_only_drawn_tokens_of_live_groups_teach():
    chosen = torch.ones(1, 4, 3, dtype=torch.bool)
    chosen[0, 0, 2] = chosen[0, 1, 0] = False
    data = rollouts(chosen)
    batch = Batch.of(data, torch.tensor([1.0, -1.0, 5.0, 5.0]), torch.tensor([True, False]))
    taught, advantage, weight = batch.taught(torch.arange(len(batch)))
    assert taught is not None and taught.sum() == 4
    assert advantage.tolist() == [1.0, 1.0, -1.0, -1.0]
    assert weight.tolist() == [1.0] * 4


def test_a_tree_needs_tokens():
    with pytest.raises(ConfigError, match="tokens"):
        tree_advantages(rollouts(None), torch.zeros(4))
