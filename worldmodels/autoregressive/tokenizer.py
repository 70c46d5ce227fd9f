"""FrameTokenizer: images to a few whole numbers, and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config

from octoworld.core.config import from_dict, to_dict

from ..autoencoder import FrameAutoencoder
from .config import TokenizerConfig
from .fsq import perplexity
from .quantiser import LatentQuantiser


class FrameTokenizer(ModelMixin, ConfigMixin):
    """A FrameAutoencoder, frozen, and a quantiser of its tokens.

    Quantised latents are latents of the same autoencoder: what was trained on those (a reflector)
    reads these too, and pictures of both paradigms are drawn by the same decoder.
    """

    config_name = "config.json"

    @register_to_config
    def __init__(self, autoencoder_config: dict, tokenizer_config: dict) -> None:
        """Build from `to_dict` of both configs."""
        super().__init__()
        self.settings = from_dict(TokenizerConfig, dict(tokenizer_config))
        self.autoencoder = FrameAutoencoder(dict(autoencoder_config)).requires_grad_(False)
        self.quantiser = LatentQuantiser(self.autoencoder.settings, self.settings)

    @classmethod
    def build(cls, autoencoder: FrameAutoencoder, config: TokenizerConfig) -> FrameTokenizer:
        """An untrained quantiser around a copy of a trained autoencoder."""
        tokenizer = cls(to_dict(autoencoder.settings), to_dict(config))
        tokenizer.autoencoder.load_state_dict(autoencoder.state_dict())
        return tokenizer

    @torch.no_grad()
    def encode(self, frames: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Camera -> (..., H, W, 3) uint8 to codes (..., S, G), S = all cameras' tokens."""
        return self.quantiser.tokens(self.autoencoder.encode(frames))

    @torch.no_grad()
    def decode(self, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
        """Codes (..., S, G) to camera -> (..., H, W, 3) uint8."""
        return self.autoencoder.decode(self.quantiser.latents(tokens))

    def loss(
        self, latents: torch.Tensor, frames: Mapping[str, torch.Tensor], softness: float = 0.0
    ) -> dict[str, torch.Tensor]:
        """What codes lose of latents (B, S, C) and of the frames that they are of.

        Returns `loss`, `latent` (squared error), the autoencoder's own terms of the picture and
        `perplexity`, the mean over groups of the codes in use in this batch.
        """
        kept, values = self.quantiser(latents, softness)
        latent = (kept - latents).pow(2).mean()
        terms = self.autoencoder.drawing_loss(kept, frames)
        drawing = terms.pop("loss")
        fsq = self.quantiser.fsq
        codes = fsq.nearest(values.detach())
        return {
            "loss": latent + self.settings.drawing_weight * drawing,
            "latent": latent,
            "drawing": drawing,
            "perplexity": perplexity(codes, fsq.num_codes).mean(),
            **terms,
        }

    @torch.no_grad()
    def usage(self, frames: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """(G,) how many codes of each group are in use over images (perplexity); 1 is collapse."""
        return perplexity(self.encode(frames), self.quantiser.fsq.num_codes)
