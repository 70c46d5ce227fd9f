"""What of a pretrained transformer is trained: low-rank adapters, everything, or nothing."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from octoworld.core.errors import ConfigError

from .config import PretrainedConfig
from .family import VideoFamily


def prepare(family: VideoFamily, config: PretrainedConfig, device: torch.device | str) -> None:
    """Set what is trained; adapters are put into the transformer, and begin as nothing (B = 0).

    Their other half comes from torch's global generator.

    Raises:
        ConfigError: `lora_targets` names no linear layer of the transformer.
    """
    transformer = family.transformer
    transformer.requires_grad_(config.tune == "full")
    if config.tune == "lora" and config.lora_rank:
        _add_adapters(transformer, config, config.lora_targets or family.lora_targets)
    if config.gradient_checkpointing and torch.device(device).type == "cuda":
        transformer.enable_gradient_checkpointing()


def has_adapters(config: PretrainedConfig) -> bool:
    """Whether the transformer holds low-rank adapters."""
    return config.tune == "lora" and config.lora_rank > 0


def linear_layers(transformer: nn.Module) -> list[str]:
    """Endings by which linear layers are named, numbers of blocks left out."""
    names = (n for n, module in transformer.named_modules() if isinstance(module, nn.Linear))
    return sorted({_ending(name) for name in names})


def _add_adapters(transformer: Any, config: PretrainedConfig, targets: tuple[str, ...]) -> None:
    from peft import LoraConfig

    linear = [n for n, module in transformer.named_modules() if isinstance(module, nn.Linear)]
    for target in targets:
        if not any(name == target or name.endswith(f".{target}") for name in linear):
            raise ConfigError(
                f"lora_targets: the transformer has no linear layer {target!r}; "
                f"known: {', '.join(linear_layers(transformer))}"
            )
    transformer.add_adapter(
        LoraConfig(
            r=config.lora_rank, lora_alpha=config.lora_alpha, target_modules=list(targets)
        )
    )  # fmt: skip
    for parameter in transformer.parameters():
        if parameter.requires_grad:  # steps of training would be rounded away in bfloat16
            parameter.data = parameter.data.float()


def _ending(name: str) -> str:
    """`to_q` of `blocks.0.attn1.to_q`; `to_out.0` of `blocks.0.attn1.to_out.0`."""
    parts = name.split(".")
    first = max((i for i, part in enumerate(parts) if not part.isdecimal()), default=0)
    return ".".join(parts[first:])
