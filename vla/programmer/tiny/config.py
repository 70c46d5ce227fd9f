"""Config of the tiny programmer."""

from __future__ import annotations

from dataclasses import dataclass, field

from octoworld.core.errors import ConfigError

from .eye import EyeConfig
from .grammar import GrammarConfig


@dataclass(frozen=True)
class TinyProgrammerConfig:
    """Sizes and words; defaults give 1.3 M parameters."""

    grammar: GrammarConfig
    """What programs can say."""
    labels: tuple[str, ...]
    """What the eye can recognise."""
    vocabulary: tuple[str, ...]
    """Words that are read; all words of the grammar and of the labels are among them."""
    eye: EyeConfig = field(default_factory=EyeConfig)
    """How it looks."""
    width: int = 128
    """Of every token."""
    heads: int = 4
    """Of attention."""
    encoder_layers: int = 2
    """Over pictures and words."""
    decoder_layers: int = 2
    """Over the program."""
    max_tokens: int = 36
    """Longest program."""
    task_words: int = 20
    """Most words of the task."""
    state_words: int = 8
    """Most words about the robot itself."""
    feedback_words: int = 20
    """Words of the last feedback, counted from its end."""
    matches_feedback: bool = False
    """Whether words of feedback point at the pictures that show what they name, as words of the
    task do. It adds no weights."""

    def __post_init__(self) -> None:
        words = set(self.vocabulary)
        needed = {*self.grammar.skills, self.grammar.end, *self.grammar.nouns}
        needed |= {*self.grammar.adjectives, *(w for label in self.labels for w in label.split())}
        if missing := sorted(needed - words):
            raise ConfigError(f"the vocabulary lacks words of the grammar or labels: {missing[:5]}")
        if self.width % self.heads:
            raise ConfigError(f"width {self.width} is no multiple of heads {self.heads}")
