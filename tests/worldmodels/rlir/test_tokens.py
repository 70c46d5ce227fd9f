"""An autoregressive model is post-trained as the flow is: its choice is the codes."""

import copy

import numpy as np
import pytest
import torch

from octoworld.core.errors import ConfigError
from worldmodels.replay import start_rows
from worldmodels.rlir import TokenSampler, rlir, sampler_of

from .test_rlir import SHORT, redness


@pytest.fixture
def sampler(dreamer):
    return TokenSampler(copy.deepcopy(dreamer["model"]))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def begin(dreamer, sampler, count=4):
    data, model = dreamer["held_out"], sampler.model
    episode, time = np.arange(count), np.full(count, 5)
    rows = start_rows(data, episode, time, model.context_length)
    actions = data.actions[data.windows(episode, time, 0, 3)]
    return model.start(data.clip(rows)), actions


def test_what_is_shown_of_a_choice_is_what_imagining_would_have_shown(dreamer, sampler):
    history, actions = begin(dreamer, sampler)
    choice, log_prob = sampler.sample(history, actions, seeded(), 1.0)
    longer, seen = sampler.show(history, actions, choice, "all")
    wanted, imagined = sampler.model.imagine(
        history, actions, seeded(), "all", temperature=1.0, top_k=0
    )
    assert torch.equal(longer.tokens, wanted.tokens)
    assert torch.equal(seen.frames["front"], imagined.frames["front"])
    assert torch.allclose(seen.proprio, imagined.proprio)
    again = sampler.log_prob(history, actions, choice, 1.0)
    assert torch.allclose(again, log_prob, atol=1e-4) and again.requires_grad


def test_the_reward_rises_and_codes_keep_their_meaning(dreamer, sampler, tmp_path):
    before = {k: v.clone() for k, v in sampler.model.state_dict().items()}
    history = rlir(sampler, redness, dreamer["dataset"], SHORT, tmp_path, 0)
    returns = [row["rlir/return"] for row in history]
    assert sum(returns[-3:]) / 3 > sum(returns[:3]) / 3 + 0.02
    after = sampler.model.state_dict()
    moved = {k.split(".")[0] for k in before if not torch.equal(before[k], after[k])}
    assert moved == {"transformer"}


def test_every_paradigm_has_its_sampler(dreamer, trained):
    assert sampler_of(dreamer["model"]).model is dreamer["model"]
    assert sampler_of(trained["model"]).model is trained["model"]
    with pytest.raises(ConfigError, match="no sampler for a Linear; known: flow, autoregressive"):
        sampler_of(torch.nn.Linear(1, 1))  # pyright: ignore[reportArgumentType]
