"""Reflector: sees frames and an instruction, says at every step how surely the job is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn
from torch.nn import functional as F

from octoworld.core.config import from_dict, to_dict
from octoworld.core.errors import ConfigError
from octoworld.data.words import PAD, WordTokens

from ..autoencoder import FrameAutoencoder


@dataclass(frozen=True)
class ReflectorConfig:
    """Sizes of the reflector, and when it says stop."""

    dim: int = 128
    """Width."""
    heads: int = 4
    """Attention heads."""
    text_layers: int = 2
    """Blocks over the words."""
    frame_layers: int = 3
    """Blocks over one frame's tokens and the sentence."""
    window: int = 4
    """Frames judged together, the newest last."""
    max_words: int = 16
    """Words of an instruction that are read."""
    patience: int = 2
    """Steps in a row above the threshold before it says stop."""
    dropout: float = 0.1
    """Dropout in training."""

    def __post_init__(self) -> None:
        if self.window < 2 or self.patience < 1:
            raise ConfigError(f"window {self.window} must be >= 2, patience {self.patience} >= 1")


@dataclass
class Verdict:
    """What the reflector thinks of T steps of B worlds."""

    success: torch.Tensor
    """(B, T) probability that the step shows success."""
    progress: torch.Tensor
    """(B, T) how far the job is, 0 to 1."""


class _Block(nn.Module):
    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        h = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
        x = x + F.dropout(self.out(h), self.dropout, self.training)
        h = self.down(F.gelu(self.up(self.norm2(x))))
        return x + F.dropout(h, self.dropout, self.training)


class Reflector(ModelMixin, ConfigMixin):
    """Works on autoencoder latents, so real and imagined frames look alike to it, and cheaply.

    Each frame is read together with the sentence into one vector; a window of vectors is judged.
    `temperature` and `threshold` are set by calibration on validation episodes.
    """

    config_name = "config.json"

    @register_to_config
    def __init__(
        self,
        autoencoder_config: dict,
        reflector_config: dict,
        vocabulary: list[str],
        proprio_dim: int,
    ) -> None:
        """Build from `to_dict` of AutoencoderConfig and ReflectorConfig, known words and P."""
        super().__init__()
        self.settings = settings = from_dict(ReflectorConfig, dict(reflector_config))
        self.autoencoder = FrameAutoencoder(dict(autoencoder_config)).requires_grad_(False)
        self.tokenize = WordTokens(vocabulary, settings.max_words)
        image, dim = self.autoencoder.settings, settings.dim
        self.words = nn.Embedding(len(vocabulary) + 2, dim, padding_idx=PAD)
        self.word_position = nn.Parameter(torch.randn(settings.max_words, dim) * 0.02)
        self.text = nn.ModuleList(
            _Block(dim, settings.heads, settings.dropout) for _ in range(settings.text_layers)
        )
        self.text_norm = nn.LayerNorm(dim)
        self.token_in = nn.Linear(image.latent_channels, dim)
        self.token_position = nn.Parameter(torch.randn(image.num_tokens, dim) * 0.02)
        self.proprio_in = nn.Linear(proprio_dim, dim)
        self.readout = nn.Parameter(torch.randn(dim) * 0.02)
        self.frame = nn.ModuleList(
            _Block(dim, settings.heads, settings.dropout) for _ in range(settings.frame_layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.judge = nn.Sequential(
            nn.Linear(settings.window * dim, 2 * dim), nn.SiLU(), nn.Linear(2 * dim, 2)
        )
        self.register_buffer("proprio_mean", torch.zeros(proprio_dim))
        self.register_buffer("proprio_std", torch.ones(proprio_dim))
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("threshold", torch.full((), 0.5))

    @classmethod
    def build(
        cls,
        autoencoder: FrameAutoencoder,
        config: ReflectorConfig,
        vocabulary: Sequence[str],
        proprio: torch.Tensor,
    ) -> Reflector:
        """A new reflector around a copy of an autoencoder; `proprio` (F, P) gives the scales."""
        reflector = cls(
            to_dict(autoencoder.settings), to_dict(config), list(vocabulary), proprio.shape[1]
        )
        reflector.autoencoder.load_state_dict(autoencoder.state_dict())
        reflector.proprio_mean.copy_(proprio.mean(0))
        reflector.proprio_std.copy_(proprio.std(0).clamp(min=1e-4))
        return reflector

    def forward(
        self, latents: torch.Tensor, proprio: torch.Tensor, words: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Success logits and progress, both (B, T).

        Args:
            latents: (B, T, S, C) standardised; before the first frame it repeats.
            proprio: (B, T, P) in its own units.
            words: (B, L) word numbers.
        """
        batch, steps = latents.shape[:2]
        known = words != PAD
        # without words attention would have nothing to look at
        known = known | (~known.any(1, keepdim=True))
        text = self.words(words) + self.word_position[: words.shape[1]]
        for block in self.text:
            text = block(text, known[:, None, None])
        proprio = (proprio - self.proprio_mean) / self.proprio_std
        share = known.unsqueeze(-1).to(text.dtype)
        sentence = self.text_norm((text * share).sum(1) / share.sum(1))[:, None, None]
        x = torch.cat(
            [
                (sentence + self.readout).expand(-1, steps, -1, -1),
                sentence.expand(-1, steps, -1, -1),
                self.proprio_in(proprio)[:, :, None],
                self.token_in(latents) + self.token_position,
            ],
            2,
        ).flatten(0, 1)
        for block in self.frame:
            x = block(x, None)
        vector = self.norm(x[:, 0]).view(batch, steps, -1)
        window = self.settings.window
        padded = torch.cat([vector[:, :1].expand(-1, window - 1, -1), vector], 1)
        stacked = torch.cat([padded[:, i : i + steps] for i in range(window)], -1)
        logit, progress = self.judge(stacked).unbind(-1)
        return logit, progress.sigmoid()

    @torch.no_grad()
    def score_latents(
        self, latents: torch.Tensor, proprio: torch.Tensor, instructions: Sequence[str]
    ) -> Verdict:
        """Calibrated verdict on latents (B, T, S, C) and proprio (B, T, P)."""
        if len(instructions) != len(latents):
            raise ConfigError(f"{len(latents)} worlds but {len(instructions)} instructions")
        words = self.tokenize(instructions).to(latents.device)
        logit, progress = self(latents, proprio, words)
        return Verdict((logit / self.temperature).sigmoid(), progress)

    @torch.no_grad()
    def score(
        self,
        frames: Mapping[str, torch.Tensor],
        proprio: torch.Tensor,
        instructions: Sequence[str],
    ) -> Verdict:
        """Verdict on images, camera -> (B, T, H, W, 3) uint8, and proprio (B, T, P)."""
        return self.score_latents(self.autoencoder.encode(frames), proprio, instructions)


def debounce(above: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """Steps in a row above the threshold: `above` (B, T), `count` (B,) before them -> (B, T)."""
    counts = []
    for now in above.unbind(1):
        count = torch.where(now, count + 1, 0)
        counts.append(count)
    return torch.stack(counts, 1)


def first_stop(success: torch.Tensor, threshold: float, patience: int) -> torch.Tensor:
    """First step (B,) at which `success` (B, T) was above `threshold` `patience` times running.

    -1 where it never was.
    """
    runs = debounce(success > threshold, torch.zeros(len(success), dtype=torch.long))
    stop = runs >= patience
    return torch.where(stop.any(1), stop.long().argmax(1), -1)
