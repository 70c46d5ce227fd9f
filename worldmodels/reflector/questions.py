"""Questions: what may be asked about an episode, and the right answer at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from octoworld.core.errors import DatasetError
from octoworld.data.episode import Episode
from octoworld.data.words import split_words

from ..dataset import EpisodeDataset


@dataclass(frozen=True)
class Question:
    """One request, in any of several wordings, and what T steps of an episode answer to it."""

    name: str
    """What is asked for, e.g. the task; training shows all names equally often."""
    texts: tuple[str, ...]
    """Ways to say it."""
    success: NDArray[np.bool_]
    """(T,) whether the step shows it done."""
    progress: NDArray[np.float32]
    """(T,) how far it is, 0 to 1; NaN where unknown."""
    near: NDArray[np.bool_]
    """(T,) steps that tempt to a wrong answer: nearly done, or, of a `wrong` request, those where
    the right one is done."""
    sure: NDArray[np.float32]
    """(T,) weight of the answer in [0, 1]; at 0 nobody knows."""
    told: NDArray[np.float32] | None = None
    """(T, D) numbers to be read off the frames with this request in mind; NaN where unknown."""
    wrong: bool = False
    """A request that the scene cannot fulfil: of a colour that is not there, of another goal."""


Questions = Sequence[Sequence[Question]]
"""For each episode its questions; the first is what the robot was told."""


@dataclass(frozen=True)
class GoalConfig:
    """Which instructions mean different goals, where recordings tell success of their own alone."""

    contrast_words: tuple[str, ...] = ("red", "green", "blue", "yellow", "purple")
    """Two instructions of one task mean different goals only if they hold other ones of these."""
    ambiguous_tasks: tuple[tuple[str, str], ...] = (("PlaceInBin", "PickUp"),)
    """(task shown, task asked) that are not used as wrong pairs: the second may be done as well."""


def recorded_questions(
    dataset: EpisodeDataset,
    trust: torch.Tensor | None = None,
    goals: GoalConfig | None = None,
    near_steps: int = 8,
    words_of: EpisodeDataset | None = None,
) -> list[list[Question]]:
    """What recordings alone tell: success of the episode's own instruction, and that others fail.

    Args:
        dataset: episodes.
        trust: (F,) weight of each row's answer; None is 1.
        goals: which instructions differ.
        near_steps: steps from success that count as near.
        words_of: episodes whose instructions are the wrong ones; None takes those of `dataset`.
    """
    goals = goals or GoalConfig()
    said: dict[tuple, list[str]] = {}
    for episode in (words_of or dataset).episodes:
        texts = said.setdefault(goal_of(episode, goals), [])
        if episode.instruction not in texts:
            texts.append(episode.instruction)
    tasks = {goal: goal[0] for goal in said}
    found: list[list[Question]] = []
    for number, episode in enumerate(dataset.episodes):
        rows = dataset.rows(number)
        success = dataset.success[rows]
        sure = np.ones(len(rows), np.float32) if trust is None else trust.numpy()[rows]
        goal = goal_of(episode, goals)
        mine = Question(
            goal[0], (episode.instruction,), success, progress_labels(success),
            near_success(success, near_steps), sure,
        )  # fmt: skip
        others = [
            text
            for other, texts in said.items()
            if other != goal and (goal[0], tasks[other]) not in goals.ambiguous_tasks
            for text in texts
        ]
        asked = [mine]
        if others:
            no = np.zeros(len(rows), bool)
            unknown = np.full(len(rows), np.nan, np.float32)
            asked.append(Question(goal[0], tuple(others), no, unknown, success, sure, wrong=True))
        found.append(asked)
    return found


def check_questions(dataset: EpisodeDataset, questions: Questions) -> None:
    """Raise DatasetError unless every episode has questions with an answer for each of its rows."""
    if len(questions) != len(dataset):
        raise DatasetError(f"{len(dataset)} episodes but questions for {len(questions)}")
    for number, (asked, length) in enumerate(zip(questions, dataset.lengths, strict=True)):
        if not asked:
            raise DatasetError(f"episode {number} has no question")
        for question in asked:
            if len(question.success) != length or not question.texts:
                raise DatasetError(
                    f"episode {number} of {length} rows: question {question.name!r} has "
                    f"{len(question.success)} answers and {len(question.texts)} wordings"
                )


def goal_of(episode: Episode, goals: GoalConfig) -> tuple:
    """What an instruction asks for: task and `info["goal"]`, or the contrast words it holds."""
    task = str(episode.info.get("task", ""))
    if "goal" in episode.info:
        return (task, "goal", str(episode.info["goal"]))
    words = frozenset(split_words(episode.instruction)) & frozenset(goals.contrast_words)
    return (task, *sorted(words))


def progress_labels(success: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Progress (T,): a line to the first success, 1 while it holds, NaN where unknown."""
    progress = np.full(len(success), np.nan, np.float32)
    if success.any():
        first = int(success.argmax())
        progress[: first + 1] = np.linspace(0.0, 1.0, first + 1) if first else 1.0
        progress[success] = 1.0
    return progress


def smooth_labels(success: NDArray[np.bool_], smoothing: float) -> NDArray[np.floating]:
    """Success (T,) with each step sharing `smoothing` with each neighbour."""
    padded = np.pad(success.astype(np.float32), 1, mode="edge")
    return np.float32(1 - 2 * smoothing) * padded[1:-1] + np.float32(smoothing) * (
        padded[:-2] + padded[2:]
    )


def near_success(success: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Steps (T,) without success at most `steps` from one with it."""
    near = success.copy()
    for shift in range(1, min(steps, len(success) - 1) + 1):
        near[:-shift] |= success[shift:]
        near[shift:] |= success[:-shift]
    return near & ~success
