"""Catalogue: what the episodes of a data set are and how they ended; to find, sort and pair them.

Nothing but the columns of rewards and endings is read, and no video.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octoworld.data.reader import Dataset, EpisodeMeta
from octoworld.data.summary import task_of

from .recording import PROBABILITY, REWARD, SUCCESS

ANY_TASK = "all tasks"
OUTCOMES = ("any end", "success", "failure")
ORDERS = (
    "as recorded",
    "worst first",
    "best first",
    "longest first",
    "reflector most wrong first",
)


@dataclass(frozen=True)
class Entry:
    """One episode."""

    index: int
    task: str
    instruction: str
    length: int
    seed: Any
    """Of its start state; None where that is not recorded."""
    success: bool | None
    """In the last step, not "ever"; None where not recorded."""
    total: float | None
    """Return: the sum of rewards; None where not recorded."""
    surprise: float | None
    """How wrong the reflector was at the end: |probability - success|; None where not recorded."""

    @property
    def label(self) -> str:
        """A line such as `003 success, return 12.30, pick up the red block`."""
        parts = []
        if self.success is not None:
            parts.append("success" if self.success else "failure")
        if self.total is not None:
            parts.append(f"return {self.total:.2f}")
        return f"{self.index:03d} " + ", ".join([*parts, self.instruction])


@dataclass(frozen=True)
class Wanted:
    """Which episodes are listed, in which order."""

    task: str = ANY_TASK
    outcome: str = OUTCOMES[0]
    low: float = -np.inf
    high: float = np.inf
    """Bounds of the return; an episode without rewards passes."""
    order: str = ORDERS[0]


def catalogue(dataset: Dataset, *, with_outcomes: bool = True) -> list[Entry]:
    """An entry for each episode; raises DatasetError when a table is damaged.

    Without outcomes, only the metadata is read, which is known to be sound.
    """
    known = [c for c in (REWARD, SUCCESS, PROBABILITY) if c in dataset.features]
    if not known or not with_outcomes:
        return [_entry(meta, {}) for meta in dataset.episodes]
    episodes = dataset.load_all(known, [])
    return [
        _entry(meta, episode.columns)
        for meta, episode in zip(dataset.episodes, episodes, strict=True)
    ]


def _entry(meta: EpisodeMeta, columns: dict[str, Any]) -> Entry:
    success = bool(np.ravel(columns[SUCCESS])[-1]) if SUCCESS in columns else None
    surprise = None
    if success is not None and PROBABILITY in columns:
        surprise = abs(float(np.ravel(columns[PROBABILITY])[-1]) - success)
    return Entry(
        index=meta.index,
        task=task_of(meta),
        instruction=meta.instruction,
        length=meta.length,
        seed=meta.info.get("seed"),
        success=success,
        total=float(np.sum(columns[REWARD])) if REWARD in columns else None,
        surprise=surprise,
    )


def select(entries: Sequence[Entry], wanted: Wanted) -> list[Entry]:
    """What is wanted, in its order; equals stay as recorded, and what is not known comes last."""
    found = [
        entry
        for entry in entries
        if wanted.task in (ANY_TASK, entry.task)
        and (wanted.outcome == OUTCOMES[0] or entry.success == (wanted.outcome == "success"))
        and (entry.total is None or wanted.low <= entry.total <= wanted.high)
    ]
    if wanted.order == "longest first":
        return sorted(found, key=lambda e: -e.length)
    if wanted.order == "reflector most wrong first":
        return sorted(found, key=lambda e: (e.surprise is None, -(e.surprise or 0.0)))
    if wanted.order in ("worst first", "best first"):
        sign = 1 if wanted.order == "worst first" else -1
        return sorted(
            found,
            key=lambda e: (
                e.success is None and e.total is None,
                sign * bool(e.success),
                sign * (e.total or 0.0),
            ),
        )
    return found


def partner(entries: Sequence[Entry], of: Entry) -> Entry | None:
    """The first episode that began in the same state: of the same task and seed."""
    if of.seed is None:
        return None
    same = (e for e in entries if e.task == of.task and str(e.seed) == str(of.seed))
    return next(same, None)
