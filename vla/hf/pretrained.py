"""Loading of a pretrained vision-language model and its processor, with errors that teach."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from octoworld.core.errors import CheckpointError, ConfigError, DependencyError

from .config import PretrainedConfig


def load_model(config: PretrainedConfig, device: torch.device | str) -> Any:
    """The pretrained model on `device`, cut to `language_layers`, nothing to be trained yet.

    Raises:
        CheckpointError: not on disk and the hub out of reach, damaged, or not a vision-language
            model.
        ConfigError: no model is named, `bfloat16` without CUDA, or more layers are asked for than
            it has.
    """
    import transformers

    if config.dtype == "bfloat16" and torch.device(device).type != "cuda":
        raise ConfigError(
            f"dtype = 'bfloat16' needs a CUDA device, got {device}; use dtype = 'float32' there"
        )
    with _told(config):
        found = transformers.AutoConfig.from_pretrained(config.model, **_revision(config))
        if type(found) not in transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
            raise CheckpointError(
                f"{config.model} is a {found.model_type!r} model, which has no eyes: expected a "
                "vision-language model that AutoModelForImageTextToText loads, such as SmolVLM, "
                "PaliGemma or Qwen2.5-VL"
            )
        model: Any = transformers.AutoModelForImageTextToText.from_pretrained(
            config.model, dtype=getattr(torch, config.dtype), **_revision(config)
        )
    # what its makers let it generate like (penalties, ends) would bend the density of the actions
    model.pretrained_generation_config = model.generation_config
    pad = model.config.get_text_config().pad_token_id
    model.generation_config = transformers.GenerationConfig(pad_token_id=0 if pad is None else pad)
    _keep_layers(model, config.language_layers)
    return model.requires_grad_(False).to(device)


def load_processor(config: PretrainedConfig, folder: Path | str | None = None) -> Any:
    """The model's processor, or the one saved in `folder`, set as the config says.

    Raises:
        CheckpointError: missing, damaged, or one that takes no images.
        ConfigError: no model is named, or `image_processor` a setting that it does not have.
        DependencyError: it needs a package that is not installed.
    """
    import transformers

    with _told(config):
        if folder is None:
            where, options = config.model, _revision(config)
        else:
            where, options = str(folder), {}
        processor = transformers.AutoProcessor.from_pretrained(where, **options)
    images = getattr(processor, "image_processor", None)
    if images is None:
        raise CheckpointError(
            f"{config.model} has no image processor (found a {type(processor).__name__}): expected "
            "a vision-language model with preprocessor_config.json or processor_config.json"
        )
    settings = dict(config.image_processor)
    if hasattr(images, "do_image_splitting"):
        settings.setdefault("do_image_splitting", False)
    for name, value in settings.items():
        if not hasattr(images, name):
            known = sorted(k for k in images.to_dict() if not k.startswith("_"))
            raise ConfigError(
                f"image_processor: {type(images).__name__} has no setting {name!r}; "
                f"known: {', '.join(known)}"
            )
        old = getattr(images, name)
        setattr(images, name, type(old)(**value) if isinstance(value, dict) and old else value)
    # action tokens follow the prompt, so that prompts must end together
    processor.tokenizer.padding_side = "left"
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    return processor


def decoder_name(model: Any) -> str:
    """Name of the language model among the modules of a vision-language model.

    Raises:
        CheckpointError: its language model cannot be told from the rest.
    """
    decoder = model.get_decoder()
    name = next((n for n, module in model.named_modules() if module is decoder), "")
    eyes = model.get_encoder(modality="image")
    if not name or any(module is eyes for module in decoder.modules()):
        raise CheckpointError(
            f"{type(model).__name__} does not keep its language model apart from its vision tower, "
            "so that neither can be frozen or adapted alone; choose another model"
        )
    return name


def _keep_layers(model: Any, count: int) -> None:
    if not count:
        return
    decoder = model.get_decoder()
    layers = getattr(decoder, "layers", None)
    if layers is None or count > len(layers):
        have = "no list of layers" if layers is None else f"{len(layers)} layers"
        raise ConfigError(f"language_layers = {count}: the language model has {have}")
    decoder.layers = layers[:count]
    decoder.config.num_hidden_layers = count  # the cache has as many
    kinds = getattr(decoder.config, "layer_types", None)
    if kinds is not None:
        decoder.config.layer_types = kinds[:count]


def _revision(config: PretrainedConfig) -> dict[str, str]:
    return {"revision": config.revision} if config.revision else {}


@contextmanager
def _told(config: PretrainedConfig) -> Iterator[None]:
    """What transformers and huggingface_hub say about a model that cannot be loaded, in a line."""
    import transformers
    from huggingface_hub.errors import HFValidationError

    if not config.model:
        raise ConfigError(
            "model = '': expected a hub id such as 'HuggingFaceTB/SmolVLM2-500M-Video-Instruct', "
            "or the folder of a vision-language model"
        )
    if Path(config.model).is_absolute() and not Path(config.model).is_dir():
        raise CheckpointError(f"{config.model} does not exist: expected the folder of a model")
    told = transformers.utils.logging.is_progress_bar_enabled()
    if not sys.stderr.isatty():
        transformers.utils.logging.disable_progress_bar()
    try:
        yield
    except ImportError as error:
        reason = " ".join(str(error).split())[:120]
        raise DependencyError(
            f"the processor of {config.model} needs more packages ({reason}); "
            "pip install 'octoworld[vlm]'"
        ) from None
    except (OSError, HFValidationError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
        where = (
            "the folder is no complete model"
            if Path(config.model).is_dir()
            else "not a folder, not in the local cache, and not on the hub "
            + ("(HF_HUB_OFFLINE is set)" if offline else "or the hub is out of reach")
        )
        raise CheckpointError(f"cannot load {config.model!r}: {where} [{reason}]") from None
    finally:
        if told:
            transformers.utils.logging.enable_progress_bar()


def plain(model: Any) -> Any:
    """The model of `transformers` inside one that `peft` has wrapped, or itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model
