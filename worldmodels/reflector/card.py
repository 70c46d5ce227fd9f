"""Score card of a Reflector on episodes whose outcome is known, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..dataset import EpisodeDataset
from .model import Reflector, first_stop
from .questions import Question, Questions, recorded_questions


@dataclass(frozen=True)
class Judged:
    """How one episode was judged. A stop is right if success holds within the tolerance."""

    stop: int
    """Step at which it was stopped; -1: never."""
    happened: bool
    """Success held for `patience` steps somewhere, which is what the stop rule waits for."""
    right: bool
    """Stopped in success."""
    false: bool
    """Stopped without success, and surely so."""
    missed: bool
    """Success held, and it was not stopped in it."""
    error: int
    """|stop - first step at which success had held `patience` steps| of a right stop, else -1."""


@dataclass(frozen=True)
class ReflectorCard:
    """How a reflector judged episodes. A stop is true if success holds within the tolerance."""

    episodes: int
    """Episodes judged."""
    precision: float
    """True stops over all stops."""
    recall: float
    """Episodes with success that were stopped rightly."""
    f1: float
    """Harmonic mean of both."""
    false_success: float
    """Share of the stops that were without success: 1 - precision."""
    false_termination: float
    """Share of all episodes that were stopped without success."""
    missed: float
    """Share of the episodes with success that were not stopped in it."""
    crossing_error_median: float
    """Median |stop - first step at which success had held `patience` steps| [step], true stops."""
    crossing_error_p90: float
    """90th percentile of the same [step]."""
    calibration_error: float
    """Expected calibration error of the step probabilities, 10 bins."""

    def as_dict(self) -> dict[str, float]:
        """Plain numbers by name."""
        return asdict(self)


@torch.no_grad()
def score_episodes(
    reflector: Reflector,
    dataset: EpisodeDataset,
    instructions: Sequence[str] | None = None,
    episodes: Sequence[int] | None = None,
    batch_rows: int = 512,
) -> list[torch.Tensor]:
    """Success probability (T,) of each of `episodes` (None: all).

    `instructions`, one for each, replace the recorded ones.
    """
    reflector.eval()
    chosen = list(range(len(dataset)) if episodes is None else episodes)
    texts = [dataset.instruction(e) for e in chosen] if instructions is None else instructions
    latents = dataset.need_latents()
    scores: list[torch.Tensor] = [torch.empty(0)] * len(chosen)
    # episodes of one length are judged together
    for length in sorted({int(dataset.lengths[e]) for e in chosen}):
        alike = [i for i, e in enumerate(chosen) if dataset.lengths[e] == length]
        size = max(1, batch_rows // length)
        for first in range(0, len(alike), size):
            part = alike[first : first + size]
            rows = torch.from_numpy(np.stack([dataset.rows(chosen[i]) for i in part]))
            verdict = reflector.score_latents(
                latents[rows].to(reflector.device),
                dataset.proprio[rows].to(reflector.device),
                [texts[i] for i in part],
                dataset.first_latents([chosen[i] for i in part]).to(reflector.device),
            )
            for i, score in zip(part, verdict.success.cpu(), strict=True):
                scores[i] = score
    return scores


def judge_episode(
    score: torch.Tensor, question: Question, threshold: float, patience: int, tolerance: int = 2
) -> Judged:
    """Compare where it would be stopped, by probabilities (T,), with the answers to a question.

    Where nobody is sure of the answer within the tolerance of a stop without success, the stop is
    neither right nor false; success that is not sure need not be found.
    """
    stop = int(first_stop(score[None], threshold, patience)[0])
    success, sure = question.success, question.sure > 0
    held = _held(success, patience)
    happened = bool(held.any()) and bool((success & sure).any())
    right = false = False
    error = -1
    if stop >= 0:
        near = slice(max(0, stop - tolerance), stop + tolerance + 1)
        right = bool((success & sure)[near].any())
        false = not right and bool(sure[near].all())
        if right:
            ideal = int(held.argmax()) if held.any() else int(success.argmax())
            error = abs(stop - ideal)
    return Judged(stop, happened, right, false, happened and not right, error)


def card_of(
    judged: Sequence[Judged], scores: Sequence[torch.Tensor], questions: Sequence[Question]
) -> ReflectorCard:
    """The card of judged episodes, with their probabilities and the right answers."""
    true, false = sum(j.right for j in judged), sum(j.false for j in judged)
    happened, missed = sum(j.happened for j in judged), sum(j.missed for j in judged)
    precision = true / max(true + false, 1)
    recall = 1 - missed / happened if happened else 0.0
    errors = [j.error for j in judged if j.error >= 0]
    kept = np.concatenate([q.sure > 0 for q in questions])
    return ReflectorCard(
        episodes=len(judged),
        precision=precision,
        recall=recall,
        f1=2 * true / max(2 * true + false + missed, 1),
        false_success=false / max(true + false, 1),
        false_termination=false / max(len(judged), 1),
        missed=missed / max(happened, 1),
        crossing_error_median=float(np.median(errors)) if errors else float("nan"),
        crossing_error_p90=float(np.percentile(errors, 90)) if errors else float("nan"),
        calibration_error=expected_calibration_error(
            np.concatenate([s.numpy() for s in scores])[kept],
            np.concatenate([q.success for q in questions])[kept],
        ),
    )


def evaluate_reflector(
    reflector: Reflector, dataset: EpisodeDataset, questions: Questions | None = None
) -> ReflectorCard:
    """The card on episodes, real or imagined, each asked its first question."""
    asked = [q[0] for q in questions or recorded_questions(dataset)]
    scores = score_episodes(reflector, dataset, [q.texts[0] for q in asked])
    settings = float(reflector.threshold), reflector.settings.patience
    judged = [judge_episode(s, q, *settings) for s, q in zip(scores, asked, strict=True)]
    return card_of(judged, scores, asked)


def expected_calibration_error(
    probability: np.ndarray, label: np.ndarray, num_bins: int = 10
) -> float:
    """Mean |confidence - accuracy| over equal-width bins, weighted by their counts."""
    gaps = calibration_gaps(probability, label, num_bins)
    return float((np.sign(gaps) * (probability - label)).sum() / max(len(label), 1))


def calibration_gaps(
    probability: np.ndarray, label: np.ndarray, num_bins: int = 10
) -> NDArray[np.float64]:
    """Of each step, confidence - accuracy of the bin that its probability falls into."""
    bins = np.minimum((probability * num_bins).astype(int), num_bins - 1)
    gaps = np.zeros(len(label))
    for b in range(num_bins):
        inside = bins == b
        if inside.any():
            gaps[inside] = probability[inside].mean() - label[inside].mean()
    return gaps


def _held(success: NDArray[np.bool_], patience: int) -> NDArray[np.bool_]:
    """Steps (T,) at which success has held `patience` steps."""
    run, held = 0, np.zeros(len(success), bool)
    for step, now in enumerate(success):
        run = run + 1 if now else 0
        held[step] = run >= patience
    return held
