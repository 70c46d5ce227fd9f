"""VideoFamily: how one kind of pretrained video transformer and its VAE are spoken to.

Another kind is one more class like those in `wan.py` and `ltx.py`, registered under the class name
of its transformer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from octoworld.core.errors import CheckpointError
from octoworld.core.registry import Registry

VIDEO_FAMILIES: Registry[type[VideoFamily]] = Registry(
    "video transformer", ("worldmodels.pretrained.wan", "worldmodels.pretrained.ltx")
)
register_video_family = VIDEO_FAMILIES.register


@dataclass
class Condition:
    """What a transformer is told beside the noisy video."""

    tokens: torch.Tensor
    """(B, L, E) in the place of a text's embedding."""
    mask: torch.Tensor
    """(B, L) bool, False where there is nothing."""
    frames: torch.Tensor
    """(B, F, D) added to every place of a latent frame where the transformer takes it in."""


class VideoFamily(ABC):
    """A loaded transformer and VAE, behind one face.

    Videos are (B, 3, T, H, W) float32 in [-1, 1] with T = 1 + n * `temporal`; latents (B, C, 1 + n,
    h, w) float32, scaled as the transformer was trained: frame 0 has a latent of its own, each
    later latent stands for `temporal` frames. The VAE must encode causally: latents of the first
    frames are the same whatever follows.
    """

    transformer_class: ClassVar[Any]
    """Class in diffusers that `transformer/` is loaded by."""
    vae_class: ClassVar[Any]
    """Class in diffusers that `vae/` is loaded by."""
    lora_targets: ClassVar[tuple[str, ...]]
    """Endings of the names of the layers that get low-rank adapters by default."""

    def __init__(self, transformer: Any, vae: Any) -> None:
        """Raises CheckpointError, with a reason, for a variant that does not fit this class."""
        self.transformer, self.vae = transformer, vae

    @property
    @abstractmethod
    def temporal(self) -> int:
        """Frames that a latent stands for (the first excepted)."""

    @property
    @abstractmethod
    def multiple(self) -> tuple[int, int]:
        """Height and width must be multiples of these [pixel]."""

    @property
    @abstractmethod
    def stride(self) -> int:
        """Pixels along a side of a latent."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """C, numbers of a latent."""

    @property
    @abstractmethod
    def token_width(self) -> int:
        """E, width of the text embedding that the transformer reads."""

    @property
    @abstractmethod
    def width(self) -> int:
        """D, width inside the transformer."""

    @abstractmethod
    def encode(self, video: torch.Tensor) -> torch.Tensor:
        """Video to latents."""

    @abstractmethod
    def decode(self, latents: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Latents to video."""

    @abstractmethod
    def velocity(
        self, latents: torch.Tensor, timestep: torch.Tensor, condition: Condition, fps: float
    ) -> torch.Tensor:
        """Noise minus clean latents, as the transformer sees it, (B, C, F, h, w) float32.

        Args:
            latents: (B, C, F, h, w) noisy, in the transformer's type.
            timestep: (B, F) noise level of each latent frame, 0 (clean) to 1000.
            condition: what is told.
            fps: frames of the video a second.
        """

    def places(self, latents: torch.Tensor) -> int:
        """Tokens that the transformer makes of latents (B, C, F, h, w)."""
        height, width = (m // self.stride for m in self.multiple)
        return latents.shape[2] * (latents.shape[3] // height) * (latents.shape[4] // width)

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            raise CheckpointError(f"{type(self.transformer).__name__}: {what}")


@contextmanager
def added(module: nn.Module, what: torch.Tensor) -> Iterator[None]:
    """Within, `what` is added to the output of `module`."""

    def add(_module: nn.Module, _args: Any, output: Any) -> torch.Tensor:
        return output + what

    handle = module.register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()
