"""ACT: its latent, its noise, its ensembling over time."""

from dataclasses import replace

import pytest
import torch

from octoworld.core.errors import ActionError, ConfigError
from octoworld.core.rng import torch_generator
from vla.act import ActConfig, ActPolicy
from vla.act.ensemble import TemporalEnsemble
from vla.dataset import build_dataset
from vla.posttrain import PosttrainConfig, posttrain
from vla.sft import make_policy, sft_loss

from .seeing import ACT, episodes, observations, quick

TEXTS = ["go there", "go away"]


def untrained(model=ACT) -> ActPolicy:
    data = build_dataset(episodes(), model.horizon)
    policy = make_policy(episodes(), data, model, seed=0).eval()
    assert isinstance(policy, ActPolicy)
    return policy


def two():
    return {name: values[:2] for name, values in observations(episodes()).items()}


def test_ensemble_is_the_weighted_mean_of_the_last_chunks():
    """Against the formula, chunk by chunk; world 1 begins anew at step 4."""
    size, decay = 3, 0.3
    chunks = torch.randn(8, 2, size, 1, generator=torch.Generator().manual_seed(0))
    ensemble = TemporalEnsemble(size, decay)
    begins = [0, 0]
    for step, chunk in enumerate(chunks):
        if step == 4:
            ensemble.reset(torch.tensor([False, True]))
            begins[1] = 4
        action = ensemble(chunk)
        for world, begin in enumerate(begins):
            asked = range(max(begin, step - size + 1), step + 1)
            said = torch.stack([chunks[at, world, step - at] for at in asked])
            weights = torch.exp(-decay * torch.arange(len(asked)))[:, None]
            expected = (weights * said).sum(0) / weights.sum()
            torch.testing.assert_close(action[world], expected)


def test_ensembling_gives_one_action_a_call_and_the_first_of_the_first_chunk():
    whole, ensembled = untrained(), untrained(replace(ACT, temporal_ensemble=True))
    assert ensembled.chunk_size == 1 and whole.chunk_size == 4
    first = ensembled.act(two(), TEXTS).actions
    torch.testing.assert_close(first, whole.act(two(), TEXTS).actions[:, :1])


def test_latent_carries_the_demonstrated_actions_in_training_alone():
    policy, data = untrained(), build_dataset(episodes(), ACT.horizon)
    rows = torch.arange(8)
    state, mask = data.state[rows], data.mask[rows].float()
    mean, _ = policy.encode_latent(state, data.actions[rows], mask)
    other, _ = policy.encode_latent(state, -data.actions[rows], mask)
    assert not torch.allclose(mean, other)
    losses = sft_loss(policy, data, rows, torch_generator(0), quick(ACT))
    torch.testing.assert_close(
        losses["loss"],
        losses["action_l1"] + ACT.kl_weight * losses["kl"] + 0.1 * losses["scale_nll"],
    )
    with torch.no_grad():
        for weights in policy.latent_encoder.parameters():
            weights.add_(1.0)
    assert torch.equal(policy.act(two(), TEXTS).actions, untrained().act(two(), TEXTS).actions)


def test_noise_has_its_density():
    policy = untrained()
    chunk = policy.act(two(), TEXTS, temperature=1.5, generator=torch_generator(0))
    assert chunk.raw_actions is not None and chunk.log_prob is not None
    log_prob = policy.log_prob(two(), TEXTS, chunk.raw_actions, temperature=1.5)
    torch.testing.assert_close(log_prob.detach(), chunk.log_prob)
    with pytest.raises(ActionError, match=r"\(2, 4, 2\), got \(2, 3, 2\)"):
        policy.log_prob(two(), TEXTS, chunk.raw_actions[:, :3])


def test_scale_likelihood_leaves_the_mean_alone():
    policy, data = untrained(), build_dataset(episodes(), ACT.horizon)
    sft_loss(policy, data, torch.arange(8), torch_generator(0), quick(ACT))["scale_nll"].backward()
    moved = [n for n, p in policy.named_parameters() if p.grad is not None and p.grad.any()]
    assert moved == ["scale_head.weight", "scale_head.bias"]


def test_ensembled_actions_have_no_density(tmp_path):
    policy = untrained(replace(ACT, temporal_ensemble=True))
    with pytest.raises(ConfigError, match="temporal_ensemble = false, or use the policy tiny"):
        policy.act(two(), TEXTS, temperature=1.0)
    with pytest.raises(ConfigError, match="temporal_ensemble"):
        policy.log_prob(two(), TEXTS, torch.zeros(2, 1, 2))
    with pytest.raises(ConfigError, match="temporal_ensemble"):
        posttrain(policy, None, [], PosttrainConfig(), tmp_path / "run", seed=0)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chunk_size": 0}, "chunk_size = 0: expected at least 1"),
        ({"heads": 5}, "a multiple of heads = 5"),
        ({"channels": (16, 20)}, "channels"),
        ({"image_size": 48, "channels": (8,) * 5}, "image_size = 48: expected a multiple of 32"),
        ({"kl_weight": -1.0}, "kl_weight"),
        ({"ensemble_decay": -0.1}, "ensemble_decay"),
        ({"latent_dim": 0}, "latent_dim"),
        ({"scale_range": (0.5, 0.1)}, "scale_range"),
    ],
)
def test_wrong_config(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(ActConfig(), **change)
