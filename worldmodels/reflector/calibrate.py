"""Calibration and score card of a Reflector on episodes whose outcome is known."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch.nn import functional as F

from ..dataset import EpisodeDataset
from .model import Reflector, first_stop

THRESHOLDS = tuple(round(0.3 + 0.05 * i, 2) for i in range(14))
"""Stop thresholds tried: 0.30 to 0.95."""


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
    """Share of all episodes that were stopped without success."""
    missed: float
    """Share of the episodes with success that were never stopped."""
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
    reflector: Reflector, dataset: EpisodeDataset, instructions: list[str] | None = None
) -> list[torch.Tensor]:
    """Success probability (T,) of each episode; `instructions` replace the recorded ones."""
    reflector.eval()
    latents, scores = dataset.need_latents(), []
    for episode in range(len(dataset)):
        rows = torch.from_numpy(dataset.rows(episode))
        text = dataset.instruction(episode) if instructions is None else instructions[episode]
        verdict = reflector.score_latents(
            latents[rows][None].to(reflector.device),
            dataset.proprio[rows][None].to(reflector.device),
            [text],
        )
        scores.append(verdict.success[0].cpu())
    return scores


def reflector_card(
    scores: list[torch.Tensor],
    success: list[np.ndarray],
    threshold: float,
    patience: int,
    tolerance: int = 2,
    trust: list[np.ndarray] | None = None,
) -> ReflectorCard:
    """Judge the judge.

    Args:
        scores: probability (T,) per episode.
        success: truth (T,) per episode.
        threshold: probability above which a step counts.
        patience: steps in a row needed.
        tolerance: steps within which success must hold for a stop to be true.
        trust: per step; those of 0 are left out of the calibration error.
    """
    true = false = missed = positives = 0
    errors = []
    for score, truth in zip(scores, success, strict=True):
        stop = int(first_stop(score[None], threshold, patience)[0])
        happened = bool(truth.any())
        positives += happened
        if stop < 0:
            missed += happened
        elif truth[max(0, stop - tolerance) : stop + tolerance + 1].any():
            true += 1
            ideal = int(
                first_stop(torch.from_numpy(truth[None].astype(np.float32)), 0.5, patience)[0]
            )
            errors.append(abs(stop - (ideal if ideal >= 0 else int(truth.argmax()))))
        else:
            false += 1
    precision = true / max(true + false, 1)
    recall = true / max(positives, 1)
    flat = np.concatenate([s.numpy() for s in scores])
    label = np.concatenate(success)
    if trust is not None:
        kept = np.concatenate(trust) > 0
        flat, label = flat[kept], label[kept]
    return ReflectorCard(
        episodes=len(scores),
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / max(precision + recall, 1e-9),
        false_success=false / max(len(scores), 1),
        missed=missed / max(positives, 1),
        crossing_error_median=float(np.median(errors)) if errors else float("nan"),
        crossing_error_p90=float(np.percentile(errors, 90)) if errors else float("nan"),
        calibration_error=expected_calibration_error(flat, label),
    )


def evaluate_reflector(
    reflector: Reflector, dataset: EpisodeDataset, trust: torch.Tensor | None = None
) -> ReflectorCard:
    """The card on a data set of real, or of replayed, episodes."""
    truth = [dataset.success[dataset.rows(e)] for e in range(len(dataset))]
    parts = None
    if trust is not None:
        parts = [trust.numpy()[dataset.rows(e)] for e in range(len(dataset))]
    return reflector_card(
        score_episodes(reflector, dataset),
        truth,
        float(reflector.threshold),
        reflector.settings.patience,
        trust=parts,
    )


def calibrate(reflector: Reflector, dataset: EpisodeDataset) -> ReflectorCard:
    """Set temperature (least negative log-likelihood) and threshold (best F1) on `dataset`.

    Of thresholds of equal F1 the one nearest the middle of the best range wins, which is the most
    robust. Returns the card with the settings found.
    """
    reflector.temperature.fill_(1.0)
    scores = score_episodes(reflector, dataset)
    logits = torch.logit(torch.cat(scores).clamp(1e-6, 1 - 1e-6))
    labels = torch.from_numpy(dataset.success.astype(np.float32))
    choices = torch.logspace(-0.7, 0.7, 29)
    losses = torch.stack([F.binary_cross_entropy_with_logits(logits / t, labels) for t in choices])
    reflector.temperature.copy_(choices[losses.argmin()])
    scores = score_episodes(reflector, dataset)
    truth = [dataset.success[dataset.rows(e)] for e in range(len(dataset))]
    patience = reflector.settings.patience
    cards = [reflector_card(scores, truth, t, patience) for t in THRESHOLDS]
    best = max(c.f1 for c in cards)
    good = [t for t, c in zip(THRESHOLDS, cards, strict=True) if c.f1 >= best - 1e-9]
    threshold = good[len(good) // 2]
    reflector.threshold.fill_(threshold)
    return cards[THRESHOLDS.index(threshold)]


def expected_calibration_error(
    probability: np.ndarray, label: np.ndarray, num_bins: int = 10
) -> float:
    """Mean |confidence - accuracy| over equal-width bins, weighted by their counts."""
    bins = np.minimum((probability * num_bins).astype(int), num_bins - 1)
    total = 0.0
    for b in range(num_bins):
        inside = bins == b
        if inside.any():
            total += inside.sum() * abs(probability[inside].mean() - label[inside].mean())
    return float(total / max(len(label), 1))
