"""VideoModel: a pretrained transformer goes on with a video, under a condition."""

from __future__ import annotations

from typing import Any

import torch

from ..conditioning import gaussian
from .base import Base
from .config import PretrainedConfig, device_dtype
from .family import Condition
from .pictures import to_pictures, to_video
from .sampling import LEVELS, denoise, training_levels


class VideoModel:
    """Past frames stay clean, at noise level 0; those to come are noisy. Knows of no robot."""

    def __init__(self, base: Base, settings: PretrainedConfig, fps: float) -> None:
        """Of a loaded base; `fps` are frames a second of its videos."""
        self.family, self.scheduler = base.family, base.scheduler
        self.settings, self.fps = settings, fps
        self.dtype = device_dtype(settings, next(base.family.vae.parameters()).device)

    @property
    def past_latents(self) -> int:
        """Latents of the frames that are shown."""
        return 1 + (self.settings.slots - 1) // self.family.temporal

    def loss(
        self, pictures: torch.Tensor, condition: Condition, generator: torch.Generator
    ) -> torch.Tensor:
        """Flow-matching loss of the latents behind the past ones.

        Args:
            pictures: (B, slots + future, h, w, 3) uint8.
            condition: what the transformer is told.
            generator: source of noise and its levels.
        """
        settings, seen = self.settings, self.past_latents
        with torch.no_grad():
            latents = self.family.encode(to_video(pictures))
        batch, frames = latents.shape[0], latents.shape[2]

        def uniform() -> torch.Tensor:
            return torch.rand(batch, 1, generator=generator, device=generator.device).to(latents)

        level = training_levels(uniform(), self.scheduler, self.family.places(latents))
        old = settings.context_noise * uniform()
        levels = torch.cat([old.expand(-1, seen), level.expand(-1, frames - seen)], 1)
        wide = levels[:, None, :, None, None]
        noise = gaussian(latents.shape, generator, latents)
        noisy = ((1 - wide) * latents + wide * noise).to(self.dtype)
        guess = self.family.velocity(noisy, LEVELS * levels, condition, self.fps)
        # the models foresee noise - clean: what Euler's step of the scheduler subtracts
        error = (guess - (noise - latents))[:, :, seen:].pow(2).mean(1)
        moved = (latents[:, :, seen:] - latents[:, :, seen - 1 : seen]).pow(2).mean(1)
        weight = 1 + settings.moving_weight * moved.clamp(max=1)
        return (weight * error).sum() / weight.sum()

    def noise(
        self, pictures: torch.Tensor, frames: int, generator: torch.Generator
    ) -> torch.Tensor:
        """Where sampling starts for at least `frames` more frames: (B, C, F, h, w)."""
        latents, side = -(-frames // self.family.temporal), self.family.stride
        batch, height, width = len(pictures), *(s // side for s in pictures.shape[2:4])
        shape = (batch, self.family.channels, latents, height, width)
        return gaussian(shape, generator, torch.empty(0, device=pictures.device))

    def go_on(
        self,
        pictures: torch.Tensor,
        condition: Condition,
        noise: torch.Tensor,
        generator: torch.Generator,
        steps: int,
    ) -> torch.Tensor:
        """The pictures (B, F * temporal, h, w, 3) uint8 that follow.

        Args:
            pictures: (B, slots, h, w, 3) uint8 that were seen.
            condition: of all frames, seen and to come.
            noise: (B, C, F, h, w).
            generator: of schedulers and decoders that draw.
            steps: of the scheduler.
        """
        past = self.family.encode(to_video(pictures))
        future = self.sample(past, condition, noise, generator, steps)
        video = self.family.decode(torch.cat([past, future], 2), generator)
        return to_pictures(video[:, :, pictures.shape[1] :])

    def sample(
        self,
        past: torch.Tensor,
        condition: Condition,
        noise: torch.Tensor,
        generator: torch.Generator,
        steps: int,
    ) -> torch.Tensor:
        """Latents (B, C, F, h, w) that follow the latents `past`; else as `go_on`."""
        seen, frames = past.shape[2], past.shape[2] + noise.shape[2]

        def velocity(sample: torch.Tensor, timestep: Any) -> torch.Tensor:
            timesteps = torch.zeros(len(sample), frames, device=sample.device)
            timesteps[:, seen:] = timestep
            video = torch.cat([past, sample], 2).to(self.dtype)
            return self.family.velocity(video, timesteps, condition, self.fps)[:, :, seen:]

        places = self.family.places(past) // seen * frames
        return denoise(velocity, noise, self.scheduler, steps, places, generator)
