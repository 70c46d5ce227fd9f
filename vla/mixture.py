"""Several data sets in one training run, each with its share of the batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from octoworld.core.errors import ConfigError, DatasetError
from octoworld.data.episode import Episode

from .dataset import demonstrated_steps

IMAGES = "observation.images."


@dataclass(frozen=True)
class Source:
    """One data set of a mixture."""

    name: str
    """What errors call it, e.g. its folder."""
    episodes: Sequence[Episode]
    """At least one."""
    weight: float = 1.0
    """Its share of the batches is weight / sum of weights, however many frames it holds."""


@dataclass(frozen=True)
class Mixture:
    """Data sets that one policy can learn from together.

    Raises:
        ConfigError: a weight is not a positive number.
        DatasetError: none is there, one is empty, or they differ in robot, control mode, cameras,
            or the length of actions or proprioception.
    """

    sources: tuple[Source, ...]

    def __post_init__(self) -> None:
        if not self.sources:
            raise DatasetError("a mixture needs at least one data set")
        for source in self.sources:
            if not (math.isfinite(source.weight) and source.weight > 0):
                raise ConfigError(
                    f"weight of {source.name} = {source.weight!r}: expected a number above 0"
                )
            if not source.episodes:
                raise DatasetError(f"data set {source.name} holds no episodes")
        first, *others = self.sources
        wanted = _features(first.episodes[0])
        for other in others:
            for what, value in _features(other.episodes[0]).items():
                if value != wanted[what]:
                    raise DatasetError(
                        f"data sets differ in {what}: {first.name} has {wanted[what]}, "
                        f"{other.name} has {value}"
                    )

    @property
    def episodes(self) -> list[Episode]:
        """All, source by source."""
        return [episode for source in self.sources for episode in source.episodes]

    def sampler(self, stop_at_success: bool) -> RowSampler:
        """Draws rows of the data set that `build_dataset` makes of `episodes`."""
        sizes = [
            sum(demonstrated_steps(e) if stop_at_success else len(e) for e in source.episodes)
            for source in self.sources
        ]
        return RowSampler(sizes, [source.weight for source in self.sources])


class RowSampler:
    """Rows for a batch: which source by its weight, which of its rows evenly."""

    def __init__(self, sizes: Sequence[int], weights: Sequence[float]) -> None:
        self._sizes = torch.tensor(sizes)
        self._begins = self._sizes.cumsum(0) - self._sizes
        shares = torch.tensor(weights, dtype=torch.float64)
        self._bounds = (shares / shares.sum()).cumsum(0)

    def __call__(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """(count,) int64 rows."""
        if len(self._sizes) == 1:
            return torch.randint(int(self._sizes[0]), (count,), generator=generator)
        draws = torch.rand(2, count, generator=generator, dtype=torch.float64)
        # rounding may leave the last bound a hair below 1
        source = torch.searchsorted(self._bounds, draws[0], right=True)
        source = source.clamp(max=len(self._sizes) - 1)
        return self._begins[source] + (draws[1] * self._sizes[source]).long()


def _features(episode: Episode) -> dict[str, str]:
    images = sorted(name for name in episode.columns if name.startswith(IMAGES))
    lengths = {
        what: "none" if name not in episode.columns else f"{np.asarray(episode[name]).shape[-1]}"
        for what, name in (("action length", "action"), ("proprioception", "observation.state"))
    }
    return {
        "robot": repr(episode.info.get("robot", "")),
        "control mode": repr(episode.info.get("control_mode", "")),
        "cameras": ", ".join(name.removeprefix(IMAGES) for name in images) or "none",
        "image size": ", ".join(str(np.asarray(episode[name]).shape[1:3]) for name in images),
        **lengths,
    }
