"""WindowSampler: balanced windows of real and generated rows, some with a wrong instruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError, DatasetError
from octoworld.data.episode import Episode
from octoworld.data.words import split_words

from ..dataset import EpisodeDataset


@dataclass(frozen=True)
class WindowConfig:
    """What the reflector is shown in training."""

    length: int = 8
    """Steps of a window; every step is judged."""
    positive_share: float = 0.3
    """Windows that end in success."""
    near_share: float = 0.25
    """Windows that end without success, but within `near_steps` of it: nearly there or lost."""
    near_steps: int = 8
    """What counts as near [step]."""
    wrong_share: float = 0.25
    """Windows that end in success of another goal than the one asked, labelled as no success.
    (Without success in the picture a wrong instruction would teach nothing.)"""
    generated_share: float = 0.4
    """Windows of imagined rows, where any are given."""
    smoothing: float = 0.15
    """Weight of each neighbour in the label around a change of success."""
    latent_noise: float = 0.1
    """Noise on latents in training [latent std]."""
    proprio_noise: float = 0.05
    """Noise on proprioception in training [its std]."""
    contrast_words: tuple[str, ...] = ("red", "green", "blue", "yellow", "purple")
    """Two instructions of one task mean different goals only if they hold other ones of these."""
    ambiguous_tasks: tuple[tuple[str, str], ...] = (("PlaceInBin", "PickUp"),)
    """(task shown, task asked) that are not used as wrong pairs: the second may be done as well."""


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


class _Source:
    """One data set prepared for drawing."""

    def __init__(
        self, dataset: EpisodeDataset, trust: torch.Tensor | None, config: WindowConfig
    ) -> None:
        self.dataset = dataset
        self.trust = torch.ones(dataset.num_rows) if trust is None else trust
        self.owner = np.repeat(np.arange(len(dataset)), dataset.lengths)
        success = dataset.success
        parts = [success[dataset.rows(e)] for e in range(len(dataset))]
        self.target = torch.from_numpy(
            np.concatenate([smooth_labels(p, config.smoothing) for p in parts])
        )
        self.progress = torch.from_numpy(np.concatenate([progress_labels(p) for p in parts]))
        near = np.concatenate([_near(p, config.near_steps) for p in parts])
        used = self.trust.numpy() > 0
        self.groups = [
            np.flatnonzero(success & used),
            np.flatnonzero(near & ~success & used),
            np.flatnonzero(~near & ~success & used),
        ]


class WindowSampler:
    """Draws training windows; all randomness from the generator given."""

    def __init__(
        self,
        sources: Sequence[tuple[EpisodeDataset, torch.Tensor | None]],
        config: WindowConfig,
    ) -> None:
        """`sources`: (rows, trust per row); the first is real, the others are generated."""
        self.config = config
        self.sources = [_Source(d, t, config) for d, t in sources]
        if not len(self.sources[0].groups[0]):
            raise DatasetError("no row of the episodes shows success; a reflector cannot learn it")
        self.goals: dict[tuple, list[str]] = {}
        self.tasks: dict[tuple, str] = {}
        for dataset, _ in sources[:1]:
            for episode in dataset.episodes:
                goal = goal_of(episode, config)
                self.goals.setdefault(goal, []).append(episode.instruction)
                self.tasks[goal] = str(episode.info.get("task", ""))
        self._other: dict[tuple, list[tuple]] = {g: self._wrong_goals(g) for g in self.goals}

    def draw(self, count: int, generator: torch.Generator) -> Windows:
        """`count` windows of `config.length` steps."""
        config = self.config
        shares = [count]
        if len(self.sources) > 1:
            made = round(count * config.generated_share)
            each = made // (len(self.sources) - 1)
            shares = [count - each * (len(self.sources) - 1)] + [each] * (len(self.sources) - 1)
        parts = [
            self._draw(source, size, generator)
            for source, size in zip(self.sources, shares, strict=True)
            if size
        ]
        tensors = [
            torch.cat([getattr(p, name) for p in parts])
            for name in ("latents", "proprio", "target", "progress", "weight")
        ]
        instructions = [text for p in parts for text in p.instructions]
        return Windows(tensors[0], tensors[1], instructions, *tensors[2:])

    def _draw(self, source: _Source, count: int, generator: torch.Generator) -> Windows:
        config, dataset = self.config, source.dataset
        positive = round(count * config.positive_share)
        near = round(count * config.near_share)
        wrong = round(count * config.wrong_share)
        wanted = [positive, near, count - positive - near - wrong, wrong]
        if config.positive_share + config.near_share + config.wrong_share > 1:
            raise ConfigError("shares of positive, near and wrong windows exceed 1 together")
        fallback = max(source.groups, key=len)
        if not len(fallback):
            raise DatasetError("no generated row is trusted; lower ReplayConfig.min_trust")
        chosen = []
        for rows, size in zip([*source.groups, source.groups[0]], wanted, strict=True):
            rows = rows if len(rows) else fallback
            chosen.append(rows[torch.randint(len(rows), (size,), generator=generator).numpy()])
        ends = np.concatenate(chosen)
        episode = source.owner[ends]
        window = dataset.windows(episode, ends - dataset.starts[episode], config.length - 1, 0)
        target, progress = source.target[window].clone(), source.progress[window].clone()
        instructions = [dataset.instruction(e) for e in episode]
        for i in range(count - wrong, count):
            others = self._other.get(goal_of(dataset.episodes[episode[i]], config), [])
            if others:
                goal = others[_integer(len(others), generator)]
                texts = self.goals[goal]
                instructions[i] = texts[_integer(len(texts), generator)]
                target[i], progress[i] = 0.0, torch.nan
        return Windows(
            dataset.need_latents()[window], dataset.proprio[window], instructions,
            target, progress, source.trust[window],
        )  # fmt: skip

    def _wrong_goals(self, goal: tuple) -> list[tuple]:
        shown = self.tasks[goal]
        return [
            other
            for other in self.goals
            if other != goal and (shown, self.tasks[other]) not in self.config.ambiguous_tasks
        ]


def goal_of(episode: Episode, config: WindowConfig) -> tuple:
    """What an instruction asks for: `info["goal"]` if recorded, else task and contrast words."""
    if "goal" in episode.info:
        return ("goal", str(episode.info["goal"]))
    words = frozenset(split_words(episode.instruction)) & frozenset(config.contrast_words)
    return (str(episode.info.get("task", "")), *sorted(words))


def smooth_labels(success: NDArray[np.bool_], smoothing: float) -> NDArray[np.floating]:
    """Success (T,) with each step sharing `smoothing` with each neighbour."""
    padded = np.pad(success.astype(np.float32), 1, mode="edge")
    return np.float32(1 - 2 * smoothing) * padded[1:-1] + np.float32(smoothing) * (
        padded[:-2] + padded[2:]
    )


def progress_labels(success: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Progress (T,): a line to the first success, 1 while it holds, NaN where unknown."""
    progress = np.full(len(success), np.nan, np.float32)
    if success.any():
        first = int(success.argmax())
        progress[: first + 1] = np.linspace(0.0, 1.0, first + 1) if first else 1.0
        progress[success] = 1.0
    return progress


def _near(success: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    near = success.copy()
    for shift in range(1, min(steps, len(success) - 1) + 1):
        near[:-shift] |= success[shift:]
        near[shift:] |= success[:-shift]
    return near


def _integer(high: int, generator: torch.Generator) -> int:
    return int(torch.randint(high, (), generator=generator))
