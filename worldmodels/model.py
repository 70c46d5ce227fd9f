"""WorldModel: history and actions -> the frames and the proprioception that follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import torch

Decode = Literal["all", "last", "none"]
"""Which imagined steps are drawn as pixels: a policy needs only the last, training none."""


@dataclass
class Clip:
    """B clips of T consecutive recorded steps: row t is observed before action t."""

    frames: dict[str, torch.Tensor]
    """camera -> (B, T, H, W, 3) uint8."""
    proprio: torch.Tensor
    """(B, T, P) float32."""
    actions: torch.Tensor
    """(B, T, A) float32 in [-1, 1]; the last row's action is not used."""
    objects: torch.Tensor | None = None
    """(B, T, O) where the objects are, if the recordings tell; asked for in training only."""


@dataclass
class Imagined:
    """K imagined steps: what is observed after each of K actions."""

    proprio: torch.Tensor
    """(B, K, P) float32."""
    frames: dict[str, torch.Tensor] = field(default_factory=dict)
    """camera -> (B, K, H, W, 3) uint8; (B, 1, ...) with decode="last", empty with "none"."""
    latents: torch.Tensor | None = None
    """(B, K, S, C) standardised latents, from which `decode` draws frames later."""
    objects: torch.Tensor | None = None
    """(B, K, O) where the model believes the objects are, if it was trained with them."""


class WorldModel(Protocol):
    """What training and WorldModelEnv ask of a model."""

    @property
    def cameras(self) -> tuple[str, ...]:
        """Cameras that it draws."""
        ...

    @property
    def context_length(self) -> int:
        """Past frames it looks at, the anchor not counted."""
        ...

    @property
    def max_chunk(self) -> int:
        """Most frames that one call imagines."""
        ...

    def loss(self, clips: Clip, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        """Named scalars, among them `loss`."""
        ...

    def start(self, clips: Clip) -> Any:
        """A history from observed steps, (B, T>=1), first row = the episode's anchor frame.

        The history is a dataclass of tensors with first axis B, so worlds can be selected,
        repeated and replaced by index (`worldmodels.history.TensorRecord`).
        """
        ...

    def imagine(
        self,
        history: Any,
        actions: torch.Tensor,
        generator: torch.Generator,
        decode: Decode = "all",
    ) -> tuple[Any, Imagined]:
        """Apply `actions` (B, K, A), K <= max_chunk: the longer history, and what is seen."""
        ...

    def decode(self, latents: torch.Tensor) -> dict[str, torch.Tensor]:
        """Latents (..., S, C) to camera -> (..., H, W, 3) uint8."""
        ...
