"""Tiny programmer: a network of 1 to 3 M parameters that looks at pictures and writes programs."""

from .agent import TinyAgent
from .config import TinyProgrammerConfig
from .eye import CELL, Eye, EyeConfig, Labels, Stills, train_eye
from .grammar import Grammar, GrammarConfig, Line, program_text
from .judge import Judge, JudgeConfig, Verdict
from .looking import look, mentions, understand, where
from .model import NOWHERE, Seen, TinyProgrammer, Written
from .words import Words, vocabulary_of

__all__ = [
    "CELL",
    "NOWHERE",
    "Eye",
    "EyeConfig",
    "Grammar",
    "GrammarConfig",
    "Judge",
    "JudgeConfig",
    "Labels",
    "Line",
    "Seen",
    "Stills",
    "TinyAgent",
    "TinyProgrammer",
    "TinyProgrammerConfig",
    "Verdict",
    "Words",
    "Written",
    "look",
    "mentions",
    "program_text",
    "train_eye",
    "understand",
    "vocabulary_of",
    "where",
]
__suite__ = "octoworld"
