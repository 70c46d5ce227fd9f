"""Checkpoints of another version are refused; diffusers would draw what they lack at random."""

import pytest

from octoworld.core.config import to_dict
from octoworld.core.errors import CheckpointError
from octoworld.core.io import load_tensors, save_tensors
from octoworld.recipes.worldenv.learning import load_part
from worldmodels.autoencoder import AutoencoderConfig, FrameAutoencoder


@pytest.fixture
def folder(tmp_path):
    model = FrameAutoencoder(to_dict(AutoencoderConfig(width=8, image_size=32)))
    model.save_pretrained(str(tmp_path))
    return tmp_path


def test_a_whole_checkpoint_loads(folder):
    assert isinstance(load_part(FrameAutoencoder, folder), FrameAutoencoder)


@pytest.mark.parametrize("change", ["missing", "unexpected"])
def test_weights_that_lack_or_are_strange_are_told(folder, change):
    path = folder / "diffusion_pytorch_model.safetensors"
    tensors = load_tensors(path)
    name = "decoder.camera"
    if change == "missing":
        del tensors[name]
    else:
        tensors["decoder.lens"], name = tensors[name].clone(), "decoder.lens"
    save_tensors(path, tensors)
    with pytest.raises(CheckpointError, match=f"{change}_keys: 1, such as {name}"):
        load_part(FrameAutoencoder, folder)
