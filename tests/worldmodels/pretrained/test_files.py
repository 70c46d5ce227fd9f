"""What was trained is saved and nothing else; loaded on the same base it imagines the same."""

import shutil
from dataclasses import replace

import pytest
import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from safetensors.torch import load_file

import octoworld
from octoworld.core.config import to_dict
from octoworld.core.errors import CheckpointError, ConfigError, DatasetError
from octoworld.core.io import read_json, write_json
from worldmodels.autoencoder import AutoencoderConfig, FrameAutoencoder
from worldmodels.pretrained import PretrainedWorldModel, Robot, train_pretrained, video

from .conftest import SIDE, quick, seeded, start

WAYS = {"lora": {}, "adapter alone": {"lora_rank": 0}, "full": {"tune": "full"}}


def made(base, dataset, **changes):
    """A model whose new weights are not as they were made."""
    config = quick(base, 1, **changes).model
    model = PretrainedWorldModel.build(config, Robot.of(dataset), seed=0).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=seeded()))
    model.set_statistics(dataset.proprio, dataset.proprio.diff(dim=0))
    return model


def dream(model, dataset):
    history, rows = start(model, dataset, 2)
    return model.imagine(history, dataset.actions[rows[:, :-1]], seeded())[0]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", ["wan", "ltx"])
def test_loaded_model_imagines_the_same_to_the_bit(family, way, base_of, recordings, tmp_path):
    model = made(base_of(family), recordings[1], **WAYS[way])
    torch.manual_seed(0)
    model.attach(FrameAutoencoder(to_dict(AutoencoderConfig(image_size=SIDE, width=8))))
    model.save_pretrained(tmp_path)
    loaded = octoworld.load_world_model(tmp_path)
    assert isinstance(loaded, PretrainedWorldModel) and not loaded.training
    assert loaded.settings == model.settings and loaded.robot == model.robot
    ours, theirs = dream(model, recordings[1]), dream(loaded, recordings[1])
    assert torch.equal(ours.pictures, theirs.pictures)
    assert torch.equal(ours.proprio, theirs.proprio)
    images = {"front": recordings[1].frames["front"][:2]}
    assert torch.equal(model.autoencoder.encode(images), loaded.autoencoder.encode(images))
    # the pretrained weights stay where they are
    names = [name for file in tmp_path.glob("*.safetensors") for name in load_file(file)]
    assert not any(name.startswith(("vae", "transformer.blocks.0.norm")) for name in names)
    assert (tmp_path / "transformer").exists() == (way == "full")
    assert (tmp_path / "pytorch_lora_weights.safetensors").exists() == (way == "lora")


def test_diffusers_reads_the_adapters(base_of, recordings, tmp_path):
    model = made(base_of("wan"), recordings[1], lora_alpha=8)
    model.save_pretrained(tmp_path)
    theirs = WanTransformer3DModel.from_pretrained(base_of("wan"), subfolder="transformer")
    theirs.load_lora_adapter(str(tmp_path), weight_name="pytorch_lora_weights.safetensors")
    given = {
        "hidden_states": torch.randn(1, 8, 3, 4, 4, generator=seeded()),
        "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": torch.randn(1, 5, 20, generator=seeded()),
    }
    with torch.no_grad():
        ours, plain = (t(**given, return_dict=False)[0] for t in (model.transformer, theirs))
    torch.testing.assert_close(ours, plain)


def test_another_base_is_refused(base_of, recordings, tmp_path):
    model = made(base_of("wan"), recordings[1])
    model.save_pretrained(tmp_path / "run")
    moved = shutil.copytree(base_of("wan"), tmp_path / "moved")
    loaded = PretrainedWorldModel.from_pretrained(tmp_path / "run", base=str(moved))
    assert torch.equal(dream(loaded, recordings[1]).pictures, dream(model, recordings[1]).pictures)
    weights = moved / "transformer"
    other = WanTransformer3DModel.from_pretrained(str(weights))
    with torch.no_grad():
        other.proj_out.weight.mul_(1.1)
    other.save_pretrained(weights)
    for place, kind in ((moved, "WanTransformer3DModel"), (base_of("ltx"), "LTXVideoTransformer")):
        with pytest.raises(CheckpointError, match=f"on another transformer than the {kind}"):
            PretrainedWorldModel.from_pretrained(tmp_path / "run", base=str(place))
    # equal weights, whose latents are scaled otherwise
    shutil.copytree(base_of("wan"), moved, dirs_exist_ok=True)
    vae = AutoencoderKLWan.from_pretrained(str(moved / "vae"))
    vae.register_to_config(latents_mean=[0.5] * 8)
    vae.save_pretrained(moved / "vae")
    with pytest.raises(CheckpointError, match="on another vae than the AutoencoderKLWan"):
        PretrainedWorldModel.from_pretrained(tmp_path / "run", base=str(moved))


def test_damaged_folders(base_of, recordings, tmp_path):
    made(base_of("wan"), recordings[1]).save_pretrained(tmp_path)
    values = read_json(tmp_path / "config.json")
    wrong = values | {"robot": values["robot"] | {"action_dim": 3}}
    write_json(tmp_path / "config.json", wrong)
    with pytest.raises(CheckpointError, match=r"model.safetensors does not fit its config.json"):
        PretrainedWorldModel.from_pretrained(tmp_path)
    write_json(tmp_path / "config.json", values | {"config": {"rank": 3}})
    with pytest.raises(CheckpointError, match="unknown field"):
        PretrainedWorldModel.from_pretrained(tmp_path)
    write_json(tmp_path / "config.json", values)
    (tmp_path / "pytorch_lora_weights.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lora_weights.safetensors does not exist"):
        PretrainedWorldModel.from_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="dtype = 'half'"):
        PretrainedWorldModel.from_pretrained(tmp_path, dtype="half")


def test_resumed_run_ends_with_the_same_bits(base_of, recordings, tmp_path, monkeypatch):
    config = quick(base_of("ltx"), 5)
    whole, metrics = train_pretrained(recordings[0], config, tmp_path / "whole", seed=5)
    assert {"pretrained/loss", "state/loss"} <= set(metrics)
    real, calls = video.VideoModel.loss, []

    def killed(*args):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(video.VideoModel, "loss", killed)
    with pytest.raises(KeyboardInterrupt):
        train_pretrained(recordings[0], config, tmp_path / "cut", seed=5)
    monkeypatch.setattr(video.VideoModel, "loss", real)
    resumed, _ = train_pretrained(recordings[0], config, tmp_path / "cut", seed=5)
    for (name, a), b in zip(whole.named_parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b), name
    # the run's state holds what is trained, not the base
    kept = load_file(tmp_path / "whole" / "state.safetensors")
    names = [name for name in kept if name.startswith("model/")]
    assert names and all("adapter" in name or "lora_" in name for name in names)
    fresh = PretrainedWorldModel.build(config.model, whole.robot, seed=5)
    start = dict(fresh.named_parameters())
    changed = {n for n, p in whole.named_parameters() if not torch.equal(p, start[n])}
    assert {n.split(".")[0] for n in changed} == {"adapter", "dynamics", "transformer"}
    assert all("lora_" in n for n in changed if n.startswith("transformer"))


def test_training_goes_on_and_refuses_other_recordings(base_of, recordings, tmp_path):
    config = quick(base_of("ltx"), 2, text_length=2)
    texts = {"follow": torch.ones(2, 20)}
    model, _ = train_pretrained(recordings[0], config, tmp_path / "a", seed=0, texts=texts)
    before = {n: p.clone() for n, p in model.adapter.named_parameters()}
    further, _ = train_pretrained(
        recordings[0], config, tmp_path / "b", seed=1, initial=model, texts=texts
    )
    assert further is model and not torch.equal(
        before["tokens.weight"], model.adapter.tokens.weight
    )
    for given, said in ((None, "missing: 'follow'"), ({"other": texts["follow"]}, "'follow'")):
        with pytest.raises(ConfigError, match=said):
            train_pretrained(recordings[0], config, tmp_path / "c", seed=0, texts=given)
    plain = quick(base_of("ltx"), 2)
    with pytest.raises(ConfigError, match="text_length = 0"):
        train_pretrained(recordings[0], plain, tmp_path / "c", seed=0, texts=texts)
    wide = replace(recordings[1], actions=torch.zeros(recordings[1].num_rows, 3))
    with pytest.raises(DatasetError, match=r"action_dim=2.*action_dim=3"):
        train_pretrained(wide, config, tmp_path / "d", seed=0, initial=model, texts=texts)
    with pytest.raises(DatasetError, match="longer than 24 steps"):
        long = quick(base_of("ltx"), 2, max_chunk=24)
        train_pretrained(recordings[0], replace(long, state_chunks=1), tmp_path / "e", seed=0)
