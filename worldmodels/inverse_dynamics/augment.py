"""Disturbances of training clips: what must not matter to who reads motion."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from octoworld.core.errors import ConfigError


@dataclass(frozen=True)
class DisturbConfig:
    """How far clips are disturbed; 0 switches a part off.

    All frames of a clip are shifted and relit alike, so that what moves is still what moved.
    """

    shift_pixels: int = 2
    """Largest shift in each direction [pixel]; the border is repeated."""
    brightness: float = 0.1
    """Largest change of overall brightness, in parts of full white."""
    contrast: float = 0.15
    """Largest relative change of contrast."""
    color: float = 0.1
    """Largest relative change of each colour channel."""
    noise: float = 0.01
    """Standard deviation of noise on every pixel of every frame, in parts of full white."""

    def __post_init__(self) -> None:
        values = (self.shift_pixels, self.brightness, self.contrast, self.color, self.noise)
        if min(values) < 0:
            raise ConfigError(f"disturbances must be at least 0, got {self}")


def disturb(
    images: torch.Tensor, config: DisturbConfig, generator: torch.Generator
) -> torch.Tensor:
    """Clips (B, T, 3, H, W) in [-1, 1] -> the same, each of B shifted and relit on its own.

    Randomness is drawn on the generator's device, so that every device sees the same.
    """
    batch, steps, _, height, width = images.shape
    device, at = images.device, generator.device
    reach = config.shift_pixels
    if reach:
        shift = torch.randint(-reach, reach + 1, (2, batch, 1), generator=generator, device=at)
        shift = shift.to(device)
        rows = (torch.arange(height, device=device) + shift[0]).clamp(0, height - 1)
        columns = (torch.arange(width, device=device) + shift[1]).clamp(0, width - 1)
        rows = rows[:, None, None, :, None].expand(-1, steps, 3, -1, width)
        columns = columns[:, None, None, None, :].expand(-1, steps, 3, height, -1)
        images = images.gather(3, rows).gather(4, columns)
    draw = torch.rand(batch, 1, 5, 1, 1, generator=generator, device=at).to(device) * 2 - 1
    gain = (1 + config.contrast * draw[:, :, :1]) * (1 + config.color * draw[:, :, 1:4])
    images = images * gain + 2 * config.brightness * draw[:, :, 4:]
    if config.noise:
        noise = torch.randn(images.shape, generator=generator, device=at).to(device)
        images = images + 2 * config.noise * noise
    return images.clamp(-1, 1)
