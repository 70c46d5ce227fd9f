"""Imitation learns from what it sees and what it is told, and goes on after a kill."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import vla.sft
from octoworld.core.errors import DatasetError
from octoworld.core.fit import FitConfig
from octoworld.core.log import read_metrics
from octoworld.core.rng import torch_generator
from octoworld.data.episode import Episode
from vla.augment import AugmentConfig, augment_images
from vla.checkpoint import load_policy
from vla.sft import SftConfig, build_dataset, sft_loss, train_sft
from vla.tiny import TinyConfig

MODEL = TinyConfig(
    image_size=32, width=48, depth=2, heads=4, text_width=16, text_depth=2, max_words=4,
    stem_channels=16, num_keypoints=4, keypoint_tokens=2,
)  # fmt: skip
STILL = AugmentConfig(shift_pixels=0, brightness=0, contrast=0, color=0, state_noise=0)


def make_episode(sign, seed, length=40):
    """A red square's place is the action; the instruction says with which sign."""
    rng = np.random.default_rng(seed)
    images = np.full((length, 32, 32, 3), 90, np.uint8)
    places = rng.integers(4, 28, (length, 2))
    for image, (x, y) in zip(images, places, strict=True):
        image[y - 3 : y + 3, x - 3 : x + 3] = (220, 30, 30)
    actions = sign * (places - 16) / 12
    return Episode(
        {
            "observation.images.front": images,
            "observation.state": rng.normal(size=(length, 3)).astype(np.float32),
            "action": actions.astype(np.float32),
        },
        "go there" if sign > 0 else "go away",
        10,
        {"robot": "panda", "control_mode": "ee_delta_pos"},
    )


def episodes():
    return [make_episode(1, 0), make_episode(-1, 1)]


def quick(steps=3, **changes):
    fit = FitConfig(steps=steps, batch_size=16, warmup_steps=5, log_every=1, checkpoint_every=2)
    return SftConfig(**({"model": MODEL, "fit": fit, "augment": STILL} | changes))


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


def test_chunks_never_cross_episodes():
    data = build_dataset(episodes(), 4)
    assert len(data) == 80 and data.mask.sum() == 2 * (40 * 4 - 6)
    assert data.instruction.tolist() == [0] * 40 + [1] * 40
    assert data.instructions == ("go there", "go away")


def test_actions_past_the_end_have_no_influence():
    data = build_dataset(episodes(), 4)
    policy = vla.sft.make_policy(episodes(), data, MODEL, seed=0)
    rows = torch.tensor([38, 39, 79])
    garbage = replace(data, actions=data.actions.masked_fill(~data.mask.unsqueeze(-1), 7.0))
    losses = [
        sft_loss(policy, d, rows, torch_generator(0), quick())["loss"] for d in (data, garbage)
    ]
    assert torch.equal(losses[0], losses[1])


def test_scale_likelihood_leaves_the_mean_alone():
    data = build_dataset(episodes(), 4)
    policy = vla.sft.make_policy(episodes(), data, MODEL, seed=0)
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


def test_learns_to_see_and_to_listen(tmp_path):
    """Places are shared by both signs: deaf, the best L1 is the mean |action|; blind, as bad."""
    config = quick(350)
    fit = replace(config.fit, learning_rate=2e-3, batch_size=32, log_every=50, checkpoint_every=350)
    model = replace(MODEL, chunk_size=1)
    config = replace(config, fit=fit, model=model)
    demos = episodes()
    policy = train_sft(demos, config, tmp_path, seed=0)
    truth = torch.from_numpy(np.concatenate([d["action"] for d in demos]))
    obs = {
        name: torch.from_numpy(np.concatenate([d[name] for d in demos]))
        for name in ("observation.images.front", "observation.state")
    }
    texts = [d.instruction for d in demos for _ in range(40)]
    deaf_optimum = float(truth.abs().mean())

    def error(obs, texts):
        return float((policy.act(obs, texts).actions[:, 0] - truth).abs().mean())

    # how far it gets in these few steps depends on the machine's rounding
    assert error(obs, texts) < 0.4 * deaf_optimum
    assert error(obs, texts[::-1]) > deaf_optimum
    blind = obs | {"observation.images.front": torch.full((80, 32, 32, 3), 90, dtype=torch.uint8)}
    assert error(blind, texts) > 0.75 * deaf_optimum
    fresh = make_episode(1, 7)
    unseen = {k: torch.from_numpy(fresh[k]) for k in obs}
    guess = policy.act(unseen, ["go there"] * 40).actions[:, 0]
    assert float((guess - torch.from_numpy(fresh["action"])).abs().mean()) < 0.5 * deaf_optimum


def test_resumed_run_ends_with_the_same_bits(tmp_path, monkeypatch):
    config = quick(6, augment=AugmentConfig())
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
        train_sft(episodes(), quick(model=replace(MODEL, robot="racer")), tmp_path, seed=0)
    with pytest.raises(DatasetError, match="64 px"):
        train_sft(episodes(), quick(model=replace(MODEL, image_size=64)), tmp_path, seed=0)
