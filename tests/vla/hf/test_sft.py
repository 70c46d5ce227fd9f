"""Imitation with a pretrained model: it learns to see, to listen, and goes on after a kill."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open

import vla.hf.sft
from octoworld.core.errors import CheckpointError, DatasetError
from octoworld.core.fit import FitConfig
from octoworld.core.log import read_metrics
from octoworld.data.episode import Episode
from vla.augment import AugmentConfig
from vla.checkpoint import load_policy
from vla.hf import HfPolicy
from vla.hf.sft import HfSftConfig, train_hf

from .families import FAMILIES, PIXELS, small

STILL = AugmentConfig(shift_pixels=0, brightness=0, contrast=0, color=0, state_noise=0)
COLOURS = np.array([(220, 30, 30), (30, 60, 220)], np.uint8)


def episode(text, seed, length=30, colours=2):
    """Three actions, whose signs the front picture, the wrist's and the words tell."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, colours, (length, 2))
    columns: dict[str, np.ndarray] = {
        "observation.state": rng.normal(size=(length, 3)).astype(np.float32)
    }
    for camera, name in enumerate(("front", "wrist")):
        images = np.full((length, PIXELS, PIXELS, 3), 90, np.uint8)
        images[:, 4:28, 4:28] = COLOURS[colours[:, camera], None, None]
        columns[f"observation.images.{name}"] = images
    words = np.full((length, 1), 1 if text == "go there" else 0)
    signs = 2 * np.concatenate([colours, words], axis=1) - 1
    columns["action"] = (0.6 * signs).astype(np.float32)
    return Episode(columns, text, 10, {"robot": "panda", "control_mode": "ee_delta_pos"})


def demonstrations():
    # the same pictures and feelings twice: the words alone tell the third action
    return [episode("go there", 0), episode("go away", 0)]


def quick(folder, steps=3, rate=3e-3, **changes):
    fit = FitConfig(
        steps=steps, batch_size=8, learning_rate=rate, warmup_steps=5, log_every=1,
        checkpoint_every=2 if steps < 10 else steps,
    )  # fmt: skip
    unknown = {"state_dim": 0, "action_dim": 0, "robot": "", "control_mode": ""}
    model = small(folder, **(unknown | {"chunk_size": 1} | changes))
    return HfSftConfig(model=model, fit=fit, augment=STILL)


def mean_loss(folder, rows):
    losses = [row["sft/loss"] for row in read_metrics(folder / "metrics.jsonl")]
    return float(np.mean(losses[rows]))


CASES = [("idefics3", "tokens"), ("paligemma", "tokens"), ("llava", "tokens"), ("idefics3", "flow"),
         ("paligemma", "flow"), ("llava", "flow")]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("family", "head"), CASES)
def test_learns_to_see_with_both_eyes_and_to_listen(family, head, model_of, tmp_path):
    demos = demonstrations()
    steps, rate = (80, 1e-2) if head == "tokens" else (110, 5e-3)
    config = quick(model_of(family), steps, rate, head=head)
    policy = train_hf(demos, config, tmp_path, seed=0)
    assert mean_loss(tmp_path, slice(-10, None)) < 0.5 * mean_loss(tmp_path, slice(0, 5))
    fresh = episode("go there", 7)
    obs = {k: torch.from_numpy(fresh[k]) for k in fresh.columns if k != "action"}
    truth = torch.from_numpy(fresh["action"]).sign()

    def right(obs, text):
        """Share of the right signs in each of the three actions."""
        signs = policy.act(obs, [text] * 30).actions[:, 0].sign()
        return (signs == truth).float().mean(0)

    told = 3 if head == "tokens" else 2  # the expert finds the one word later; see below
    assert right(obs, "go there")[:told].min() > 0.8
    if head == "tokens":
        assert right(obs, "go away")[2] < 0.2
    front, wrist = "observation.images.front", "observation.images.wrist"
    swapped = right(obs | {front: obs[wrist], wrist: obs[front]}, "go there")
    assert swapped[:2].max() < 0.8


def test_expert_listens(model_of, tmp_path):
    """Where all pictures are the same, so that words alone tell anything."""
    demos = [episode(text, 0, colours=1) for text in ("go there", "go away")]
    config = quick(model_of("llava"), 60, 5e-3, head="flow")
    policy = train_hf(demos, config, tmp_path, seed=0)
    for demo in demos:
        obs = {k: torch.from_numpy(demo[k]) for k in demo.columns if k != "action"}
        signs = policy.act(obs, [demo.instruction] * 30).actions[:, 0].sign()
        assert (signs == torch.from_numpy(demo["action"]).sign()).float().mean(0).min() > 0.8


def test_families_are_at_least_three():
    assert len(FAMILIES) >= 3


def test_only_trained_weights_change_and_are_kept(model_of, tmp_path):
    config = quick(model_of("llava"))
    policy = train_hf(demonstrations(), config, tmp_path, seed=0)
    with safe_open(tmp_path / "state.safetensors", "pt") as file:
        kept = [name for name in file.keys() if name.startswith("model/")]  # noqa: SIM118
    assert len(kept) == len(policy.trained) and all("lora_" in name for name in kept)
    start = HfPolicy.build(policy.config, policy.statistics, seed=0)
    changed = {
        name
        for (name, a), b in zip(policy.named_parameters(), start.parameters(), strict=True)
        if not torch.equal(a, b)
    }
    assert changed == set(policy.trained)
    facts = policy.facts
    assert (facts.episodes, facts.frames, facts.steps, facts.batch_size) == (2, 60, 3, 8)


@pytest.mark.parametrize("head", ["tokens", "flow"])
def test_resumed_run_ends_with_the_same_bits(head, model_of, tmp_path, monkeypatch):
    config = replace(
        quick(model_of("llava"), 5, head=head, lora_dropout=0.1), augment=AugmentConfig()
    )
    whole = train_hf(demonstrations(), config, tmp_path / "whole", seed=5)
    real, calls = vla.hf.sft.batch_loss, []

    def killed(*args):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(vla.hf.sft, "batch_loss", killed)
    with pytest.raises(KeyboardInterrupt):
        train_hf(demonstrations(), config, tmp_path / "cut", seed=5)
    monkeypatch.setattr(vla.hf.sft, "batch_loss", real)
    resumed = train_hf(demonstrations(), config, tmp_path / "cut", seed=5)
    for (name, a), b in zip(whole.named_parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b), name


def test_goes_on_from_a_saved_policy(model_of, tmp_path):
    first = train_hf(demonstrations(), quick(model_of("llava")), tmp_path / "a", seed=0)
    loaded = load_policy(tmp_path / "a", robot="panda")
    assert isinstance(loaded, HfPolicy)
    further = train_hf(
        demonstrations(), quick(""), tmp_path / "b", seed=1, initial=loaded, datasets=["more"]
    )
    assert further.statistics == first.statistics and further.facts.datasets == ("more",)
    names = [n for n in further.trained if "lora_B" in n]
    before, after = dict(first.named_parameters()), dict(further.named_parameters())
    assert all(not torch.equal(before[n], after[n]) for n in names)


def test_wrong_data(model_of, tmp_path):
    folder = model_of("llava")
    with pytest.raises(DatasetError, match="no episodes"):
        train_hf([], quick(folder), tmp_path, seed=0)
    with pytest.raises(DatasetError, match="robot 'racer', the episodes are of 'panda'"):
        train_hf(demonstrations(), quick(folder, robot="racer"), tmp_path, seed=0)
    with pytest.raises(DatasetError, match="action_dim 7, the episodes are of 3"):
        train_hf(demonstrations(), quick(folder, action_dim=7), tmp_path, seed=0)
    with pytest.raises(DatasetError, match=r"no column 'observation.images.side'"):
        train_hf(demonstrations(), quick(folder, cameras=("side",)), tmp_path, seed=0)
    train_hf(demonstrations(), quick(folder), tmp_path, seed=0)
    with pytest.raises(CheckpointError, match="made for another model"):
        train_hf(demonstrations(), quick(folder, head="flow"), tmp_path, seed=0)
