"""Models that cannot be used are named in one line."""

import shutil
from pathlib import Path

import pytest
import transformers

from octoworld.core.errors import CheckpointError, ConfigError, DependencyError
from vla.hf import pretrained

from .families import policy, text_config, tokenizer


def refused(folder, kind: type[Exception] = CheckpointError, **changes):
    with pytest.raises(kind) as error:
        policy(str(folder), **changes)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_no_model():
    assert "expected a hub id" in refused("", ConfigError)


def test_model_that_is_nowhere(tmp_path):
    said = refused("nobody/nothing")
    assert "cannot load 'nobody/nothing'" in said and "HF_HUB_OFFLINE is set" in said
    assert "does not exist: expected the folder" in refused(tmp_path / "missing")
    assert "cannot load" in refused("not a/hub/id")
    (tmp_path / "empty").mkdir()
    assert "the folder is no complete model" in refused(tmp_path / "empty")


def test_model_without_weights(model_of, tmp_path):
    folder = Path(shutil.copytree(model_of("llava"), tmp_path / "model"))
    (folder / "model.safetensors").unlink()
    assert "the folder is no complete model" in refused(folder)


def test_text_only_model(model_of, tmp_path):
    words = tokenizer()
    config = transformers.LlamaConfig(**text_config(words))
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    assert "no image processor" in refused(tmp_path)
    # and with somebody's processor beside it
    shutil.copy(Path(model_of("llava")) / "processor_config.json", tmp_path)
    assert "'llama' model, which has no eyes" in refused(tmp_path)


def test_vision_language_model_without_image_processor(model_of, tmp_path):
    folder = Path(shutil.copytree(model_of("llava"), tmp_path / "model"))
    (folder / "processor_config.json").unlink()
    said = refused(folder)
    assert "image processor" in said or "cannot load" in said


def test_processor_that_needs_another_package(model_of, monkeypatch):
    def needy(*args, **kwargs):
        raise ImportError("\nFooVideoProcessor requires the Torchvision library\n")

    monkeypatch.setattr(transformers.AutoProcessor, "from_pretrained", needy)
    said = refused(model_of("llava"), DependencyError)
    assert "Torchvision" in said and "pip install 'octoworld[vlm]'" in said


def test_language_model_and_vision_tower_in_one(model_of):
    model = pretrained.load_model(policy(model_of("llava")).config, "cpu")
    assert pretrained.decoder_name(model) == "model.language_model"
    model.get_decoder = lambda: model.model
    with pytest.raises(CheckpointError, match="apart from its vision tower"):
        pretrained.decoder_name(model)


def test_more_images_than_a_processor_takes(model_of, monkeypatch):
    made = policy(model_of("llava"))

    def single(*args, **kwargs):
        raise ValueError("only one image\nper prompt")

    monkeypatch.setattr(type(made.processor), "__call__", single)
    from .families import TEXTS, observation

    with pytest.raises(ConfigError, match=r"refuses 2 image.*only one image per prompt") as error:
        made.act(observation(), TEXTS)
    assert "\n" not in str(error.value)
