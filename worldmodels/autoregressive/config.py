"""TokenizerConfig and AutoregressiveConfig: sizes, training and sampling."""

from __future__ import annotations

import math
from dataclasses import dataclass

from octoworld.core.errors import ConfigError

from ..latent_config import LatentModelConfig


@dataclass(frozen=True)
class TokenizerConfig:
    """How an autoencoder's tokens become whole numbers."""

    groups: int = 4
    """G, codes of one token: its patch of 16x16 pixels is too much for one code of a thousand."""
    levels: tuple[int, ...] = (7, 7, 5, 5)
    """Levels of each number of a code; 1,225 codes. Odd counts have a level in the middle, where
    what stands still lies."""
    hidden: int = 256
    """Width of the layers before and behind the codes, token by token."""
    decoder_width: int = 48
    """Channels of the convolutions over cells that refine what the codes tell: a code may leave out
    what its neighbours know."""
    decoder_blocks: int = 2
    """Their number."""
    drawing_weight: float = 20.0
    """Weight of how the picture looks beside the squared error of latents."""
    warmup_share: float = 0.3
    """Part of training in which numbers are rounded only in part; rounding at once ends in a few
    codes for everything."""
    rare_share: float = 0.5
    """Share of a training batch drawn by squared rarity (`worldmodels/rarity.py`)."""

    def __post_init__(self) -> None:
        if self.groups < 1:
            raise ConfigError(f"groups must be at least 1, got {self.groups}")
        if not self.levels or min(self.levels) < 2 or self.num_codes > 2**16:
            raise ConfigError(
                f"levels must be at least 2 each and at most {2**16} codes together, "
                f"got {self.levels}"
            )
        if not 0 <= self.warmup_share <= 1:
            raise ConfigError(f"warmup_share must be in [0, 1], got {self.warmup_share}")

    @property
    def num_codes(self) -> int:
        """V, codes of a group."""
        return math.prod(self.levels)

    @property
    def code_size(self) -> int:
        """Numbers of all codes of a token."""
        return self.groups * len(self.levels)


@dataclass(frozen=True)
class AutoregressiveConfig(LatentModelConfig):
    """The default has about 4 M parameters."""

    layers: int = 6
    """Blocks."""
    mlp_ratio: float = 2.5
    """Hidden width of a block's gated MLP over `dim`."""
    tokens_per_step: int = 1
    """Tokens of a frame drawn together, each unaware of the others: 1 is raster order, which is
    most faithful; with n a frame takes S / n steps. Tokens drawn together lie apart."""
    draft_blocks: int = 2
    """Convolutions over cells that draft each frame from the one before, the action and the state:
    tokens are then mostly read off."""
    head_width: int = 128
    """Width of the small network that chooses a token's codes one after the other."""
    token_noise: float = 0.05
    """Share of context tokens replaced by others of the batch in training, against drift."""
    temperature: float = 0.7
    """Divides the logits in sampling: physics is deterministic, so what varies is mostly the
    model's own doubt."""
    top_k: int = 0
    """Codes that can be drawn, the most likely ones; 0: all, 1: no chance at all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tokens_per_step < 1:
            raise ConfigError(f"tokens_per_step must be at least 1, got {self.tokens_per_step}")
        if not 0 <= self.token_noise < 1:
            raise ConfigError(f"token_noise must be in [0, 1), got {self.token_noise}")
        check_sampling(self.temperature, self.top_k)


def check_sampling(temperature: float, top_k: int) -> None:
    """ConfigError where nothing can be drawn so."""
    if temperature <= 0:
        raise ConfigError(
            f"temperature must be above 0, got {temperature}; for the most likely code: top_k=1"
        )
    if top_k < 0:
        raise ConfigError(f"top_k must be at least 0 (all codes), got {top_k}")
