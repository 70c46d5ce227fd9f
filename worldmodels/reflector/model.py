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
from octoworld.data.words import WordTokens

from ..autoencoder import FrameAutoencoder
from ..cells import to_cells
from ..latent_model import LatentWorldModel
from ..state import ObjectEyes
from .sight import Hearing, Sight


@dataclass(frozen=True)
class ReflectorConfig:
    """Sizes of the reflector, and when it says stop."""

    dim: int = 128
    """Width of sentence and verdict."""
    heads: int = 4
    """Attention heads over the words."""
    text_layers: int = 2
    """Blocks over the words."""
    width: int = 24
    """Channels of the convolutions over a frame's cells."""
    blocks: int = 2
    """Residual blocks of two convolutions."""
    points: int = 12
    """Places that are looked for in a frame."""
    window: int = 2
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
        if self.width % 4 or self.blocks < 1 or self.points < 1:
            raise ConfigError(
                f"width {self.width} must be a multiple of 4, blocks {self.blocks} and points "
                f"{self.points} at least 1"
            )


@dataclass
class Verdict:
    """What the reflector thinks of T steps of B worlds."""

    success: torch.Tensor
    """(B, T) probability that the step shows success."""
    progress: torch.Tensor
    """(B, T) how far the job is, 0 to 1."""


@dataclass
class Thoughts:
    """What its network gives, before calibration."""

    logit: torch.Tensor
    """(B, T) of success."""
    progress: torch.Tensor
    """(B, T) 0 to 1."""
    told: torch.Tensor
    """(B, T, D) standardised numbers that it was taught to read off frames; D may be 0."""


class Reflector(ModelMixin, ConfigMixin):
    """Works on autoencoder latents, so real and imagined frames look alike to it, and cheaply.

    Tokens are laid out as the cells that they are made of: the place of a thing shows there to a
    fraction of a cell, which is what success is about. A frame is looked at with the sentence in
    mind; a window of what was seen is judged. Besides, it may borrow a world model's eyes, which
    have learned from many more pictures where objects are; they stay as they are.
    `temperature`, `bias` and `threshold` are set by calibration on validation episodes.
    """

    config_name = "config.json"

    @register_to_config
    def __init__(
        self,
        autoencoder_config: dict,
        reflector_config: dict,
        vocabulary: list[str],
        proprio_dim: int,
        told_dim: int = 0,
        object_dim: int = 0,
        eyes_width: int = 48,
    ) -> None:
        """Build from `to_dict` of AutoencoderConfig and ReflectorConfig, known words, P, D and O.

        `object_dim` O is how many numbers borrowed eyes read off a frame; 0 is without them.
        """
        super().__init__()
        self.settings = settings = from_dict(ReflectorConfig, dict(reflector_config))
        self.autoencoder = FrameAutoencoder(dict(autoencoder_config)).requires_grad_(False)
        self.tokenize = WordTokens(vocabulary, settings.max_words)
        image, dim = self.autoencoder.settings, settings.dim
        self.hearing = Hearing(
            len(vocabulary) + 2, settings.max_words, dim, settings.heads, settings.text_layers,
            settings.dropout,
        )  # fmt: skip
        self.eyes: ObjectEyes | None = None
        if object_dim:
            self.eyes = ObjectEyes(
                object_dim, proprio_dim, image.latent_channels, cameras=len(image.cameras),
                cells=image.cells, width=eyes_width,
            ).requires_grad_(False)  # fmt: skip
        self.sight = Sight(
            image.latent_channels // image.cells**2, len(image.cameras), dim,
            width=settings.width, blocks=settings.blocks, points=settings.points,
        )  # fmt: skip
        self.gather = nn.Sequential(
            nn.Linear(self.sight.num_features + object_dim + proprio_dim + dim, 2 * dim), nn.SiLU(),
            nn.Linear(2 * dim, dim), nn.SiLU(),
        )  # fmt: skip
        self.teller = nn.Linear(dim, told_dim) if told_dim else None
        self.judge = nn.Sequential(
            nn.Linear(settings.window * dim, dim), nn.SiLU(), nn.Linear(dim, 2)
        )
        self.register_buffer("proprio_mean", torch.zeros(proprio_dim))
        self.register_buffer("proprio_std", torch.ones(proprio_dim))
        self.register_buffer("eyes_mean", torch.zeros(proprio_dim))
        self.register_buffer("eyes_std", torch.ones(proprio_dim))
        self.register_buffer("told_mean", torch.zeros(told_dim))
        self.register_buffer("told_std", torch.ones(told_dim))
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("bias", torch.zeros(()))
        self.register_buffer("threshold", torch.full((), 0.5))

    @classmethod
    def build(
        cls,
        autoencoder: FrameAutoencoder,
        config: ReflectorConfig,
        vocabulary: Sequence[str],
        proprio: torch.Tensor,
        told: torch.Tensor | None = None,
        lender: LatentWorldModel | None = None,
    ) -> Reflector:
        """A new reflector around a copy of an autoencoder.

        `proprio` (F, P) and `told` (F, D), numbers that it shall learn to read, give the scales;
        `lender` is a world model with eyes, which it borrows.
        """
        told_dim = 0 if told is None else told.shape[1]
        eyes = lender.eyes if lender is not None else None
        reflector = cls(
            to_dict(autoencoder.settings), to_dict(config), list(vocabulary), proprio.shape[1],
            told_dim, lender.object_dim if lender is not None and eyes is not None else 0,
            lender.settings.eyes_width if lender is not None else 48,
        )  # fmt: skip
        reflector.autoencoder.load_state_dict(autoencoder.state_dict())
        if lender is not None and eyes is not None:
            assert reflector.eyes is not None
            reflector.eyes.load_state_dict(eyes.state_dict())
            reflector.eyes_mean.copy_(lender.state_mean[: proprio.shape[1]])
            reflector.eyes_std.copy_(lender.state_std[: proprio.shape[1]])
        reflector.proprio_mean.copy_(proprio.mean(0))
        reflector.proprio_std.copy_(proprio.std(0).clamp(min=1e-4))
        if told is not None:
            reflector.told_mean.copy_(told.mean(0))
            reflector.told_std.copy_(told.std(0).clamp(min=1e-4))
        return reflector

    def forward(
        self,
        latents: torch.Tensor,
        proprio: torch.Tensor,
        words: torch.Tensor,
        objects: torch.Tensor,
    ) -> Thoughts:
        """What it makes of B windows.

        Args:
            latents: (B, T, S, C) standardised; before the first frame it repeats.
            proprio: (B, T, P) in its own units.
            words: (B, L) word numbers.
            objects: (B, T, O) what `look` found.
        """
        batch, steps = latents.shape[:2]
        image = self.autoencoder.settings
        sentence = self.hearing(words).repeat_interleave(steps, 0)
        cells = to_cells(latents.flatten(0, 1), len(image.cameras), image.cells)
        felt = ((proprio - self.proprio_mean) / self.proprio_std).flatten(0, 1)
        seen = self.sight(cells, sentence)
        known = torch.cat([seen, objects.flatten(0, 1), felt, sentence], -1)
        vector = self.gather(known).view(batch, steps, -1)
        window = self.settings.window
        padded = torch.cat([vector[:, :1].expand(-1, window - 1, -1), vector], 1)
        stacked = torch.cat([padded[:, i : i + steps] for i in range(window)], -1)
        stacked = F.dropout(stacked, self.settings.dropout, self.training)
        logit, progress = self.judge(stacked).unbind(-1)
        told = vector[..., :0] if self.teller is None else self.teller(vector)
        return Thoughts(logit, progress.sigmoid(), told)

    @torch.no_grad()
    def look(
        self, latents: torch.Tensor, proprio: torch.Tensor, first: torch.Tensor
    ) -> torch.Tensor:
        """Where borrowed eyes find objects (..., O), standardised; O is 0 without eyes.

        Args:
            latents: (..., S, C) frames.
            proprio: (..., P) in its own units.
            first: (..., S, C) the first frame of the episode of each: what a hand hides now may
                have been in sight then.
        """
        if self.eyes is None:
            return proprio[..., :0]
        felt = ((proprio - self.eyes_mean) / self.eyes_std).flatten(0, -2)
        found = self.eyes(first.flatten(0, -3), latents.flatten(0, -3), felt)
        return found.unflatten(0, proprio.shape[:-1])

    @torch.no_grad()
    def score_latents(
        self,
        latents: torch.Tensor,
        proprio: torch.Tensor,
        instructions: Sequence[str],
        first: torch.Tensor | None = None,
    ) -> Verdict:
        """Calibrated verdict on latents (B, T, S, C) and proprio (B, T, P).

        `first` (B, S, C) is the first frame of the episodes; None: the first one given.
        """
        if len(instructions) != len(latents):
            raise ConfigError(f"{len(latents)} worlds but {len(instructions)} instructions")
        words = self.tokenize(instructions).to(latents.device)
        begun = latents[:, :1] if first is None else first[:, None]
        objects = self.look(latents, proprio, begun.expand_as(latents))
        thoughts = self(latents, proprio, words, objects)
        success = (thoughts.logit / self.temperature + self.bias).sigmoid()
        return Verdict(success, thoughts.progress)

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
