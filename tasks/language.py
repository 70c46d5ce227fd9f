"""Instructions: colours with names, and templates with paraphrases."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence

from octoworld.core.errors import ConfigError

COLORS: dict[str, tuple[float, float, float]] = {
    "red": (0.95, 0.12, 0.10),
    "green": (0.12, 0.82, 0.22),
    "blue": (0.12, 0.42, 1.00),
    "yellow": (1.00, 0.88, 0.10),
    "purple": (0.80, 0.30, 0.95),
}
"""Colours that stay apart at 64 x 64 pixels, by name [RGB, 0 to 1]."""
COLOR_NAMES: tuple[str, ...] = tuple(COLORS)


class Templates:
    """Paraphrases of one request, with named slots such as `{block}`."""

    def __init__(self, *templates: str) -> None:
        """Keep `templates`; all must have the same slots.

        Raises:
            ConfigError: no template, or slots that differ.
        """
        slots = {frozenset(_slots(t)) for t in templates}
        if len(slots) != 1:
            raise ConfigError(f"templates need one common set of slots, got {templates}")
        self.templates = templates
        self.slots: frozenset[str] = slots.pop()

    def __len__(self) -> int:
        return len(self.templates)

    def fill(self, wording: int, **words: str) -> str:
        """The paraphrase number `wording` with its slots filled; other words are ignored."""
        missing = self.slots - words.keys()
        if missing:
            raise ConfigError(f"instruction needs words for {', '.join(sorted(missing))}")
        return self.templates[wording % len(self.templates)].format(**words)

    def reworded(self, sentence: str) -> Templates:
        """The same request in one's own words, such as "grab the {block} block".

        Raises:
            ConfigError: `sentence` does not have the slots of this request, from which a robot is
                told what is meant in each world.
        """
        wanted = " and ".join(f"{{{slot}}}" for slot in sorted(self.slots)) or "no slots"
        try:
            fits = frozenset(_slots(sentence)) == self.slots
            sentence.format(**dict.fromkeys(self.slots, ""))
        except (ValueError, LookupError):  # a lone brace, or a slot without a name
            fits = False
        if not fits or not sentence.strip():
            raise ConfigError(
                f"instruction {sentence!r}: expected a sentence with {wanted}, such as "
                f"{self.templates[0]!r}"
            )
        return Templates(sentence)

    def all(self, choices: Mapping[str, Sequence[str]]) -> list[str]:
        """Every sentence that can be said with `choices` of words per slot.

        Raises:
            ConfigError: a slot has no words.
        """
        missing = self.slots - choices.keys()
        if missing:
            raise ConfigError(f"no words for the slots {', '.join(sorted(missing))}")
        sentences = list(self.templates)
        for slot in sorted(self.slots):
            sentences = [
                s.replace(f"{{{slot}}}", word) for s in sentences for word in choices[slot]
            ]
        return sentences


def _slots(template: str) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(template) if name]
