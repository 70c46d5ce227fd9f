"""ActionAdapter: what a robot does, as one token a frame in the place of a text's embedding."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

PLACE_OCTAVES = 6
"""Sines and cosines of a frame's distance from now, periods of 2, 4, ... 64 frames."""


class ActionAdapter(nn.Module):
    """A token for each frame of the video: what was felt, or what is done and felt then.

    The same features, gathered for the frames that a latent stands for, are added where the
    transformer takes that latent in. Both outputs begin as zero, to the pretrained model an empty
    text and no change of its input: training starts from what it foresees by itself.
    """

    def __init__(
        self,
        action_dim: int,
        state_dim: int,
        *,
        width: int,
        layers: int,
        octaves: int,
        temporal: int,
        token_width: int,
        latent_width: int,
    ) -> None:
        """Build.

        Args:
            action_dim: A.
            state_dim: P.
            width: of the network.
            layers: hidden ones.
            octaves: sines and cosines of the state.
            temporal: frames that a latent stands for, the first excepted.
            token_width: E, width of the text's embedding.
            latent_width: D, width inside the transformer.
        """
        super().__init__()
        self.octaves, self.temporal = octaves, temporal
        known = action_dim + state_dim * (2 + 2 * octaves) + 2 * PLACE_OCTAVES + 2
        self.enter = nn.Linear(known, width)
        self.body = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.tokens = nn.Linear(width, token_width)
        self.frames = nn.Linear(temporal * width, latent_width)
        for layer in (self.tokens, self.frames):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, states: torch.Tensor, actions: torch.Tensor, known: torch.Tensor, now: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens (B, L, E) and additions to latent frames (B, F, D), L = 1 + (F - 1) * temporal.

        Args:
            states: (B, L, P) standardised, of each frame.
            actions: (B, L, A) that led to each frame.
            known: (L,) bool, False for frames whose action is not told; they have no state.
            now: number of the newest frame that was seen.
        """
        told = known.to(states)[:, None]
        change = torch.cat([torch.zeros_like(states[:, :1]), states.diff(dim=1)], 1)
        place = torch.arange(len(known), device=states.device) - now
        angle = place[:, None] * math.pi / 2.0 ** torch.arange(PLACE_OCTAVES, device=states.device)
        where = [angle.sin(), angle.cos(), told, (place > 0).to(states)[:, None]]
        rows = torch.cat([x.to(states) for x in where], -1).expand(len(states), -1, -1)
        x = self.enter(
            torch.cat([actions * told, self._rich(states) * told, change * told, rows], -1)
        )
        for layer in self.body:
            x = x + layer(F.silu(F.layer_norm(x, x.shape[-1:])))
        x = F.silu(F.layer_norm(x, x.shape[-1:]))
        # the first latent is of one frame
        first = x[:, :1].expand(-1, self.temporal - 1, -1)
        gathered = torch.cat([first, x], 1).unflatten(1, (-1, self.temporal)).flatten(2)
        return self.tokens(x), self.frames(gathered)

    def _rich(self, states: torch.Tensor) -> torch.Tensor:
        """States (..., P) with their sines and cosines (..., P * (1 + 2 octaves))."""
        scale = 2.0 ** torch.arange(self.octaves, device=states.device) * (math.pi / 2)
        angle = (states[..., None] * scale).flatten(-2)
        return torch.cat([states, angle.sin(), angle.cos()], -1)
