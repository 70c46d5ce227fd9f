"""Calibration: probabilities that mean what they say, and the threshold at which to stop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..dataset import EpisodeDataset
from .card import card_of, judge_episode, score_episodes
from .model import Reflector
from .questions import Questions

THRESHOLDS = tuple(round(0.2 + 0.05 * i, 2) for i in range(16))
"""Stop thresholds tried: 0.20 to 0.95."""
CLIP = 1e-6
"""Probabilities nearer to 0 or 1 than this tell nothing more."""


def calibrate(
    reflector: Reflector, validation: Sequence[tuple[EpisodeDataset, Questions]]
) -> dict[str, float]:
    """Set temperature and bias (least negative log-likelihood) and threshold (best mean F1).

    Every data set, real or imagined, has the same say, and each episode is asked its first
    question; training shows success far more often than it comes, hence the bias (Platt, 1999). Of
    thresholds of about equal F1 the one in the middle wins, which is the most robust. Returns
    the settings found.
    """
    reflector.temperature.fill_(1.0)
    reflector.bias.zero_()
    asked = [[q[0] for q in questions] for _, questions in validation]
    logits, labels, weights = [], [], []
    for (data, _), questions in zip(validation, asked, strict=True):
        scores = score_episodes(reflector, data, [q.texts[0] for q in questions])
        probability = torch.cat(scores).double().clamp(CLIP, 1 - CLIP)
        logits.append(torch.logit(probability))
        labels.append(torch.from_numpy(np.concatenate([q.success for q in questions])).double())
        sure = torch.from_numpy(np.concatenate([q.sure for q in questions])).double()
        weights.append(sure / sure.sum().clamp(min=1e-9))
    slope, bias = platt(torch.cat(logits), torch.cat(labels), torch.cat(weights))
    reflector.temperature.fill_(1 / slope)
    reflector.bias.fill_(bias)
    patience = reflector.settings.patience
    f1 = np.zeros(len(THRESHOLDS))
    for (data, _), questions in zip(validation, asked, strict=True):
        scores = score_episodes(reflector, data, [q.texts[0] for q in questions])
        for index, threshold in enumerate(THRESHOLDS):
            judged = [
                judge_episode(s, q, threshold, patience)
                for s, q in zip(scores, questions, strict=True)
            ]
            f1[index] += card_of(judged, scores, questions).f1 / len(validation)
    good = np.flatnonzero(f1 >= f1.max() - 0.002)
    threshold = THRESHOLDS[good[len(good) // 2]]
    reflector.threshold.fill_(threshold)
    return {"temperature": 1 / slope, "bias": bias, "threshold": threshold, "f1": float(f1.max())}


def platt(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> tuple[float, float]:
    """Slope (between 0.1 and 5) and bias of least weighted cross-entropy, by Newton's method."""
    slope, bias = torch.tensor(1.0).double(), torch.tensor(0.0).double()
    for _ in range(50):
        p = (slope * logits + bias).sigmoid()
        error, curve = weights * (p - labels), weights * p * (1 - p)
        gradient = torch.stack([(error * logits).sum(), error.sum()])
        hessian = torch.stack(
            [
                torch.stack([(curve * logits**2).sum(), (curve * logits).sum()]),
                torch.stack([(curve * logits).sum(), curve.sum()]),
            ]
        )
        # damped: where all are right the likelihood has no maximum
        step = torch.linalg.solve(hessian + 1e-5 * torch.eye(2).double(), gradient).clamp(-1, 1)
        slope, bias = (slope - step[0]).clamp(0.1, 5.0), (bias - step[1]).clamp(-8, 8)
    return float(slope), float(bias)
