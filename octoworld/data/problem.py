"""Problem: one thing that is wrong with a dataset."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """What is wrong, where, and how to mend it; prints as one line."""

    where: str
    """File, relative to the dataset folder, and the episode in it."""
    what: str
    """What was found, and what was expected."""
    mend: str
    """What to do about it."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; to mend: {self.mend}"
