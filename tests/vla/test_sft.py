"""Imitation learns from what it sees and what it is told, and goes on after a kill."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import vla.sft
from octoworld.core.errors import DatasetError
from octoworld.core.io import load_tensors
from octoworld.core.log import read_metrics
from octoworld.core.rng import torch_generator
from vla.augment import AugmentConfig, augment_images
from vla.checkpoint import load_policy
from vla.dataset import build_dataset
from vla.sft import sft_loss, train_sft

from .seeing import MODELS, STILL, TINY, episodes, make_episode, quick


def test_dataset_chunks_and_masks():
    episode = make_episode(1, 0, length=6)
    episode.columns["next.success"] = np.array([0, 0, 0, 1, 0, 1], bool)
    data = build_dataset([episode], 3)
    assert len(data) == 4
    assert data.mask.tolist() == [[1, 1, 1], [1, 1, 1], [1, 1, 0], [1, 0, 0]]
    assert torch.equal(data.actions[1], torch.from_numpy(episode["action"][1:4]))
    assert not data.actions[3, 1:].any()
    assert len(build_dataset([episode], 3, stop_at_success=False)) == 6
    assert data.privileged is None


def test_where_success_must_be_kept_all_rows_are_learned():
    episode = make_episode(1, 0, length=6)
    episode.columns["next.success"] = np.array([0, 0, 1, 1, 1, 1], bool)
    episode.info["ends_on_success"] = False
    assert len(build_dataset([episode], 3)) == 6


def test_chunks_never_cross_episodes():
    data = build_dataset(episodes(), 4)
    assert len(data) == 80 and data.mask.sum() == 2 * (40 * 4 - 6)
    assert data.instruction.tolist() == [0] * 40 + [1] * 40
    assert data.instructions == ("go there", "go away")


def test_actions_past_the_end_have_no_influence():
    data = build_dataset(episodes(), 4)
    policy = vla.sft.make_policy(episodes(), data, TINY, seed=0)
    rows = torch.tensor([38, 39, 79])
    garbage = replace(data, actions=data.actions.masked_fill(~data.mask.unsqueeze(-1), 7.0))
    losses = [
        sft_loss(policy, d, rows, torch_generator(0), quick())["loss"] for d in (data, garbage)
    ]
    assert torch.equal(losses[0], losses[1])


def test_scale_likelihood_leaves_the_mean_alone():
    data = build_dataset(episodes(), 4)
    policy = vla.sft.make_policy(episodes(), data, TINY, seed=0)
    losses = sft_loss(policy, data, torch.arange(8), torch_generator(0), quick())
    losses["scale_nll"].backward()
    assert policy.mean_head.weight.grad is None or not policy.mean_head.weight.grad.any()
    assert policy.scale_head.weight.grad is not None and policy.scale_head.weight.grad.any()


@pytest.mark.parametrize("name", ["privileged", "observation.environment_state"])
def test_recorded_true_state_is_predicted(name, tmp_path):
    demos = episodes()
    for demo in demos:
        demo.columns[name] = demo["action"] * 3 + 1
    policy = train_sft(demos, quick(), tmp_path, seed=0)
    assert policy.config.privileged_dim == 2
    assert "sft/privileged" in read_metrics(tmp_path / "metrics.jsonl")[-1]
    load_policy(tmp_path / "policy")


@pytest.mark.parametrize("kind", MODELS)
def test_resumed_run_ends_with_the_same_bits(kind, tmp_path, monkeypatch):
    config = quick(MODELS[kind], steps=6, augment=AugmentConfig())
    whole = train_sft(episodes(), config, tmp_path / "whole", seed=5)
    real, calls = vla.sft.sft_loss, []

    def killed(*args):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(vla.sft, "sft_loss", killed)
    with pytest.raises(KeyboardInterrupt):
        train_sft(episodes(), config, tmp_path / "cut", seed=5)
    monkeypatch.setattr(vla.sft, "sft_loss", real)
    resumed = train_sft(episodes(), config, tmp_path / "cut", seed=5)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    rows = [read_metrics(tmp_path / part / "metrics.jsonl") for part in ("whole", "cut")]
    assert rows[0] == rows[1]


def test_augmentation_shifts_whole_images_within_reach():
    image = torch.full((64, 32, 32, 3), 50, dtype=torch.uint8)
    image[:, 16, 16] = 250
    moved = augment_images(image, replace(STILL, shift_pixels=3), torch_generator(0))
    places = (moved[..., 0] == 250).nonzero()
    assert len(places) == 64
    offsets = places[:, 1:] - 16
    assert offsets.abs().max() == 3 and len(offsets.unique(dim=0)) > 20
    assert torch.equal(augment_images(image, STILL, torch_generator(0)), image)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e.columns.pop("action"), "episode 1 has no column 'action'"),
        (lambda e: e.columns.pop("observation.images.front"), "observation.images.front"),
        (lambda e: e.columns.update(action=np.zeros((40, 3))), r"episode 1: action .*\(3,\)"),
        (lambda e: e.columns.update(action=np.full((40, 2), np.nan)), "not finite"),
        (lambda e: e.info.update(robot="crazyflie"), "several robots: crazyflie, panda"),
        (lambda e: e.info.update(control_mode="joint_pos"), "several control_modes"),
    ],
)
def test_wrong_episodes(change, message, tmp_path):
    demos = episodes()
    change(demos[1])
    with pytest.raises(DatasetError, match=message):
        train_sft(demos, quick(), tmp_path, seed=0)


def test_episodes_that_do_not_fit_the_config(tmp_path):
    with pytest.raises(DatasetError, match="no episodes"):
        train_sft([], quick(), tmp_path, seed=0)
    with pytest.raises(DatasetError, match="robot 'racer', the episodes are of 'panda'"):
        train_sft(episodes(), quick(model=replace(TINY, robot="racer")), tmp_path, seed=0)
    with pytest.raises(DatasetError, match="64 px"):
        train_sft(episodes(), quick(model=replace(TINY, image_size=64)), tmp_path, seed=0)


def test_saved_weights_are_the_averaged_ones(tmp_path, monkeypatch):
    """Against the average taken by hand: decay min(ema_decay, (1 + step) / (10 + step))."""
    raw = []
    real = vla.sft.sft_loss

    def watched(policy, *args):
        raw.append(policy.mean_head.bias.detach().clone())
        return real(policy, *args)

    monkeypatch.setattr(vla.sft, "sft_loss", watched)
    config = quick(steps=5)
    train_sft(episodes(), config, tmp_path / "raw", seed=0)
    last = load_tensors(tmp_path / "raw" / "policy" / "model.safetensors")["mean_head.bias"]
    expected = raw[0]
    for step, value in enumerate([*raw[1:], last]):
        decay = min(0.3, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    averaging = replace(config, fit=replace(config.fit, ema_decay=0.3))
    averaged = train_sft(episodes(), averaging, tmp_path / "ema", seed=0)
    saved = load_tensors(tmp_path / "ema" / "policy" / "model.safetensors")["mean_head.bias"]
    torch.testing.assert_close(saved, expected)
    assert not torch.equal(saved, last)
    assert torch.equal(averaged.state_dict()["mean_head.bias"], saved)
