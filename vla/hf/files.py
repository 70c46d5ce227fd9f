"""Folder of an `hf` policy: the Hugging Face layout, the pretrained model named or beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from octoworld.core.errors import CheckpointError, ConfigError
from octoworld.core.io import load_tensors, read_json, save_tensors, write_json, write_text

from ..checkpoint import WEIGHTS, write_config
from .card import RunFacts, base_licence, render
from .config import HfConfig
from .pretrained import load_model, load_processor
from .statistics import HfStatistics

if TYPE_CHECKING:
    from .model import HfPolicy

STATISTICS, ADAPTER, BASE, CARD = (
    "statistics.json",
    "adapter_model.safetensors",
    "base",
    "card.json",
)


def save(policy: HfPolicy, folder: Path, save_base: bool) -> None:
    """See `HfPolicy.save_pretrained`."""
    folder.mkdir(parents=True, exist_ok=True)
    policy.statistics.save(folder / STATISTICS)
    policy.processor.save_pretrained(folder)
    save_tensors(folder / WEIGHTS, _own_weights(policy))
    if policy.config.tune == "lora":
        policy.model.save_pretrained(folder, save_embedding_layers=False)
    if save_base:
        # from where they were read: in memory they may be cut, adapted and half as precise
        whole = replace(policy.config, model=policy.source, language_layers=0, dtype="float32")
        model = load_model(whole, "cpu")
        model.generation_config = model.pretrained_generation_config
        model.save_pretrained(folder / BASE)
        load_processor(whole).save_pretrained(folder / BASE)
    facts = policy.facts
    if not facts.base_licence:
        facts = replace(facts, base_licence=base_licence(policy.source, policy.config.revision))
    write_json(folder / CARD, facts.to_json())
    write_text(folder / "README.md", render(policy.config, facts, trained_parameters(policy)))
    write_config(folder, "hf", policy.config)


def load(
    cls: type[HfPolicy], folder: Path, config: HfConfig, device: torch.device | str
) -> HfPolicy:
    """See `HfPolicy.from_pretrained`."""
    statistics = HfStatistics.load(folder / STATISTICS)
    facts = RunFacts.from_json(read_json(folder / CARD), folder / CARD)
    base = folder / BASE
    source = replace(config, model=str(base), revision="") if base.is_dir() else config
    processor = load_processor(source, folder)
    model = load_model(source, device)
    try:
        policy = cls(config, statistics, model, processor)
    except ConfigError as error:
        raise CheckpointError(f"{folder}: {error}") from None
    policy.facts, policy.source = facts, source.model
    _read_weights(policy, folder / WEIGHTS)
    if config.tune == "lora":
        _read_adapter(policy.model, folder / ADAPTER)
    return policy.eval()


def trained_parameters(policy: HfPolicy) -> tuple[int, int]:
    """How many weights are trained, and how many there are."""
    trained = set(policy.trained)
    sizes = [(name in trained, p.numel()) for name, p in policy.named_parameters()]
    return sum(size for is_trained, size in sizes if is_trained), sum(size for _, size in sizes)


def _own_weights(policy: HfPolicy) -> dict[str, torch.Tensor]:
    """What is trained besides adapters."""
    trained = {name for name in policy.trained if ".lora_" not in name}
    return {name: p for name, p in policy.named_parameters() if name in trained}


def _read_weights(policy: HfPolicy, path: Path) -> None:
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
