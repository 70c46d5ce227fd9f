"""Supervised fine-tuning of an `hf` programmer: imitate answers that a teacher gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from octoworld.core.errors import DatasetError
from octoworld.core.fit import FitConfig, fit
from octoworld.rl.trained import Trained

from ..chat import Message
from .model import HfProgrammer


@dataclass(frozen=True)
class Lesson:
    """What was said and shown, and the answer that is to be learned."""

    messages: tuple[Message, ...]
    answer: str


def train_programmer(
    programmer: HfProgrammer, lessons: Sequence[Lesson], config: FitConfig, folder: Path, seed: int
) -> None:
    """Train a programmer in place; a killed run in `folder` goes on.

    `folder` gets `metrics.jsonl` and `state.safetensors` (trained weights alone).

    Raises:
        DatasetError: no lessons.
        ConfigError: an answer is longer than the programmer's `max_tokens`.
        CheckpointError: `folder` holds the state of another model.
    """
    if not lessons:
        raise DatasetError("no answers to imitate: the teacher gave none")
    for lesson in lessons:  # before hours of training, not after
        programmer.tokens([lesson.answer])

    def loss(step: int, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        rows = torch.randint(len(lessons), (config.batch_size,), generator=generator).tolist()
        drawn = [lessons[row] for row in rows]
        return programmer.loss([one.messages for one in drawn], [one.answer for one in drawn])

    fit(Trained(programmer), loss, config, folder, seed=seed, label="sft")
    programmer.eval()
