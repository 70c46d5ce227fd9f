"""Policy: (observation, instruction) -> a chunk of actions; controllers, VLAs and experts alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch

Observation = Mapping[str, "torch.Tensor"]
"""The VecEnv's: `observation.images.<camera>` (N, H, W, 3) uint8, `observation.state` (N, P)."""


@dataclass
class ActionChunk:
    """K actions for each of N worlds, in the environment's units."""

    actions: torch.Tensor
    """(N, K, A) in [-1, 1]."""
    log_prob: torch.Tensor | None = None
    """(N,) log-density before clipping, mean over the K*A dimensions; None if greedy."""
    raw_actions: torch.Tensor | None = None
    """(N, K, A) before clipping to [-1, 1]; what `log_prob` takes."""


@runtime_checkable
class Policy(Protocol):
    """What rollouts, evaluation and post-training ask of a policy."""

    chunk_size: int
    """K, actions given by one call."""

    def reset(self, mask: torch.Tensor | None = None) -> None:
        """Forget the history of the masked worlds (default all)."""
        ...

    def act(
        self,
        obs: Observation,
        instructions: Sequence[str],
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> ActionChunk:
        """The next chunk. `temperature` 0 is the mean action; 1 samples, >1 widens the scale."""
        ...

    def log_prob(
        self,
        obs: Observation,
        instructions: Sequence[str],
        raw_actions: torch.Tensor,
        temperature: float = 1.0,
    ) -> torch.Tensor:
        """(N,) mean log-density per dimension of `raw_actions` (N, K, A), differentiable."""
        ...

    def save_pretrained(self, folder: Path | str) -> None:
        """Write `config.json` and `model.safetensors`."""
        ...
