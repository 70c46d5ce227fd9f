"""Rewards of imagined video: actions that can be read off it, and what vetoes them.

A reader can be pleased by pictures that are wrong: blocks vanish, or stand elsewhere, and the arm
alone obeys (a trial of ours gained so in reward while block errors grew). So a frame earns
nothing where a veto holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from octoworld.core.errors import ConfigError

from ..dataset import EpisodeDataset
from ..inverse_dynamics import InverseReward
from ..looks import below_motion_floor
from ..metrics import saturated_pixels
from ..probe import StateProbe
from .clips import Video

Veto = Callable[[Video], torch.Tensor]
"""(B, K) bool: frames that earn nothing."""
HUES = 6
"""Kinds of colour by which things are told apart."""


@dataclass
class FollowingReward:
    """How well actions can be read off each frame, in [0, 1]; 0 where a veto holds."""

    inverse: InverseReward
    """The reader; it has passed its gate."""
    soft_share: float = 0.5
    """Part of the reward that falls with the error, beside the exact match, which most of a
    group's members share."""
    vetoes: Sequence[Veto] = ()
    """What must not happen."""

    def __post_init__(self) -> None:
        if not 0 <= self.soft_share <= 1:
            raise ConfigError(f"soft_share must be in [0, 1], got {self.soft_share}")

    def __call__(self, video: Video) -> torch.Tensor:
        """(B, K)."""
        score = self.inverse(video.frames, video.actions)
        reward = (1 - self.soft_share) * score.match + self.soft_share * score.soft
        return (reward.cpu() * ~self.vetoed(video)).float()

    def vetoed(self, video: Video) -> torch.Tensor:
        """(B, K) bool: any veto holds."""
        found = torch.zeros(video.actions.shape[:2], dtype=torch.bool)
        for veto in self.vetoes:
            found |= veto(video).cpu()
        return found


@dataclass(frozen=True)
class ThingsStay:
    """Vetoes frames in which a colour of the clip's first frame is mostly gone.

    The hand may hide a thing, never all that is of its colour at once for good: `floor` is low.
    """

    floor: float = 0.25
    """Share of a colour's pixels that must be left."""
    least: int = 6
    """Pixels that a colour must have had to count."""

    def __call__(self, video: Video) -> torch.Tensor:
        """(B, K)."""
        gone = torch.zeros(video.actions.shape[:2], dtype=torch.bool)
        for camera, clips in video.frames.items():
            before = colour_pixels(video.start[camera])[:, None]
            now = colour_pixels(clips[:, 1:])
            gone |= ((before >= self.least) & (now < self.floor * before)).any(-1)
        return gone


@dataclass(frozen=True)
class ThingsWhereTheyWere:
    """Vetoes frames in which a thing is seen far from where it was, under recorded actions.

    The probe must be another than the one by which results are judged.
    """

    probe: StateProbe
    """Reads the places of things off images."""
    dataset: EpisodeDataset
    """The recordings of the prompts, `objects` included."""
    columns: slice
    """The probe's columns of a thing [m]."""
    true_columns: slice
    """Those columns of `dataset.objects`."""
    limit: float = 0.06
    """Largest distance that passes [m]."""

    def __call__(self, video: Video) -> torch.Tensor:
        """(B, K); never where actions come from elsewhere, since nobody knows what is true."""
        if self.dataset.objects is None:
            raise ConfigError("the recordings do not tell where things are; leave this veto out")
        seen = self.probe.read({c: x[:, 1:] for c, x in video.frames.items()})
        true = self.dataset.objects[video.prompt[:, 1:]][..., self.true_columns]
        off = (seen[..., self.columns].cpu() - true).norm(dim=-1) > self.limit
        return off & video.is_recorded[:, None]


@dataclass(frozen=True)
class MustMove:
    """Vetoes clips that move less than a share of what the recording of the same actions does."""

    dataset: EpisodeDataset
    """The recordings of the prompts."""
    floor: float = 0.5
    """Least share of the recorded motion."""

    def __call__(self, video: Video) -> torch.Tensor:
        """(B, K), alike for all frames of a clip."""
        still = torch.zeros(len(video.actions), dtype=torch.bool)
        for camera, clips in video.frames.items():
            real = self.dataset.frames[camera][video.prompt]
            still |= below_motion_floor(clips, real, self.floor)
        return (still & video.is_recorded)[:, None].expand(video.actions.shape[:2])


@dataclass(frozen=True)
class PixelReward:
    """1 - mean absolute difference from the recorded frames: the negative control.

    Under recorded actions only; with others nobody knows what is true, and they earn nothing.
    """

    dataset: EpisodeDataset
    """The recordings of the prompts."""

    def __call__(self, video: Video) -> torch.Tensor:
        """(B, K)."""
        total = torch.zeros(video.actions.shape[:2])
        for camera, clips in video.frames.items():
            real = self.dataset.frames[camera][video.prompt[:, 1:]]
            error = (clips[:, 1:].float() - real.float()).abs().div(255)
            total += 1 - error.mean((2, 3, 4))
        return total / len(video.frames) * video.is_recorded[:, None]


def colour_pixels(images: torch.Tensor) -> torch.Tensor:
    """How many strongly coloured pixels of each of `HUES` hues, (..., H, W, 3) to (..., HUES)."""
    pixels = images.float()
    red, green, blue = pixels.unbind(-1)
    # the angle in the plane of equal brightness (Preucil 1953)
    hue = torch.atan2(math.sqrt(3) * (green - blue), 2 * red - green - blue)
    bins = ((hue / (2 * math.pi) + 0.5 / HUES) % 1 * HUES).floor().clamp(0, HUES - 1).long()
    counted = saturated_pixels(images)
    return torch.stack([((bins == i) & counted).sum((-2, -1)) for i in range(HUES)], -1)
