"""Words of instructions as numbers, for every network that reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch

PAD, UNKNOWN = 0, 1
"""Numbers that stand for no word and for a word not seen in training."""
_WORD = re.compile(r"[a-z0-9]+")


def split_words(instruction: str) -> list[str]:
    """Lower-case words and numbers; punctuation is dropped."""
    return _WORD.findall(instruction.lower())


def build_vocabulary(instructions: Sequence[str]) -> tuple[str, ...]:
    """All words of the instructions, sorted."""
    return tuple(sorted({w for text in set(instructions) for w in split_words(text)}))


class WordTokens:
    """Sentences to word numbers: word i of the vocabulary is i + 2."""

    def __init__(self, vocabulary: Sequence[str], max_words: int) -> None:
        """Keep the words; sentences are cut at `max_words`."""
        self._index = {word: i + 2 for i, word in enumerate(vocabulary)}
        self._max_words = max_words
        self._cache: dict[str, list[int]] = {}

    def __call__(self, instructions: Sequence[str]) -> torch.Tensor:
        """(B, max_words) int64."""
        return torch.tensor([self._row(text) for text in instructions], dtype=torch.long)

    def _row(self, text: str) -> list[int]:
        if text not in self._cache:
            row = [self._index.get(w, UNKNOWN) for w in split_words(text)][: self._max_words]
            # an empty instruction still is one token: attention over nothing is not a number
            row = row or [UNKNOWN]
            self._cache[text] = row + [PAD] * (self._max_words - len(row))
        return self._cache[text]
