"""WindowSampler: balanced windows of real and generated rows, some with a wrong instruction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError, DatasetError

from ..dataset import EpisodeDataset
from .questions import Question, Questions, check_questions, smooth_labels


@dataclass(frozen=True)
class WindowConfig:
    """What the reflector is shown in training."""

    length: int = 2
    """Steps of a window; every step is judged."""
    positive_share: float = 0.3
    """Windows that end in success."""
    near_share: float = 0.3
    """Windows that end without success, but near it: nearly there or lost."""
    wrong_share: float = 0.2
    """Windows that end in success of another goal than the one asked, labelled as no success.
    (Without success in the picture a wrong instruction would teach nothing.)"""
    near_steps: int = 8
    """Steps from success that count as near, where recordings tell no more [step]."""
    generated_share: float = 0.4
    """Windows of imagined rows, where any are given."""
    smoothing: float = 0.1
    """Weight of each neighbour in the label around a change of success."""
    latent_noise: float = 0.1
    """Noise on latents in training [latent std]."""
    proprio_noise: float = 0.02
    """Noise on proprioception in training [its std]."""
    objects_noise: float = 0.02
    """Noise on what borrowed eyes find in training [its std]."""

    def __post_init__(self) -> None:
        if self.positive_share + self.near_share + self.wrong_share > 1:
            raise ConfigError("shares of positive, near and wrong windows exceed 1 together")
        if not 0 <= self.generated_share <= 1 or self.length < 1:
            raise ConfigError(
                f"generated_share {self.generated_share} must be in [0, 1], length {self.length} "
                "at least 1"
            )


@dataclass
class Windows:
    """B windows of T steps."""

    latents: torch.Tensor
    """(B, T, S, C)."""
    proprio: torch.Tensor
    """(B, T, P)."""
    instructions: list[str]
    """What was asked."""
    target: torch.Tensor
    """(B, T) smoothed success."""
    progress: torch.Tensor
    """(B, T) progress, NaN where unknown."""
    weight: torch.Tensor
    """(B, T) trust in the label."""
    told: torch.Tensor
    """(B, T, D) numbers to be read off the frames, NaN where unknown."""
    objects: torch.Tensor
    """(B, T, O) what borrowed eyes find; O may be 0."""


Look = Callable[[EpisodeDataset], torch.Tensor]
"""What borrowed eyes find in each row (F, O)."""


class _Source:
    """One data set and all that is asked about it, prepared for drawing."""

    def __init__(
        self,
        dataset: EpisodeDataset,
        questions: Questions,
        config: WindowConfig,
        told_dim: int,
        look: Look | None,
    ) -> None:
        check_questions(dataset, questions)
        self.objects = dataset.proprio[:, :0] if look is None else look(dataset)
        self.dataset = dataset
        self.asked: list[Question] = [q for asked in questions for q in asked]
        self.episode = np.repeat(np.arange(len(dataset)), [len(asked) for asked in questions])
        sizes = dataset.lengths[self.episode]
        self.first = np.cumsum(sizes) - sizes
        self.owner = np.repeat(np.arange(len(self.asked)), sizes)

        def joined(parts: list[NDArray]) -> torch.Tensor:
            return torch.from_numpy(np.concatenate(parts).astype(np.float32))

        self.target = joined([smooth_labels(q.success, config.smoothing) for q in self.asked])
        self.progress = joined([q.progress for q in self.asked])
        self.sure = joined([q.sure for q in self.asked])
        self.told = joined([_told(q, told_dim) for q in self.asked])
        self.groups = self._groups()

    def _groups(self) -> list[list[NDArray[np.int64]]]:
        """Steps to end a window at: positive, near, far, wrong; each by the question's name."""
        success = np.concatenate([q.success for q in self.asked])
        near = np.concatenate([q.near for q in self.asked]) & ~success
        wrong = np.array([q.wrong for q in self.asked])[self.owner]
        used = self.sure.numpy() > 0
        names = sorted({q.name for q in self.asked})
        name = np.array([names.index(q.name) for q in self.asked])[self.owner]
        kinds = [success & ~wrong, near & ~wrong, ~near & ~success & ~wrong, near & wrong]
        split = [
            [np.flatnonzero(kind & used & (name == i)) for i in range(len(names))] for kind in kinds
        ]
        return [[rows for rows in by_name if len(rows)] for by_name in split]


class WindowSampler:
    """Draws training windows; all randomness from the generator given."""

    def __init__(
        self,
        sources: Sequence[tuple[EpisodeDataset, Questions]],
        config: WindowConfig,
        told_dim: int = 0,
        look: Look | None = None,
    ) -> None:
        """`sources`: rows and what is asked about them; the first is real, others generated."""
        self.config = config
        self.sources = [_Source(d, q, config, told_dim, look) for d, q in sources]
        if not self.sources[0].groups[0]:
            raise DatasetError("no row of the episodes shows success; a reflector cannot learn it")

    def draw(self, count: int, generator: torch.Generator) -> Windows:
        """`count` windows of `config.length` steps."""
        shares = [count]
        others = len(self.sources) - 1
        if others:
            each = round(count * self.config.generated_share) // others
            shares = [count - each * others] + [each] * others
        parts = [
            self._draw(source, size, generator)
            for source, size in zip(self.sources, shares, strict=True)
            if size
        ]
        tensors = [
            torch.cat([getattr(p, name) for p in parts])
            for name in ("latents", "proprio", "target", "progress", "weight", "told", "objects")
        ]
        instructions = [text for p in parts for text in p.instructions]
        return Windows(tensors[0], tensors[1], instructions, *tensors[2:])

    def _draw(self, source: _Source, count: int, generator: torch.Generator) -> Windows:
        config, dataset = self.config, source.dataset
        sizes = [
            round(count * s) for s in (config.positive_share, config.near_share, config.wrong_share)
        ]
        wanted = [sizes[0], sizes[1], count - sum(sizes), sizes[2]]
        whole = max(source.groups, key=lambda group: sum(map(len, group)))
        if not whole:
            raise DatasetError("no generated row is trusted; lower ReplayConfig.min_trust")
        ends = np.concatenate(
            [
                _balanced(group or whole, size, generator)
                for group, size in zip(source.groups, wanted, strict=True)
            ]
        )
        asked = source.owner[ends]
        episode, time = source.episode[asked], ends - source.first[asked]
        rows = dataset.windows(episode, time, config.length - 1, 0)
        back = np.maximum(time[:, None] + np.arange(1 - config.length, 1), 0)
        steps = torch.from_numpy(source.first[asked][:, None] + back)
        texts = [source.asked[q].texts for q in asked]
        picks = torch.rand(len(texts), generator=generator).tolist()
        return Windows(
            dataset.need_latents()[rows],
            dataset.proprio[rows],
            [t[int(p * len(t))] for t, p in zip(texts, picks, strict=True)],
            source.target[steps],
            source.progress[steps],
            source.sure[steps],
            source.told[steps],
            source.objects[rows],
        )


def _balanced(
    groups: list[NDArray[np.int64]], count: int, generator: torch.Generator
) -> NDArray[np.int64]:
    """`count` members, each of a group drawn evenly."""
    which = torch.randint(len(groups), (count,), generator=generator).tolist()
    where = torch.rand(count, generator=generator).tolist()
    chosen = [groups[g][int(p * len(groups[g]))] for g, p in zip(which, where, strict=True)]
    return np.array(chosen, np.int64)


def _told(question: Question, told_dim: int) -> NDArray[np.float32]:
    if question.told is None or not told_dim:
        return np.full((len(question.success), told_dim), np.nan, np.float32)
    if question.told.shape[1] != told_dim:
        raise DatasetError(
            f"question {question.name!r} tells {question.told.shape[1]} numbers, others {told_dim}"
        )
    return question.told
