"""Pretrained models that cannot be used are named in one line."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, FlowMatchHeunDiscreteScheduler
from safetensors.torch import load_file, save_file

from octoworld.core.errors import CheckpointError, ConfigError
from worldmodels.pretrained import PretrainedConfig, VideoFamily, register_video_family
from worldmodels.pretrained.base import fingerprint, load_base
from worldmodels.pretrained.family import VIDEO_FAMILIES
from worldmodels.pretrained.sampling import denoise, training_levels

from .conftest import seeded
from .tiny import FAMILIES


@pytest.fixture
def copy_of(base_of, tmp_path):
    """A copy of a pipeline that a test may damage."""
    return lambda family="wan": Path(shutil.copytree(base_of(family), tmp_path / "model"))


def refused(model, kind: type[Exception] = CheckpointError):
    with pytest.raises(kind) as error:
        load_base(PretrainedConfig(model=str(model)), "cpu")
    assert "\n" not in str(error.value)
    return str(error.value)


def edit(path, **changes):
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in values.items() if v is not None}))


def test_no_model_and_models_that_are_nowhere(tmp_path):
    assert "expected a hub id" in refused("", ConfigError)
    assert "does not exist: expected the folder" in refused(tmp_path / "missing")
    assert "cannot load 'nobody/nothing'" in refused("nobody/nothing")
    assert "cannot load 'not a/hub/id'" in refused("not a/hub/id")
    assert "has no transformer/config.json" in refused(tmp_path)


@pytest.mark.parametrize("part", ["transformer", "vae"])
def test_missing_parts(part, copy_of):
    folder = copy_of()
    (folder / part / "diffusion_pytorch_model.safetensors").rename(folder / "kept.safetensors")
    assert "the folder is no complete model" in refused(folder)
    (folder / part / "diffusion_pytorch_model.safetensors").write_bytes(b"damaged")
    assert "the folder is no complete model" in refused(folder)
    shutil.rmtree(folder / part)
    said = refused(folder)
    assert f"has no {part}/config.json; expected a diffusers pipeline's layout" in said


def test_missing_weights(copy_of):
    folder = copy_of()
    path = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    weights.pop("proj_out.weight")
    save_file(weights, path, {"format": "pt"})
    assert "transformer/ lacks 1 weights, among them proj_out.weight" in refused(folder)


def test_class_of_the_vae(copy_of):
    folder = copy_of()
    edit(folder / "vae" / "config.json", _class_name=None)
    load_base(PretrainedConfig(model=str(folder)), "cpu")  # model_index.json knows it
    (folder / "model_index.json").unlink()
    assert "vae/config.json names no class (`_class_name`)" in refused(folder)
    shutil.rmtree(folder / "vae")
    AutoencoderKL(block_out_channels=(32,)).save_pretrained(folder / "vae")
    said = refused(folder)
    assert "'AutoencoderKL', but WanTransformer3DModel goes with AutoencoderKLWan" in said


def test_unknown_family_names_those_known(copy_of):
    folder = copy_of()
    edit(folder / "transformer" / "config.json", _class_name="LatteTransformer3DModel")
    said = refused(folder)
    assert "unknown video transformer 'LatteTransformer3DModel'" in said
    assert "LTXVideoTransformer3DModel, WanTransformer3DModel" in said


def test_variants_that_do_not_fit(copy_of):
    folder = copy_of()
    edit(folder / "model_index.json", boundary_ratio=0.9)
    assert "two transformers, of which each knows half of the noise" in refused(folder)
    (folder / "model_index.json").unlink()
    path = folder / "transformer"
    weights = load_file(path / "diffusion_pytorch_model.safetensors")
    known = weights["patch_embedding.weight"]
    weights["patch_embedding.weight"] = known.repeat(1, 2, 1, 1, 1)
    save_file(weights, path / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    edit(path / "config.json", in_channels=16)
    assert "it takes 16 channels, the VAE makes 8; image-to-video" in refused(folder)


def test_another_family_is_a_class_and_a_name(copy_of):
    known = type(load_base(PretrainedConfig(model=str(copy_of())), "cpu").family)
    assert issubclass(known, VideoFamily)
    with pytest.raises(ConfigError, match="already registered"):
        register_video_family("WanTransformer3DModel")(type("Other", (known,), {}))
    register_video_family("OurTransformer")(type("Ours", (known,), {}))
    assert "OurTransformer" in VIDEO_FAMILIES
    VIDEO_FAMILIES._members.pop("OurTransformer")


def test_schedulers(copy_of):
    folder = copy_of()
    shutil.rmtree(folder / "scheduler")
    base = load_base(PretrainedConfig(model=str(folder)), "cpu")
    assert type(base.scheduler).__name__ == "FlowMatchEulerDiscreteScheduler"
    DDIMScheduler().save_pretrained(folder / "scheduler")
    assert "scheduler DDIMScheduler is not one of flow matching" in refused(folder)


@pytest.mark.parametrize("family", [*FAMILIES, "heun"])
def test_sampling_follows_a_straight_flow_to_its_end(family, base_of):
    if family == "heun":
        scheduler = FlowMatchHeunDiscreteScheduler()
    else:
        scheduler = load_base(PretrainedConfig(model=base_of(family)), "cpu").scheduler
    target, noise = torch.randn(2, 1, 3, 2, 2, 2, generator=seeded())
    seen = []

    def velocity(sample, timestep):
        seen.append(float(timestep) / 1000)
        return noise - target

    found = denoise(velocity, noise, scheduler, 4, 12, seeded())
    torch.testing.assert_close(found, target, atol=1e-3, rtol=1e-3)
    assert seen == sorted(seen, reverse=True) and 0.99 < seen[0] <= 1 and seen[-1] > 0
    levels = training_levels(torch.linspace(0.01, 0.99, 9), scheduler, 12)
    assert ((levels > 0) & (levels < 1)).all() and (levels.diff() > 0).all()


def test_too_few_steps_for_a_scheduler(base_of):
    scheduler = load_base(PretrainedConfig(model=base_of("ltx")), "cpu").scheduler
    with pytest.raises(ConfigError, match=r"steps = 1: FlowMatchEuler.* use more steps"):
        denoise(lambda x, t: x, torch.zeros(1, 1, 1, 1, 1), scheduler, 1, 12, seeded())


def test_fingerprint_sees_weights_but_not_their_type():
    torch.manual_seed(0)
    layer = torch.nn.Linear(300, 7)
    known = fingerprint(layer)
    assert fingerprint(layer.bfloat16()) == known == fingerprint(layer.float())
    with torch.no_grad():
        layer.weight.add_(0.01 * torch.randn_like(layer.weight))
    assert fingerprint(layer) != known
    assert fingerprint(torch.nn.Linear(300, 8)) != known
