"""Likeness: a reward without a reflector, for comparison: how like the end of a demonstration."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from .autoencoder import FrameAutoencoder
from .reflector.model import Verdict


@dataclass(frozen=True)
class LikenessConfig:
    """What a reflector's settings say, as far as an imagined world asks for them."""

    window: int = 1
    """Frames that are looked at together."""
    patience: int = 1
    """Frames in a row after which it would stop."""


class Likeness:
    """Stands where a `Reflector` does in `WorldModelEnv`, knows nothing of success, never stops.

    Its `success` is exp(-d / scale), d the mean squared distance of a frame's latents from the
    nearest of the goal frames of the instruction.
    """

    threshold = math.inf
    settings = LikenessConfig()

    def __init__(
        self,
        autoencoder: FrameAutoencoder,
        goals: Callable[[str], torch.Tensor],
        scale: float = 0.1,
    ) -> None:
        """Compare with `goals(instruction)`, latents (G, S, C) of last frames of demonstrations.

        `scale` is a mean squared distance [latent variance].
        """
        self.autoencoder, self.goals, self.scale = autoencoder, goals, scale

    @property
    def device(self) -> torch.device:
        """Where it compares."""
        return next(self.autoencoder.parameters()).device

    def score_latents(
        self,
        latents: torch.Tensor,
        proprio: torch.Tensor,
        instructions: Sequence[str],
        first: torch.Tensor | None = None,
    ) -> Verdict:
        """As `Reflector.score_latents`, of latents (B, T, S, C)."""
        told = {text: self.goals(text).to(latents).flatten(1) for text in set(instructions)}
        seen = latents.flatten(2)
        apart = [
            torch.cdist(x, told[text]).pow(2).amin(1) / x.shape[-1]
            for x, text in zip(seen, instructions, strict=True)
        ]
        like = torch.exp(-torch.stack(apart) / self.scale)
        return Verdict(like, like)
