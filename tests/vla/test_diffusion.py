"""Diffusion policy: it draws from what was demonstrated, from a history of its own length."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from octoworld.core.errors import ConfigError
from octoworld.core.rng import torch_generator
from vla.dataset import build_dataset
from vla.diffusion import DiffusionConfig, DiffusionPolicy
from vla.history import History
from vla.posttrain import PosttrainConfig, posttrain
from vla.sft import make_policy, train_sft

from .seeing import DIFFUSION, episodes, make_episode, observations, quick


def untrained(model=DIFFUSION) -> DiffusionPolicy:
    data = build_dataset(episodes(), model.horizon)
    policy = make_policy(episodes(), data, model, seed=0).eval()
    assert isinstance(policy, DiffusionPolicy)
    return policy


@pytest.mark.slow
@pytest.mark.parametrize("prediction", ["sample", "epsilon", "v_prediction"])
def test_draws_one_of_two_ways_never_the_mean(prediction, tmp_path):
    """The same picture was answered by +0.8 and by -0.8: their mean was never shown."""
    demos = [make_episode(1, 0) for _ in range(2)]
    for demo, side in zip(demos, (0.8, -0.8), strict=True):
        demo.columns["action"] = np.full((40, 2), side, np.float32)
    model = replace(DIFFUSION, prediction=prediction, clip_range=1.5)
    config = quick(model, 150)
    fit = replace(config.fit, learning_rate=2e-3, log_every=50, checkpoint_every=150)
    policy = train_sft(demos, replace(config, fit=fit), tmp_path, seed=0)
    obs = observations(demos)
    texts = ["go there"] * 80
    drawn = policy.act(obs, texts, temperature=1.0, generator=torch_generator(0)).actions
    near = (drawn.abs() - 0.8).abs() < 0.3
    assert near.float().mean() > 0.8  # around the mean it would be 0
    assert 0.2 < (drawn[:, 0, 0] > 0).float().mean() < 0.8
    # at temperature 0 it keeps to one of them
    still = policy.act(obs, texts).actions
    assert (still.sign() == still[0, 0].sign()).float().mean() > 0.9


def test_gives_the_first_actions_of_a_longer_plan():
    policy = untrained()
    assert policy.chunk_size == 2 and policy.config.horizon == 4
    obs = {name: values[:3] for name, values in observations(episodes()).items()}
    assert policy.act(obs, ["go there"] * 3).actions.shape == (3, 2, 2)


def test_history_begins_with_its_first_observation_repeated():
    history = History(3)
    calls = torch.arange(4.0)[:, None, None] + torch.tensor([[0.0], [10.0]])
    assert history(calls[0])[:, :, 0].tolist() == [[0, 0, 0], [10, 10, 10]]
    assert history(calls[1])[:, :, 0].tolist() == [[0, 0, 1], [10, 10, 11]]
    history.reset(torch.tensor([False, True]))
    assert history(calls[2])[:, :, 0].tolist() == [[0, 1, 2], [12, 12, 12]]
    assert history(calls[3])[:, :, 0].tolist() == [[1, 2, 3], [12, 12, 13]]


def test_frames_of_training_lie_a_chunk_apart_inside_the_episode():
    policy = untrained(replace(DIFFUSION, n_obs_steps=2))
    assert policy.frames_back == (2, 0)
    data = build_dataset(episodes(), 4)
    frames = data.frames(torch.tensor([0, 1, 5, 40, 41, 43]), policy.frames_back)
    assert frames.tolist() == [[0, 0], [0, 1], [3, 5], [40, 40], [40, 41], [41, 43]]


def test_what_was_seen_before_matters():
    policy = untrained(replace(DIFFUSION, n_obs_steps=2))
    obs = observations(episodes())
    actions = []
    for before in (3, 4):
        policy.reset()
        for row in (before, 8):
            chunk = policy.act({k: v[row : row + 1] for k, v in obs.items()}, ["go there"])
        actions.append(chunk.raw_actions)
    assert not torch.equal(actions[0], actions[1])


def test_has_no_density_to_post_train_with(tmp_path):
    policy = untrained()
    obs = {name: values[:1] for name, values in observations(episodes()).items()}
    with pytest.raises(ConfigError, match="use the policy tiny"):
        policy.log_prob(obs, ["go there"], torch.zeros(1, 2, 2))
    with pytest.raises(ConfigError, match="use the policy tiny"):
        posttrain(policy, None, [], PosttrainConfig(), tmp_path / "run", seed=0)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prediction_horizon": 2, "chunk_size": 4},
         "prediction_horizon = 2: expected at least chunk_size = 4"),
        ({"prediction_horizon": 7}, "prediction_horizon = 7: expected a multiple of 2"),
        ({"n_obs_steps": 3}, "n_obs_steps = 3: expected 1 or 2"),
        ({"inference_steps": 101}, "1 to train_steps = 100"),
        ({"draws": 0}, "draws"),
        ({"channels": ()}, "channels"),
    ],
)  # fmt: skip
def test_wrong_config(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(DiffusionConfig(), **change)
