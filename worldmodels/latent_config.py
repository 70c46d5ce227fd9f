"""LatentModelConfig: what world models over an autoencoder's latents have in common."""

from __future__ import annotations

from dataclasses import dataclass

from octoworld.core.errors import ConfigError


@dataclass(frozen=True)
class LatentModelConfig:
    """Memory, conditioning state, and what counts in the loss."""

    dim: int = 192
    """Width of the transformer."""
    layers: int = 4
    """Blocks."""
    heads: int = 6
    """Attention heads; must divide `dim`."""
    cell_width: int = 48
    """Channels of the convolutions over a token's cells: a thing that moves is carried from cell to
    cell by one rule for all places."""
    mlp_ratio: float = 3.0
    """Hidden width of a block's MLP over `dim`."""
    context_length: int = 3
    """Past frames seen besides the first frame of the episode."""
    max_chunk: int = 4
    """Frames imagined by one call."""
    context_noise: float = 0.05
    """Noise on context latents in training [latent std], against drift."""
    state_noise: float = 0.03
    """Noise on the conditioning state in training [its std]."""
    moving_weight: float = 6.0
    """Extra weight of tokens that change between the last context frame and the target."""
    told_state: bool = True
    """Draw frames where the state model foresees arm and things. Without, pictures follow from
    frames and actions alone, as in models of video where nothing but frames is known; the state is
    foreseen beside them, and nothing in a picture comes from it."""
    state_octaves: int = 5
    """Sines and cosines of the conditioning state, periods 4 std, 2 std, ...: the arm must be drawn
    to the pixel."""
    state_hidden: int = 384
    """Hidden width of the state model."""
    state_layers: int = 3
    """Its hidden layers."""
    object_weight: float = 2.0
    """Weight of the objects' numbers beside proprioception in its loss."""
    eyes_width: int = 48
    """Channels of the convolutions that find objects in a frame."""

    def __post_init__(self) -> None:
        if self.dim % self.heads:
            raise ConfigError(f"heads={self.heads} must divide dim={self.dim}")
        for name in ("context_length", "max_chunk", "layers", "state_layers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
