"""Quality: how sharp and how bright the parts of frames are, for who must tell spoiled ones."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

PARTS = 4
"""Parts of an image along each side."""
FLOOR = 0.01
"""Square of a step between pixels that counts as none: an image's noise [of 4]."""
HIDDEN = 32
"""Width of the layer that tells."""


def frame_quality(images: torch.Tensor) -> torch.Tensor:
    """Images (B, T, 3, H, W) in [-1, 1] to (B, T, 2 PARTS^2): edges and brightness of each part.

    Edges are the logarithm of the largest square step between neighbouring pixels of the part.
    (Not of the mean step, which a blur leaves as it is: steps get smaller and more.) A fade by a
    factor takes the same summand from strong and from weak ones. The layers that read motion
    normalise just this away.
    """
    flat = images.flatten(0, 1).mean(1, keepdim=True)
    across = F.pad((flat[..., 1:] - flat[..., :-1]).square(), (0, 1))
    down = F.pad((flat[..., 1:, :] - flat[..., :-1, :]).square(), (0, 0, 0, 1))
    edges = (F.adaptive_max_pool2d(across + down, PARTS) / FLOOR).log1p()
    parts = torch.cat([edges, F.adaptive_avg_pool2d(flat, PARTS)], 1)
    return parts.flatten(1).unflatten(0, images.shape[:2])


class Doubt(nn.Module):
    """Logit that one of the two frames of a transition is spoiled."""

    def __init__(self, seen: int, num_cameras: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(seen)
        quality = num_cameras * 2 * 2 * PARTS**2
        self.tell = nn.Sequential(
            nn.Linear(seen + quality, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, 1)
        )

    def forward(self, seen: torch.Tensor, images: list[torch.Tensor]) -> torch.Tensor:
        """From transitions (B, T-1, seen) and images (B, T, 3, H, W) of each camera, (B, T-1)."""
        quality = torch.cat([frame_quality(x) for x in images], -1)
        change = quality[:, 1:] - quality[:, :-1]
        return self.tell(torch.cat([self.norm(seen), quality[:, 1:], 2 * change], -1))[..., 0]
