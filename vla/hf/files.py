"""Folder of an `hf` policy: the Hugging Face layout, the pretrained model named or beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch

from octoworld.core.errors import CheckpointError, ConfigError
from octoworld.core.io import load_tensors, read_json, save_tensors, write_json, write_text

from ..checkpoint import WEIGHTS, write_config
from .card import RunFacts, base_licence, render
from .config import HfConfig, PretrainedConfig
from .pretrained import load_model, load_processor
from .statistics import HfStatistics

if TYPE_CHECKING:
    from .model import HfPolicy

T = TypeVar("T", bound="Tuned")
STATISTICS, ADAPTER, BASE, CARD = (
    "statistics.json",
    "adapter_model.safetensors",
    "base",
    "card.json",
)


class Tuned(Protocol):
    """A module around a pretrained model, of which some weights were trained."""

    model: Any
    processor: Any
    source: str
    """Where the pretrained weights were read."""
    trained: tuple[str, ...]
    """Names of the weights that training changes."""

    @property
    def config(self) -> PretrainedConfig:
        """What it was made of."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """Of `nn.Module`."""
        ...


def save(policy: HfPolicy, folder: Path, save_base: bool) -> None:
    """See `HfPolicy.save_pretrained`."""
    save_tuned(policy, folder, save_base)
    policy.statistics.save(folder / STATISTICS)
    facts = policy.facts
    if not facts.base_licence:
        facts = replace(facts, base_licence=base_licence(policy.source, policy.config.revision))
    write_json(folder / CARD, facts.to_json())
    write_text(folder / "README.md", render(policy.config, facts, trained_parameters(policy)))
    write_config(folder, "hf", policy.config)


def save_tuned(tuned: Tuned, folder: Path, save_base: bool) -> None:
    """Write the processor and what was trained, and with `save_base` the pretrained model too."""
    folder.mkdir(parents=True, exist_ok=True)
    tuned.processor.save_pretrained(folder)
    save_tensors(folder / WEIGHTS, _own_weights(tuned))
    if tuned.config.tune == "lora":
        tuned.model.save_pretrained(folder, save_embedding_layers=False)
    if save_base:
        # from where they were read: in memory they may be cut, adapted and half as precise
        whole = replace(tuned.config, model=tuned.source, language_layers=0, dtype="float32")
        model = load_model(whole, "cpu")
        model.generation_config = model.pretrained_generation_config
        model.save_pretrained(folder / BASE)
        load_processor(whole).save_pretrained(folder / BASE)


def load(
    cls: type[HfPolicy], folder: Path, config: HfConfig, device: torch.device | str
) -> HfPolicy:
    """See `HfPolicy.from_pretrained`."""
    statistics = HfStatistics.load(folder / STATISTICS)
    facts = RunFacts.from_json(read_json(folder / CARD), folder / CARD)
    policy = load_tuned(
        folder, config, device,
        lambda model, processor: cls(config, statistics, model, processor),
    )  # fmt: skip
    policy.facts = facts
    return policy.eval()


def load_tuned(
    folder: Path,
    config: PretrainedConfig,
    device: torch.device | str,
    make: Callable[[Any, Any], T],
) -> T:
    """What `save_tuned` wrote, around the pretrained model in `folder` or where it was read.

    Raises:
        CheckpointError: a file is missing, damaged or does not fit; the model cannot be had.
    """
    base = folder / BASE
    source = replace(config, model=str(base), revision="") if base.is_dir() else config
    processor = load_processor(source, folder)
    model = load_model(source, device)
    try:
        tuned = make(model, processor)
    except ConfigError as error:
        raise CheckpointError(f"{folder}: {error}") from None
    tuned.source = source.model
    _read_weights(tuned, folder / WEIGHTS)
    if config.tune == "lora":
        _read_adapter(tuned.model, folder / ADAPTER)
    return tuned


def trained_parameters(policy: Tuned) -> tuple[int, int]:
    """How many weights are trained, and how many there are."""
    trained = set(policy.trained)
    sizes = [(name in trained, p.numel()) for name, p in policy.named_parameters()]
    return sum(size for is_trained, size in sizes if is_trained), sum(size for _, size in sizes)


def _own_weights(policy: Tuned) -> dict[str, torch.Tensor]:
    """What is trained besides adapters."""
    trained = {name for name in policy.trained if ".lora_" not in name}
    return {name: p for name, p in policy.named_parameters() if name in trained}


def _read_weights(policy: Tuned, path: Path) -> None:
    tensors, own = load_tensors(path), _own_weights(policy)
    wrong = sorted(set(tensors) ^ set(own)) or [
        name for name, value in own.items() if value.shape != tensors[name].shape
    ]
    if wrong:
        raise CheckpointError(f"{path} does not fit its config.json (at {wrong[0]})")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(tensors[name])


def _read_adapter(model: Any, path: Path) -> None:
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    tensors, known = load_tensors(path), get_peft_model_state_dict(model)
    wrong = sorted(set(tensors) ^ set(known)) or [
        name for name, value in known.items() if value.shape != tensors[name].shape
    ]
    if wrong:
        raise CheckpointError(f"{path} does not fit its config.json (at {wrong[0]})")
    set_peft_model_state_dict(model, tensors)
