"""Whether a distance of frames orders known damage rightly, and what it takes for damage."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from .damage import blurred, erased, moved, relit

Distance = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Images (B, H, W, 3) uint8, twice, to how different they are (B,)."""
LIGHT, SOFT, GRAIN = 0.06, 0.4, 0.02
"""What a decoder does and nobody minds: change of light (gain of each channel and brightness), part
that a blur of 1 pixel has, and standard deviation of noise."""
LEVELS: dict[str, Sequence[float]] = {
    "blur": (1, 2, 3),
    "noise": (0.02, 0.05, 0.1),
    "shift": (1, 2, 4),
    "missing": (0.1, 0.2, 0.35),
}
"""Kind of damage -> how bad, rising: radius [pixel], standard deviation of noise, pixels, side of
the window without its thing over the image's side."""


def damage_order(
    distance: Distance, images: torch.Tensor, generator: torch.Generator
) -> dict[str, float]:
    """How a distance does on frames (B, H, W, 3) uint8 that it was not trained on.

    Returns, for each kind of `LEVELS`, `KIND`: the share of images and pairs of levels (no damage
    among them) of which the worse one is further away; and `KIND over faint`: the share of images
    that the middle damage moves further than a harmless change (a little soft, other light, some
    grain). 0.5 is chance.
    """
    pixels = images.movedim(-1, 1).float().div(255)
    background = pixels.median(0).values
    soft = pixels.lerp(blurred(pixels, 1), SOFT)
    faint = distance(images, _stored(relit(soft, LIGHT, GRAIN, generator)))
    scores = {}
    for kind, levels in LEVELS.items():
        found = [distance(images, images)]
        for level in levels:
            if kind == "blur":
                bad = blurred(pixels, int(level))
            elif kind == "noise":
                white = torch.randn(pixels.shape, generator=generator)
                bad = (pixels + level * white).clamp(0, 1)
            elif kind == "shift":
                bad = moved(pixels, int(level), int(level))
            else:
                bad = erased(pixels, background, level)
            found.append(distance(images, _stored(bad)))
        pairs = [_above(b, a) for i, a in enumerate(found) for b in found[i + 1 :]]
        scores[kind] = float(torch.stack(pairs).mean())
        scores[f"{kind} over faint"] = float(_above(found[2], faint).mean())
    return scores


def _above(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """1 where a > b, half where they are equal."""
    return (a > b).float() + 0.5 * (a == b).float()


def _stored(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.mul(255).round().byte().movedim(1, -1)
