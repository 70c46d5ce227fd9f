"""A chain of Gaussian steps samples like Euler's, and its probability is known again later."""

import math

import numpy as np
import pytest
import torch

from octoworld.core.config import to_dict
from octoworld.core.errors import ConfigError
from worldmodels.flow import FlowConfig, FlowWorldModel
from worldmodels.flow.chain import ChainConfig, chain_log_prob, sample_chain
from worldmodels.model import Imagined
from worldmodels.replay import start_rows

CHAIN = ChainConfig(steps=3)


@pytest.fixture
def start(trained):
    data, model = trained["held_out"], trained["model"]
    rows = start_rows(data, np.arange(4), np.zeros(4, int), model.context_length)
    return model, model.start(data.clip(rows)), data.actions[:16].view(4, 4, 2)


def sampled(start, seed: int, temperature: float = 1.0):
    model, history, actions = start
    generator = torch.Generator().manual_seed(seed)
    return sample_chain(model, history, actions, generator, CHAIN, temperature)


def seen(imagined: Imagined) -> torch.Tensor:
    assert imagined.latents is not None
    return imagined.latents


def test_learning_sees_the_probability_that_sampling_saw(start):
    model, history, actions = start
    _, _, chain, log_prob = sampled(start, 0, temperature=1.5)
    assert chain.shape[:3] == (4, 4, 4) and log_prob.shape == (4,)
    again = chain_log_prob(model, history, actions, chain, CHAIN, temperature=1.5)
    torch.testing.assert_close(again, log_prob, atol=1e-5, rtol=0)
    again.sum().backward()
    gradient = model.transformer.noisy_in.weight.grad
    assert gradient is not None and float(gradient.abs().max()) > 0
    model.zero_grad()


def test_one_step_of_one_number_is_the_normal_density(start):
    model, history, actions = start
    config = ChainConfig(steps=1, floor=0.5)
    chain = torch.zeros(4, 2, 4, *history.latents.shape[2:])
    level = torch.ones(4, 4)
    clean = model.foresee(history, actions).predict(chain[:, 0], level)
    density = torch.distributions.Normal(clean, 0.5).log_prob(chain[:, 1]).flatten(1).mean(1)
    found = chain_log_prob(model, history, actions, chain, config)
    torch.testing.assert_close(found, density, atol=1e-5, rtol=0)


def test_samples_lie_about_what_euler_gives_and_wider_when_hot(start):
    model, history, actions = start
    _, euler = model.imagine(history, actions, torch.Generator().manual_seed(0), "none", 3)
    spread = {}
    for temperature in (0.5, 2.0):
        drawn = torch.stack([seen(sampled(start, s, temperature)[1]) for s in range(12)])
        spread[temperature] = float(drawn.std(0).mean())
        assert float((drawn.mean(0) - seen(euler)).abs().mean()) < 0.2
    assert spread[0.5] < spread[2.0]


def test_at_temperature_nought_there_is_one_video(start):
    _, first, _, log_prob = sampled(start, 0, temperature=0.0)
    _, second, _, _ = sampled(start, 1, temperature=0.0)
    assert torch.equal(seen(first), seen(second)) and bool(torch.isposinf(log_prob).all())


def test_equal_seeds_equal_videos_and_the_history_goes_on(start):
    history, first, _, _ = sampled(start, 5)
    _, second, _, _ = sampled(start, 5)
    assert torch.equal(first.frames["front"], second.frames["front"])
    assert torch.equal(history.latents[:, 1:], seen(first)[:, -2:])


def test_without_the_state_told_frames_follow_from_frames_and_actions(trained, start):
    _, history, actions = start
    settings = to_dict(FlowConfig(dim=32, layers=1, heads=2, context_length=2, told_state=False))
    torch.manual_seed(0)
    model = FlowWorldModel(to_dict(trained["autoencoder"].settings), settings, 2, 2, 2).eval()
    torch.nn.init.normal_(model.transformer.head.weight, std=0.1)

    def drawn(actions: torch.Tensor) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        return seen(model.imagine(history, actions, generator, "none")[1])

    before = drawn(actions)
    torch.nn.init.normal_(model.dynamics.out.weight)
    assert torch.equal(drawn(actions), before)
    assert not torch.allclose(drawn(-actions), before)


def test_bad_settings_are_named(start):
    model, history, actions = start
    with pytest.raises(ConfigError, match="fresh must be in"):
        ChainConfig(fresh=0.0)
    with pytest.raises(ConfigError, match="4 samples, got 3"):
        chain_log_prob(model, history, actions, torch.zeros(4, 3, 4, 16, 16), CHAIN)
    assert math.isclose(ChainConfig().fresh, 0.7)
