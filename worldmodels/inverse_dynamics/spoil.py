"""Spoiled training clips: frames that a reader must refuse, however well their motion shows."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from octoworld.core.errors import ConfigError

from .broken import gaussian_blur


@dataclass(frozen=True)
class SpoilConfig:
    """How clips are spoiled. From some frame on, to the end, as an imagination decays.

    What is milder than these ranges stays readable: frames through an autoencoder are a little
    soft.
    """

    share: float = 0.25
    """Share of the clips of a batch."""
    blur: tuple[float, float] = (0.025, 0.12)
    """Standard deviation of a Gaussian, as a share of the image's side; least and most."""
    fade: tuple[float, float] = (0.4, 0.95)
    """Share of the contrast that is lost, towards an even black, grey or white."""
    ghosts: tuple[float, float] = (0.5, 0.95)
    """Share that the mean of the clip's frames has: what a model draws that cannot decide."""

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ConfigError(f"share = {self.share}: expected inside [0, 1)")
        for name in ("blur", "fade", "ghosts"):
            low, high = getattr(self, name)
            if not 0 < low <= high <= 1:
                raise ConfigError(f"{name} = {low}, {high}: expected 0 < least <= most <= 1")


def spoil(
    images: dict[str, torch.Tensor], config: SpoilConfig, generator: torch.Generator
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Spoil the last clips of a batch, camera -> (B, T, 3, H, W) in [-1, 1], in all cameras alike.

    Returns the clips, and (B, T-1) bool: whether one of the two frames of a transition is spoiled.
    """
    first = next(iter(images.values()))
    batch, steps = first.shape[:2]
    count, at = round(batch * config.share), generator.device
    spoiled = torch.zeros(batch, steps, dtype=torch.bool, device=first.device)
    if not count:
        return images, spoiled[:, 1:]
    begin = torch.randint(1, steps, (count,), generator=generator, device=at)
    which = torch.randint(3, (count,), generator=generator, device=at).tolist()
    much, level = torch.rand(2, count, generator=generator, device=at).tolist()
    for row, start in enumerate(begin.tolist()):
        spoiled[batch - count + row, start:] = True
    made = {}
    for camera, clips in images.items():
        clips = clips.clone()
        for row, start in enumerate(begin.tolist()):
            clip = clips[batch - count + row]
            later = clip[start:]
            if which[row] == 0:
                sigma = _between(config.blur, much[row]) * clip.shape[-1]
                clip[start:] = gaussian_blur(later, sigma)
            elif which[row] == 1:
                clip[start:] = later.lerp(
                    torch.full_like(later, 2 * level[row] - 1), _between(config.fade, much[row])
                )
            else:
                mean = clip.mean(0, keepdim=True).expand_as(later)
                clip[start:] = later.lerp(mean, _between(config.ghosts, much[row]))
        made[camera] = clips
    return made, spoiled[:, 1:] | spoiled[:, :-1]


def _between(bounds: tuple[float, float], part: float) -> float:
    return bounds[0] + part * (bounds[1] - bounds[0])
