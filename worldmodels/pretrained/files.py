"""Folder of a `pretrained` world model: what was trained, and what it was trained on."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from octoworld.core.config import from_dict, to_dict
from octoworld.core.errors import CheckpointError, ConfigError
from octoworld.core.io import (
    atomic_file,
    atomic_folder,
    load_tensors,
    read_json,
    save_tensors,
    write_json,
)

from ..autoencoder import FrameAutoencoder
from .base import load_base
from .config import PretrainedConfig, Robot
from .tuning import has_adapters

if TYPE_CHECKING:
    from .model import PretrainedWorldModel

CONFIG, WEIGHTS, LORA = "config.json", "model.safetensors", "pytorch_lora_weights.safetensors"
AUTOENCODER, TRANSFORMER = "autoencoder", "transformer"


def save(model: PretrainedWorldModel, folder: Path) -> None:
    """See `PretrainedWorldModel.save_pretrained`."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tensors(folder / WEIGHTS, _own(model))
    if model.settings.tune == "full":
        with atomic_folder(folder / TRANSFORMER) as temporary:
            model.transformer.save_pretrained(str(temporary))
    elif has_adapters(model.settings):
        _write_adapters(model.transformer, folder / LORA)
    if model.frame_autoencoder is not None:
        with atomic_folder(folder / AUTOENCODER) as temporary:
            model.frame_autoencoder.save_pretrained(str(temporary))
    try:
        library_version = version("octoworld")
    except PackageNotFoundError:
        library_version = "uninstalled"
    values = {
        "_class_name": type(model).__name__,
        "library": "octoworld",
        "version": library_version,
        "config": to_dict(model.settings),
        "robot": to_dict(model.robot),
        "base": {"transformer_class": type(model.transformer).__name__, **model.fingerprints},
    }
    write_json(folder / CONFIG, values)


def load(
    cls: type[PretrainedWorldModel],
    folder: Path,
    base: str | None,
    device: torch.device | str,
    dtype: str | None,
) -> PretrainedWorldModel:
    """See `PretrainedWorldModel.from_pretrained`."""
    path = folder / CONFIG
    values = read_json(path)
    try:
        config = from_dict(PretrainedConfig, values["config"])
        robot, known = from_dict(Robot, values["robot"]), dict(values["base"])
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is no pretrained world model's ({type(error).__name__}: {error})"
        ) from None
    if dtype is not None and dtype not in ("float32", "bfloat16"):
        raise ConfigError(f"dtype = {dtype!r}: expected 'float32' or 'bfloat16'")
    config = replace(config, model=base or config.model, dtype=dtype or config.dtype)
    if base is not None:
        config = replace(config, revision="")
    full = config.tune == "full"
    found = load_base(config, device, folder if full else None)
    parts = ("vae",) if full else ("transformer", "vae")
    for part in parts:
        if found.fingerprints[part] != known.get(part):
            kind = type(getattr(found.family, part)).__name__
            raise CheckpointError(
                f"{folder} was trained on another {part} than the {kind} in {config.model} "
                f"(fingerprint {known.get(part)}, found {found.fingerprints[part]}); name the one "
                "that it was trained on as `base`"
            )
    found.fingerprints = {part: known[part] for part in ("transformer", "vae")}
    try:
        model = cls(config, robot, found)
    except ConfigError as error:
        raise CheckpointError(f"{folder}: {error}") from None
    _read(_own(model), folder / WEIGHTS)
    if has_adapters(config):
        _read(_adapters(model.transformer), folder / LORA)
    if (folder / AUTOENCODER).is_dir():
        model.attach(FrameAutoencoder.from_pretrained(str(folder / AUTOENCODER)))
    return model.eval()


def _own(model: PretrainedWorldModel) -> dict[str, torch.Tensor]:
    """Weights and scales that are not the base's, its adapters', nor the autoencoder's."""
    parts = {"adapter": model.adapter, "dynamics": model.dynamics}
    own = {f"{n}.{k}": v for n, part in parts.items() for k, v in part.state_dict().items()}
    return own | {name: value for name, value in model.named_buffers(recurse=False)}


def _adapters(transformer: Any) -> dict[str, torch.Tensor]:
    """Adapters' weights by the names under which diffusers' pipelines look for them."""
    from peft import get_peft_model_state_dict

    found = get_peft_model_state_dict(transformer, adapter_name="default")
    return {f"transformer.{name}": value for name, value in found.items()}


def _write_adapters(transformer: Any, path: Path) -> None:
    from safetensors.torch import save_file

    # as LoraBaseMixin.write_lora_layers in diffusers' loaders/lora_base.py
    known = transformer.peft_config["default"].to_dict()
    known = {f"transformer.{k}": list(v) if isinstance(v, set) else v for k, v in known.items()}
    metadata = {"format": "pt", "lora_adapter_metadata": json.dumps(known, sort_keys=True)}
    tensors = {k: v.detach().cpu().contiguous() for k, v in _adapters(transformer).items()}
    with atomic_file(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


@torch.no_grad()
def _read(own: dict[str, torch.Tensor], path: Path) -> None:
    """Copy a file's tensors into those of the model."""
    tensors = load_tensors(path)
    wrong = sorted(set(tensors) ^ set(own)) or [
        name for name, value in own.items() if value.shape != tensors[name].shape
    ]
    if wrong:
        raise CheckpointError(f"{path} does not fit its {CONFIG} (at {wrong[0]})")
    for name, value in own.items():
        value.copy_(tensors[name])
