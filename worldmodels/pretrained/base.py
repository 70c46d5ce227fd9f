"""Loading a pretrained video model from a folder or the hub, with errors that teach."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import ConfigMixin, FlowMatchEulerDiscreteScheduler
from diffusers.utils import logging
from huggingface_hub.errors import EntryNotFoundError
from safetensors import SafetensorError
from torch import nn

from octoworld.core.errors import CheckpointError, ConfigError, UnknownNameError

from .config import PretrainedConfig, device_dtype
from .family import VIDEO_FAMILIES, VideoFamily

LAYOUT = "expected a diffusers pipeline's layout: transformer/ and vae/ with a config.json each"
FINGERPRINT_VALUES = 64
"""Values of each tensor that a fingerprint looks at: all tensors differ after any training."""
FINGERPRINT_SETTINGS = (
    "attention_head_dim", "latents_mean", "latents_std", "num_attention_heads", "patch_size",
    "scaling_factor",
)  # fmt: skip
"""Settings that it looks at: they change what weights mean, but not their shapes."""


@dataclass
class Base:
    """A pretrained model, nothing of it to be trained yet."""

    family: VideoFamily
    """Transformer and VAE."""
    scheduler: Any
    """Flow-matching scheduler that it samples by."""
    fingerprints: dict[str, str]
    """`transformer` and `vae`: what tells their weights from any others'."""


def load_base(
    config: PretrainedConfig, device: torch.device | str, own: Path | str | None = None
) -> Base:
    """The pretrained model on `device`.

    Args:
        config: names it.
        device: where to.
        own: folder that holds another `transformer/`, trained from the pretrained one.

    Raises:
        CheckpointError: not on disk and the hub out of reach, incomplete, of a class that is not
            known, or a variant that does not fit.
        ConfigError: no model is named, or bfloat16 without CUDA.
    """
    dtype = device_dtype(config, device)
    source = _Source(config.model, config.revision)
    pipeline = source.pipeline()
    if pipeline.get("boundary_ratio") is not None:
        raise CheckpointError(
            f"{config.model} has two transformers, of which each knows half of the noise levels; "
            "choose a model with one, such as Wan-AI/Wan2.2-TI2V-5B-Diffusers"
        )
    kinds = {part: source.kind(part, pipeline) for part in ("transformer", "vae")}
    try:
        family: type[VideoFamily] = VIDEO_FAMILIES.get(kinds["transformer"])
    except UnknownNameError as error:
        raise CheckpointError(f"{config.model}: {error}") from None
    wanted = family.vae_class.__name__
    if kinds["vae"] != wanted:
        raise CheckpointError(
            f"{config.model}: its vae is of class {kinds['vae']!r}, but {kinds['transformer']} "
            f"goes with {wanted}"
        )
    weights = source if own is None else _Source(str(own), "")
    transformer = weights.load(family.transformer_class, "transformer", dtype)
    # pictures suffer from bfloat16 (docs of diffusers on Wan load the VAE in float32)
    vae = source.load(family.vae_class, "vae", torch.float32)
    parts = {"transformer": transformer, "vae": vae}
    fingerprints = {name: fingerprint(part) for name, part in parts.items()}
    for part in parts.values():
        part.requires_grad_(False).to(device).eval()
    return Base(family(transformer, vae), source.scheduler(), fingerprints)


def fingerprint(module: nn.Module) -> str:
    """Hex digest of names, shapes and evenly spaced values of a module's tensors.

    Values are rounded to bfloat16, so that it is the same in whatever type the weights are loaded.
    """
    known = dict(getattr(module, "config", {}))
    settings = {name: known[name] for name in FINGERPRINT_SETTINGS if name in known}
    digest = hashlib.sha256(json.dumps(settings).encode())
    for name, value in sorted(module.state_dict().items()):
        flat = value.detach().flatten()
        index = torch.linspace(0, max(len(flat) - 1, 0), min(len(flat), FINGERPRINT_VALUES)).long()
        sample = flat[index.to(flat.device)].to(torch.bfloat16).view(torch.int16).cpu()
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(sample.numpy().tobytes())
    return digest.hexdigest()[:32]


@dataclass(frozen=True)
class _Source:
    """A folder or hub id with the parts of a pipeline."""

    model: str
    revision: str

    def pipeline(self) -> dict[str, Any]:
        """`model_index.json`; empty where there is none."""
        if not self.model:
            raise ConfigError(
                "model = '': expected a hub id such as 'Wan-AI/Wan2.2-TI2V-5B-Diffusers', or the "
                "folder of a diffusers video pipeline"
            )
        if Path(self.model).is_absolute() and not Path(self.model).is_dir():
            raise CheckpointError(
                f"{self.model} does not exist: expected the folder of a diffusers video pipeline"
            )
        return self._read("model_index.json") or {}

    def kind(self, part: str, pipeline: dict[str, Any]) -> str:
        """Class name of a part, by its own config or else by the pipeline's."""
        values = self._read("config.json", part, needed=True)
        if values is None:
            raise CheckpointError(f"{self.model} has no {part}/config.json; {LAYOUT}")
        listed = pipeline.get(part) or [None, None]
        name = values.get("_class_name") or listed[-1]
        if not name:
            raise CheckpointError(
                f"{self.model}: {part}/config.json names no class (`_class_name`); {LAYOUT}"
            )
        return str(name)

    def load(self, cls: Any, part: str, dtype: torch.dtype) -> Any:
        """The part, with every weight read."""
        with self._told():
            model, found = cls.from_pretrained(
                self.model, subfolder=part, torch_dtype=dtype, output_loading_info=True,
                **self._options(),
            )  # fmt: skip
        if found["missing_keys"]:
            raise CheckpointError(
                f"{self.model}: {part}/ lacks {len(found['missing_keys'])} weights, among them "
                f"{sorted(found['missing_keys'])[0]}; restore or download it again"
            )
        return model

    def scheduler(self) -> Any:
        """The model's own scheduler; Euler steps where it has none."""
        values = self._read("scheduler_config.json", "scheduler")
        if values is None:
            return FlowMatchEulerDiscreteScheduler()
        name = str(values.get("_class_name"))
        cls = getattr(diffusers, name, None)
        with self._told():
            made = None if cls is None else cls.from_config(values)
        flows = made is not None and (
            name.startswith("FlowMatch")
            or (made.config.get("prediction_type") == "flow_prediction"
                and made.config.get("use_flow_sigmas"))
        )  # fmt: skip
        if not flows:
            raise CheckpointError(
                f"{self.model}: scheduler {name} is not one of flow matching; expected e.g. "
                "FlowMatchEulerDiscreteScheduler, or UniPCMultistepScheduler with "
                "prediction_type 'flow_prediction' and use_flow_sigmas"
            )
        return made

    def _read(
        self, name: str, part: str | None = None, needed: bool = False
    ) -> dict[str, Any] | None:
        """A config file of the pipeline or of a part; None where the model has no such file."""
        folder = Path(self.model)
        # within a folder diffusers would fall back to a file of that name at its top
        if folder.is_dir() and not (folder / (part or "") / name).is_file():
            return None
        with self._told():
            try:
                named: Any = type("Named", (ConfigMixin,), {"config_name": name})
                return named.load_config(self.model, subfolder=part, **self._options())
            except OSError as error:
                if not needed and isinstance(error.__context__, EntryNotFoundError):
                    return None
                raise

    def _options(self) -> dict[str, str]:
        return {"revision": self.revision} if self.revision else {}

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What diffusers and the hub say about a model that cannot be loaded, in one line."""
        shown = logging.is_progress_bar_enabled()
        if not sys.stderr.isatty():
            logging.disable_progress_bar()
        try:
            yield
        except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:200]
            offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
            where = (
                "the folder is no complete model"
                if Path(self.model).is_dir()
                else "not a folder, not in the local cache, and not on the hub "
                + ("(HF_HUB_OFFLINE is set)" if offline else "or the hub is out of reach")
            )
            raise CheckpointError(f"cannot load {self.model!r}: {where} [{reason}]") from None
        finally:
            if shown:
                logging.enable_progress_bar()
