"""Which clips a person is asked about: of one start, of one task, or any; none twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from octoworld.core.errors import DatasetError
from octoworld.data.labels import Clip, Label, clip_of
from octoworld.data.reader import EpisodeMeta
from octoworld.data.summary import task_of

from .recording import Recording

Scope = Literal["same start", "same task", "anything"]
SCOPES: tuple[Scope, ...] = ("same start", "same task", "anything")
TRIES = 200
"""Draws that are made before the questions count as used up."""


class Questions:
    """Draws sets of clips of a run that were not judged yet."""

    def __init__(
        self, recording: Recording, labels: Iterable[Label], seed: int | None = None
    ) -> None:
        """Know the episodes of `recording` and what was asked in `labels`."""
        self._recording, self._random = recording, np.random.default_rng(seed)
        self._asked = {frozenset(x.clips) for x in labels if len(x.clips) > 1}
        self._groups: dict[Scope, list[list[tuple[str, int]]]] = {
            scope: _groups(recording, scope) for scope in SCOPES
        }

    def scopes(self) -> tuple[Scope, ...]:
        """Scopes in which there are two clips to compare."""
        return tuple(s for s in SCOPES if any(len(g) > 1 for g in self._groups[s]))

    def draw(self, scope: Scope, count: int, seconds: float = 0.0) -> tuple[Clip, ...] | None:
        """`count` clips of different episodes in random order; None when there are no new ones.

        Args:
            scope: what they have in common.
            count: how many, 2 or more.
            seconds: length of a clip [s], cut at a random place; 0 is whole episodes.
        """
        groups = [g for g in self._groups[scope] if len(g) >= count]
        if not groups:
            return None
        # by their pairs: every pair of a scope is as likely as another
        weights = np.array([len(g) * (len(g) - 1) / 2 for g in groups])
        for _ in range(TRIES):
            group = groups[self._random.choice(len(groups), p=weights / weights.sum())]
            chosen = self._random.choice(len(group), size=count, replace=False)
            clips = tuple(self._cut(group[k], seconds) for k in chosen)
            if frozenset(clips) not in self._asked:
                return clips
        return None

    def answered(self, clips: tuple[Clip, ...]) -> None:
        """Do not ask this again."""
        self._asked.add(frozenset(clips))

    def _cut(self, place: tuple[str, int], seconds: float) -> Clip:
        name, episode = place
        dataset = self._recording.datasets[name]
        length = dataset.episodes[episode].length
        steps = min(length, max(1, round(seconds * dataset.fps))) if seconds > 0 else length
        start = int(self._random.integers(length - steps + 1))
        return clip_of(dataset, name, episode, start, start + steps)


def _groups(recording: Recording, scope: Scope) -> list[list[tuple[str, int]]]:
    """Episodes with pictures that have something in common, as (data set, number)."""
    groups: dict[object, list[tuple[str, int]]] = {}
    for name, dataset in recording.datasets.items():
        if not dataset.cameras:
            continue
        for meta in dataset.episodes:
            key = _key(meta, scope)
            if key is not None:
                groups.setdefault(key, []).append((name, meta.index))
    return list(groups.values())


def _key(meta: EpisodeMeta, scope: Scope) -> object:
    if scope == "anything":
        return scope
    if scope == "same task":
        return task_of(meta)
    seed = meta.info.get("seed")
    return None if seed is None else (task_of(meta), str(seed))


def best_first(clips: tuple[Clip, ...], order: list[int]) -> tuple[int, ...]:
    """Ranks of clips from their numbers in the order best to worst.

    Raises:
        DatasetError: `order` does not name each clip once.
    """
    if sorted(order) != list(range(len(clips))):
        raise DatasetError(f"order {order}, expected each of 0..{len(clips) - 1} once")
    return tuple(order.index(k) for k in range(len(clips)))
