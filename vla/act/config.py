"""Config of ACT: shape of the network, weight of its latent, ensembling over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..vision_policy import VisionConfig


@dataclass(frozen=True)
class ActConfig(VisionConfig):
    """Zhao et al. 2023 (arXiv 2304.13705) for small images; values in () are the paper's."""

    chunk_size: int = 8
    """K, actions predicted at once (100 at 50 Hz). Without ensembling one call gives them all."""
    temporal_ensemble: bool = False
    """Ask at every step and average what all chunks so far say of it; a call then gives one action.
    Such an average has no density, so that the policy cannot be post-trained."""
    ensemble_decay: float = 0.01
    """m: a chunk's weight is exp(-m i), i = 0 the oldest (0.01). Larger trusts old chunks more."""
    width: int = 192
    """Width of a token (512)."""
    heads: int = 6
    """Attention heads (8)."""
    encoder_depth: int = 3
    """Layers of the encoder over what is seen (4)."""
    decoder_depth: int = 1
    """Layers of the decoder of actions (7, of which its code used the first)."""
    latent_dim: int = 32
    """Length of z, the style of a demonstration (32); 0 is at inference."""
    latent_depth: int = 2
    """Layers of the CVAE encoder, which training alone uses (4)."""
    kl_weight: float = 10.0
    """Weight of KL(q(z | actions, state) || N(0, 1)), summed over z (10)."""
    channels: tuple[int, ...] = (32, 64, 96, 160)
    """Channels of the residual network at 1/2, 1/4, 1/8, ... of the image's size; the last map's
    cells are the image tokens. The paper has a ResNet18 pretrained on ImageNet."""
    noise: Literal["laplace", "gaussian"] = "laplace"
    """Family of the noise at temperatures above 0; the paper's policy has none."""
    noise_correlation: float = 0.5
    """rho in [0, 1): lag-1 correlation of the noise along a chunk."""
    scale_range: tuple[float, float] = (0.05, 0.5)
    """Least and largest scale of the noise [action units, of 2 from end to end]."""

    def checks(self) -> tuple[tuple[bool, str, str], ...]:
        """As the base's, and those of its own fields."""
        low, high = self.scale_range
        shrunk = 2 ** len(self.channels)
        return (
            *super().checks(),
            (self.width % self.heads == 0, "width", f"a multiple of heads = {self.heads}"),
            (self.width % 4 == 0, "width", "a multiple of 4"),
            (self.encoder_depth > 0, "encoder_depth", "at least 1"),
            (self.decoder_depth > 0, "decoder_depth", "at least 1"),
            (self.latent_dim > 0, "latent_dim", "at least 1"),
            (self.latent_depth > 0, "latent_depth", "at least 1"),
            (self.kl_weight >= 0, "kl_weight", "at least 0"),
            (self.ensemble_decay >= 0, "ensemble_decay", "at least 0"),
            (len(self.channels) > 0 and all(c % 8 == 0 for c in self.channels), "channels",
             "multiples of 8"),
            (self.image_size % shrunk == 0, "image_size",
             f"a multiple of {shrunk}, 2 to the number of channels"),
            (0 <= self.noise_correlation < 1, "noise_correlation", "in [0, 1)"),
            (0 < low < high, "scale_range", "0 < least < largest"),
        )  # fmt: skip
