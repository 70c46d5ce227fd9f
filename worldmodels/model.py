"""WorldModel: history and actions -> the frames and the proprioception that follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch


@dataclass
class Clip:
    """B clips of T consecutive recorded steps: row t is observed before action t."""

    frames: dict[str, torch.Tensor]
    """camera -> (B, T, H, W, 3) uint8."""
    proprio: torch.Tensor
    """(B, T, P) float32."""
    actions: torch.Tensor
    """(B, T, A) float32 in [-1, 1]; the last row's action is not used."""


@dataclass
class Imagined:
    """K imagined steps: what is observed after each of K actions."""

    frames: dict[str, torch.Tensor]
    """camera -> (B, K, H, W, 3) uint8."""
    proprio: torch.Tensor
    """(B, K, P) float32."""


class WorldModel(Protocol):
    """What training and WorldModelEnv ask of a model."""

    context_length: int
    """Past frames it looks at."""
    max_chunk: int
    """Most frames that one call imagines."""
    cameras: tuple[str, ...]

    def loss(self, clips: Clip, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        """Named scalars, among them `loss`."""

    def start(self, clips: Clip) -> Any:
        """A history from observed steps, (B, T>=1), first row = the episode's anchor frame.

        The history is a dataclass of tensors with first axis B, so worlds can be selected,
        repeated and replaced by index.
        """

    def imagine(
        self, history: Any, actions: torch.Tensor, generator: torch.Generator
    ) -> tuple[Any, Imagined]:
        """Apply `actions` (B, K, A), K <= max_chunk; returns the longer history and what is seen."""
