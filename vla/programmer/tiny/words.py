"""Words of sentences, feedback and labels as numbers; names of several words count as one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import torch

PAD, UNKNOWN = 0, 1
_WORD = re.compile(r"[a-z]+(?:_[a-z]+)*|[0-9]+")


class Words:
    """Word i of the vocabulary is i + 2. `coffee table` and `coffee_table_1` are `coffee_table`."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        """Keep the words."""
        self.index = {word: i + 2 for i, word in enumerate(vocabulary)}
        joined = sorted((w for w in vocabulary if "_" in w), key=len, reverse=True)
        self._joined = [(w.replace("_", " "), w) for w in joined]

    def split(self, text: str) -> list[str]:
        """Lower-case words; numbers and punctuation are dropped."""
        text = text.lower()
        for apart, word in self._joined:
            text = text.replace(apart, word)
        return [w for w in _WORD.findall(text) if not w.isdigit()]

    def row(self, text: str, length: int, *, keep_end: bool = False) -> list[int]:
        """Numbers of a text, cut at (or, `keep_end`, to the last) `length` words, padded."""
        numbers = [self.index.get(w, UNKNOWN) for w in self.split(text)]
        numbers = numbers[-length:] if keep_end else numbers[:length]
        return numbers + [PAD] * (length - len(numbers))

    def rows(self, texts: Sequence[str], length: int, *, keep_end: bool = False) -> torch.Tensor:
        """(B, length) int64."""
        return torch.tensor([self.row(t, length, keep_end=keep_end) for t in texts])


def vocabulary_of(texts: Iterable[str], names: Sequence[str]) -> tuple[str, ...]:
    """All names, then all further words of the texts, sorted."""
    words = Words(names)
    found = {w for text in set(texts) for w in words.split(text)}
    return (*names, *sorted(found - set(names)))
