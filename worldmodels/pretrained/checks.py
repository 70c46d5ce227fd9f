"""What a pretrained world model refuses: lengths that its VAE cannot hold, actions of others."""

from __future__ import annotations

import torch

from octoworld.core.errors import ActionError, ConfigError

from .config import PretrainedConfig


def check_lengths(config: PretrainedConfig, temporal: int) -> None:
    """Raise ConfigError, with what would fit, if the VAE cannot hold the context or a chunk."""
    held = f"this VAE takes 1 + n * {temporal} frames"
    if config.max_chunk % temporal:
        sizes = [temporal * n for n in (1, 2, 3)]
        raise ConfigError(f"max_chunk = {config.max_chunk}: {held}, so that {_list(sizes)} fit")
    if (config.slots - 1) % temporal:
        sizes = [1 - config.anchor + temporal * n for n in range(config.anchor, 4)]
        anchor = ", one of them the anchor" if config.anchor else ""
        raise ConfigError(
            f"context_length = {config.context_length}: {held}{anchor}, so that {_list(sizes)} fit"
        )


def check_rows(rows: int, config: PretrainedConfig, temporal: int) -> None:
    """Raise ConfigError if clips of so many rows have no future that the model can learn."""
    future = rows - 1 - config.context_length
    if not 1 <= future <= config.max_chunk or future % temporal:
        sizes = list(range(temporal, config.max_chunk + 1, temporal))
        raise ConfigError(
            f"clips must have 1 + {config.context_length} rows and "
            f"{', '.join(map(str, sizes))} more, since the VAE takes {temporal} together; got "
            f"{rows} in all"
        )


def check_actions(actions: torch.Tensor, worlds: int, action_dim: int, max_chunk: int) -> None:
    """Raise ActionError if actions are not (worlds, 1..max_chunk, action_dim), or not finite."""
    if actions.ndim != 3 or (actions.shape[0], actions.shape[2]) != (worlds, action_dim):
        raise ActionError(
            f"actions must be ({worlds}, K, {action_dim}), got {tuple(actions.shape)}"
        )
    if not 1 <= actions.shape[1] <= max_chunk:
        raise ActionError(f"K must be 1..{max_chunk}, got {actions.shape[1]}")
    if not torch.isfinite(actions).all():
        raise ActionError("actions hold a NaN or an infinity")


def _list(sizes: list[int]) -> str:
    return ", ".join(map(str, sizes)) + ", ..."
