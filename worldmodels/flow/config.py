"""FlowConfig: sizes, training and sampling of the flow-matching world model."""

from __future__ import annotations

from dataclasses import dataclass

from octoworld.core.errors import ConfigError

from ..latent_config import LatentModelConfig


@dataclass(frozen=True)
class FlowConfig(LatentModelConfig):
    """The default has about 2.7 M parameters."""

    cell_blocks: tuple[int, int] = (2, 2)
    """Blocks of convolutions over cells before and after the transformer's."""
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sampling_steps < 1:
            raise ConfigError(f"sampling_steps must be at least 1, got {self.sampling_steps}")
