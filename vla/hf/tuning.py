"""What of a pretrained model is trained: adapters, the language model, its eyes, or nothing."""

from __future__ import annotations

import re
from typing import Any

from torch import nn

from octoworld.core.errors import ConfigError

from .config import PretrainedConfig
from .pretrained import decoder_name, plain


def prepare(model: Any, config: PretrainedConfig) -> Any:
    """The model with `requires_grad` set as the config asks; wrapped by `peft` for adapters.

    Adapters start as nothing (B = 0), with A from torch's global generator.

    Raises:
        ConfigError: `lora_targets` names no linear layer of the language model.
        CheckpointError: the language model cannot be told from the rest.
    """
    decoder = decoder_name(model)
    speaking = {id(p) for p in model.get_decoder().parameters()}
    if (output := model.get_output_embeddings()) is not None:
        speaking |= {id(p) for p in output.parameters()}
    for parameter in model.parameters():
        trained = config.tune == "full" if id(parameter) in speaking else config.tune_vision
        parameter.requires_grad_(trained)
    if config.tune == "lora":
        seeing = [p for p in model.parameters() if p.requires_grad]
        model = _with_adapters(model, decoder, config)
        for parameter in seeing:  # peft holds all that is no adapter
            parameter.requires_grad_(True)
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return model


def set_mode(model: Any, config: PretrainedConfig, training: bool) -> None:
    """Training mode for what is trained; what is frozen drops nothing out."""
    model.train(training and config.tune_vision)
    plain(model).get_decoder().train(training and config.tune != "frozen")


def linear_layers(model: nn.Module, decoder: str) -> list[str]:
    """Last names of the linear layers below the module `decoder`, without its output."""
    names = (
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.startswith(f"{decoder}.")
    )
    return sorted({name.split(".")[-1] for name in names} - {"lm_head"})


def _with_adapters(model: Any, decoder: str, config: PretrainedConfig) -> Any:
    from peft import LoraConfig, get_peft_model

    known = linear_layers(model, decoder)
    targets = config.lora_targets or tuple(known)
    for target in targets:
        if target not in known:
            raise ConfigError(
                f"lora_targets: the language model has no linear layer {target!r}; "
                f"known: {', '.join(known)}"
            )
    last = "|".join(re.escape(target) for target in targets)
    lora = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        # peft matches the whole name: nothing outside the language model can fit
        target_modules=rf"{re.escape(decoder)}\.(.*\.)?({last})",
    )
    return get_peft_model(model, lora)
