"""What a policy learns from in one step of imitation: frames, actions, noise; parts of losses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from octoworld.core.parallel import ALONE, Share

from .processors import STATE_FLOOR
from .vision_policy import Inputs


@dataclass(frozen=True)
class Batch:
    """B rows of demonstrations; with several processes, this one's rows of a global batch."""

    images: dict[str, torch.Tensor]
    """camera -> (B, T, 3, H, W) in [-1, 1]; T = len(policy.frames_back), the present last."""
    state: torch.Tensor
    """(B, T, P) in the environment's units."""
    tokens: torch.Tensor
    """(U, L) word ids of the data set's instructions."""
    token_rows: torch.Tensor
    """(B,) which of the U instructions."""
    actions: torch.Tensor
    """(B, K, A), zero past the episode's end."""
    mask: torch.Tensor
    """(B, K) float, 0 past the episode's end."""
    count: torch.Tensor
    """() mean over the processes of `mask.sum()`: the same divisor for all, so that the mean of
    their gradients is that of the global batch."""
    privileged: torch.Tensor | None = None
    """(B, D) true state, if it was recorded."""

    @property
    def present(self) -> Inputs:
        """The present frame alone."""
        return Inputs(
            {camera: image[:, -1] for camera, image in self.images.items()},
            self.state[:, -1],
            self.tokens,
            self.token_rows,
        )

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """() mean of (B, K, A) over the actions that were demonstrated."""
        return (values * self.mask.unsqueeze(-1)).sum() / (self.count * values.shape[-1])


@dataclass(frozen=True)
class Draws:
    """Noise for a batch: drawn for the whole global batch, of which a process takes its rows.

    So what a row sees does not depend on the number of processes.
    """

    generator: torch.Generator
    """On the CPU."""
    rows: int
    """Rows of the global batch."""
    device: torch.device | str = "cpu"
    """Where the noise is wanted."""
    share: Share = ALONE
    """This process's part."""

    def normal(self, *shape: int) -> torch.Tensor:
        """(B, *shape) standard normal."""
        return self._mine(torch.randn(self.rows, *shape, generator=self.generator))

    def integers(self, high: int, *shape: int) -> torch.Tensor:
        """(B, *shape) int64 in [0, high)."""
        return self._mine(torch.randint(high, (self.rows, *shape), generator=self.generator))

    def _mine(self, values: torch.Tensor) -> torch.Tensor:
        return values[self.share.rows(self.rows)].to(self.device)


def scale_nll(error: torch.Tensor, scale: torch.Tensor, family: str) -> torch.Tensor:
    """-log density of a Laplace or Gaussian scale, up to a constant; same shape as `error` >= 0.

    The error is detached: the scale learns how far off the mean is; the mean never hides behind a
    wide scale.
    """
    relative = error.detach() / scale
    return (relative if family == "laplace" else 0.5 * relative.square()) + scale.log()


def known_loss(guess: torch.Tensor, target: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """Mean error of the normalised true state (B, D), over what varied where it was scaled.

    A value that stood still there (a speed, in still pictures) has no scale, and is left out.
    """
    varied = (std > 1.01 * STATE_FLOOR).to(target)
    error = F.smooth_l1_loss(guess, target, reduction="none").mean(0)
    return (error * varied).sum() / varied.sum().clamp(min=1)
