"""LatentQuantiser: an autoencoder's tokens to G codes each, and back."""

from __future__ import annotations

import torch
from torch import nn

from ..autoencoder import AutoencoderConfig, Residual
from ..cells import to_cells, to_tokens
from .config import TokenizerConfig
from .fsq import FiniteScalars, usual_size


class LatentQuantiser(nn.Module):
    """Standardised latents (..., S, C) <-> codes (..., S, G).

    Codes are read from a token alone, so that they are as local as the token and as easy to
    predict; latents are made from the codes of the whole image, which share what they know.
    """

    rest: torch.Tensor
    """(S, C) latents of what mostly stands still; their codes' numbers are 0."""

    def __init__(self, image: AutoencoderConfig, config: TokenizerConfig) -> None:
        super().__init__()
        channels, size, width = image.latent_channels, config.code_size, config.decoder_width
        self.cameras, self.cells = len(image.cameras), image.cells
        self.fsq = FiniteScalars(config.levels, config.groups)
        self.register_buffer("rest", torch.zeros(image.num_tokens, channels))
        self.read = nn.Linear(channels, size, bias=False)
        self.read_more = nn.Sequential(
            nn.Linear(channels, config.hidden), nn.SiLU(),
            nn.Linear(config.hidden, config.hidden), nn.SiLU(), nn.Linear(config.hidden, size),
        )  # fmt: skip
        self.write = nn.Linear(size, channels)
        self.write_cells = nn.Sequential(
            nn.Linear(size, config.hidden), nn.SiLU(),
            nn.Linear(config.hidden, image.cells**2 * width),
        )  # fmt: skip
        last = nn.Conv2d(width, channels // image.cells**2, 1)
        self.refine = nn.Sequential(
            *[Residual(width) for _ in range(config.decoder_blocks)], nn.SiLU(), last
        )
        for parameter in last.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, latents: torch.Tensor, softness: float = 0.0
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents as the codes keep them (..., S, C), and the codes' levels (..., S, G, d)."""
        values = self.fsq(self._scalars(latents), softness)
        return self.from_values(values), values

    @torch.no_grad()
    def tokens(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (..., S, C) to codes (..., S, G)."""
        return self.fsq.codes(self._scalars(latents))

    def values(self, tokens: torch.Tensor) -> torch.Tensor:
        """Codes (..., S, G) to their levels, all of a token's side by side (..., S, G * d)."""
        return self.fsq.values(tokens).flatten(-2)

    def latents(self, tokens: torch.Tensor) -> torch.Tensor:
        """Codes (..., S, G) to latents (..., S, C)."""
        return self.from_values(self.fsq.values(tokens))

    def from_values(self, values: torch.Tensor) -> torch.Tensor:
        """Levels (..., S, G, d) to latents (..., S, C)."""
        lead, flat = values.shape[:-3], values.flatten(-2)
        flat = flat.reshape(-1, *flat.shape[-2:])
        cells = self.refine(to_cells(self.write_cells(flat), self.cameras, self.cells))
        out = self.write(flat) + to_tokens(cells, self.cameras, self.cells) + self.rest
        return out.reshape(*lead, *out.shape[1:])

    @torch.no_grad()
    def set_rest(self, latents: torch.Tensor) -> None:
        """Take the median of latents (M, S, C), what mostly stands still, as the zero."""
        self.rest.copy_(latents.median(0).values)

    @torch.no_grad()
    def set_scale(self, latents: torch.Tensor) -> None:
        """Measure the scalars' usual size on latents (M, S, C)."""
        self.fsq.scale.copy_(usual_size(self._scalars(latents)))

    def _scalars(self, latents: torch.Tensor) -> torch.Tensor:
        """(..., S, C) to (..., S, G, d), 0 where everything is as usual."""
        x = latents - self.rest
        out = self.read(x) + self.read_more(x) - self.read_more(torch.zeros_like(x[..., :1, :]))
        return out.unflatten(-1, (self.fsq.groups, -1))
