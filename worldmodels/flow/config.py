"""FlowConfig: sizes, training and sampling of the flow-matching world model."""

from __future__ import annotations

from dataclasses import dataclass

from octoworld.core.errors import ConfigError


@dataclass(frozen=True)
class FlowConfig:
    """The default has about 2.7 M parameters."""

    dim: int = 192
    """Width of the transformer."""
    layers: int = 4
    """Blocks."""
    heads: int = 6
    """Attention heads; must divide `dim`."""
    cell_width: int = 48
    """Channels of the convolutions over a token's cells before and after the blocks: a thing that
    moves is carried from cell to cell by one rule for all places."""
    cell_blocks: tuple[int, int] = (2, 2)
    """Their number before and after."""
    mlp_ratio: float = 3.0
    """Hidden width of a block's MLP over `dim`."""
    context_length: int = 3
    """Past frames seen besides the first frame of the episode."""
    max_chunk: int = 4
    """Frames imagined by one call."""
    sampling_steps: int = 2
    """Euler steps from noise to a frame."""
    noise_scale: float = 0.2
    """Std of the noise that sampling starts from; well below 1 gives steadier frames (physics is
    deterministic, so what varies is mostly the model's own doubt)."""
    time_power: float = 1.5
    """Training noise level is 1 - u^power, u uniform: above 1 favours the noisy end, where the
    model must predict from context and actions alone instead of reading the answer."""
    independent_noise: bool = False
    """Draw a noise level per frame instead of per clip (diffusion forcing)."""
    velocity_floor: float = 0.4
    """Noise level under which the velocity loss stops growing (its weight is 1/level^2)."""
    context_noise: float = 0.05
    """Noise on context latents in training [latent std], against drift."""
    state_noise: float = 0.03
    """Noise on the conditioning state in training [its std]."""
    moving_weight: float = 6.0
    """Extra weight of tokens that change between the last context frame and the target."""
    state_octaves: int = 5
    """Sines and cosines of the conditioning state, periods 4 std, 2 std, ...: the arm must be drawn
    to the pixel."""
    state_hidden: int = 384
    """Hidden width of the state model."""
    state_layers: int = 3
    """Its hidden layers."""
    object_weight: float = 2.0
    """Weight of the objects' numbers beside proprioception in its loss."""
    told_state: bool = True
    """Draw frames where the state model foresees arm and things. Without, the picture follows from
    old frames and actions alone, as in models of video where nothing but frames is known."""
    eyes_width: int = 48
    """Channels of the convolutions that find objects in a frame."""

    def __post_init__(self) -> None:
        if self.dim % self.heads:
            raise ConfigError(f"heads={self.heads} must divide dim={self.dim}")
        for name in ("context_length", "max_chunk", "sampling_steps", "layers", "state_layers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
