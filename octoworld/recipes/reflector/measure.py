"""What the reflector bench measures: every test episode judged, recorded and imagined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from octoworld.bench import ArmResult
from octoworld.core.io import read_json, write_json
from tasks.manipulation.objects import OBJECTS, OBJECTS_DIM
from worldmodels.dataset import EpisodeDataset
from worldmodels.probe import StateProbe
from worldmodels.reflector import Question, Questions, Reflector, judge_episode, score_episodes
from worldmodels.reflector.card import calibration_gaps
from worldmodels.replay import Replayed

from ..questions import imagined_questions, tabletop_questions
from ..suite.work import made_on
from .config import ReflectorBenchConfig
from .work import load, load_imagined, reflector, witness, world_model

REAL, GENERATED = "recorded frames", "generated frames"
ARMS = (REAL, GENERATED)
"""Where the same test episodes are judged."""
MOST_WRONG = 3
"""Wrong requests of each kind that an episode is asked."""


@dataclass(frozen=True)
class Bounds:
    """Numbers of the gate."""

    f1_real: float = 0.95
    f1_generated: float = 0.90
    false_success: float = 0.10
    """Share of stops that are without success."""
    wrong_instruction: float = 0.05
    """Share of wrong requests, put where the right one is done, that are taken for done."""
    false_termination: float = 0.05
    """Share of episodes that are stopped without success."""
    calibration: float = 0.05
    """Expected calibration error."""

    def f1(self, arm: str) -> float:
        """The F1 that is asked for on an arm's frames."""
        return self.f1_real if arm == REAL else self.f1_generated


BOUNDS = Bounds()


def measure(config: ReflectorBenchConfig, arm: str, seed: int, folder: Path) -> ArmResult:
    """All test episodes, on recorded or generated frames, as the Claim harness takes them.

    F1, shares of stops and calibration are no means over episodes; each is told as a number of an
    episode whose mean is above 0 exactly where the ratio is above its bound: with m the F1 asked
    for, 2 TP - m (2 TP + FP + FN).
    """
    judge = reflector(config, seed, folder)
    data = load(config, "test", folder)
    shown, questions, replayed = data, tabletop_questions(data.episodes, config.tasks), None
    if arm == GENERATED:
        made, _ = load_imagined(folder, "test", data)
        truth = [_cut(q[0], rows - data.starts[e]) for q, rows, e in zip(
            questions, made.rows, made.episode, strict=True)]  # fmt: skip
        seen = witness_sees(config, made, witness(folder))
        shown = made.dataset
        replayed = truth
        questions = imagined_questions(made, data, config.tasks, seen)
    asked = [q[0] for q in questions]
    scores = score_episodes(judge, shown, [q.texts[0] for q in asked])
    outcomes = judged_outcomes(judge, scores, asked, BOUNDS.f1(arm))
    outcomes |= wrong_outcomes(judge, shown, questions)
    if replayed is not None:
        by_truth = judged_outcomes(judge, scores, replayed, BOUNDS.f1(arm))
        outcomes |= {f"replayed {k}": by_truth[k] for k in ("right", "false", "missed", "happened")}
    facts = {
        "tasks": [str(e.info["task"]) for e in shown.episodes],
        "sources": [str(e.info["source"]) for e in shown.episodes],
        "threshold": float(judge.threshold),
        "temperature": float(judge.temperature),
        "bias": float(judge.bias),
        "reliability": reliability(scores, asked),
        "unsure": float(np.mean(np.concatenate([q.sure == 0 for q in asked]))),
        "training": read_json(folder / "reflectors" / str(seed) / "done.json"),
        "made_on": made_on(),
    }
    starts = [int(e.info["seed"]) for e in shown.episodes]
    return ArmResult(starts, outcomes, spent={}, facts=facts)


def judged_outcomes(
    judge: Reflector, scores: Sequence[torch.Tensor], asked: Sequence[Question], f1: float
) -> dict[str, list[float]]:
    """Metric -> a number for each episode, of its own instruction."""
    settings = float(judge.threshold), judge.settings.patience
    judged = [judge_episode(s, q, *settings) for s, q in zip(scores, asked, strict=True)]
    flags = {
        "right": [j.right for j in judged],
        "false": [j.false for j in judged],
        "missed": [j.missed for j in judged],
        "happened": [j.happened for j in judged],
    }
    told = {name: np.array(values, float) for name, values in flags.items()}
    right, false, missed = told["right"], told["false"], told["missed"]
    told["f1 above bound"] = 2 * right - f1 * (2 * right + false + missed)
    told["false success below bound"] = BOUNDS.false_success * (right + false) - false
    told["stop error"] = np.array([j.error for j in judged], float)
    told["calibration error"] = calibration_outcomes(scores, asked)
    return {name: values.tolist() for name, values in told.items()}


def calibration_outcomes(
    scores: Sequence[torch.Tensor], asked: Sequence[Question]
) -> NDArray[np.float64]:
    """A number for each episode; their mean is the expected calibration error over all steps."""
    probability = np.concatenate([s.numpy() for s in scores])
    label = np.concatenate([q.success for q in asked])
    sure = np.concatenate([q.sure > 0 for q in asked])
    gaps = np.zeros(len(label))
    gaps[sure] = calibration_gaps(probability[sure], label[sure])
    share = np.where(sure, np.sign(gaps) * (probability - label), 0.0) / max(sure.mean(), 1e-9)
    lengths = np.array([len(s) for s in scores])
    sums = np.add.reduceat(share, np.cumsum(lengths) - lengths)
    return sums / lengths.mean()


def wrong_outcomes(
    judge: Reflector, shown: EpisodeDataset, questions: Questions
) -> dict[str, list[float]]:
    """Of each episode, how many wrong requests tempted, and how many were taken for done.

    `wrong below bound` has a mean above 0 where that share is below its bound. Wrong are colours
    that are not there, and other tasks that are surely not done at any step.
    """
    settings = float(judge.threshold), judge.settings.patience
    episodes, texts = [], []
    for number, (own, *others) in enumerate(questions):
        if not (own.success & (own.sure > 0)).any():
            continue
        for question in others:
            undone = not question.success.any() and bool((question.sure > 0).all())
            tempting = question.wrong and question.name == own.name
            other = not question.wrong and question.name != own.name and undone
            if tempting or other:
                wordings = question.texts
                step = max(1, len(wordings) // MOST_WRONG)
                chosen = wordings[number % step :: step][:MOST_WRONG] if tempting else wordings[:1]
                episodes += [number] * len(chosen)
                texts += chosen
    asked, taken = np.zeros(len(questions)), np.zeros(len(questions))
    for number, score in zip(episodes, score_episodes(judge, shown, texts, episodes), strict=True):
        never = _never(len(score))
        asked[number] += 1
        taken[number] += judge_episode(score, never, *settings).false
    below = BOUNDS.wrong_instruction * asked - taken
    named = {"wrong asked": asked, "wrong taken": taken, "wrong below bound": below}
    return {name: values.tolist() for name, values in named.items()}


def reliability(
    scores: Sequence[torch.Tensor], asked: Sequence[Question], num_bins: int = 10
) -> list[list[float]]:
    """[steps, mean probability, share of success] of each tenth of the probabilities."""
    sure = np.concatenate([q.sure > 0 for q in asked])
    probability = np.concatenate([s.numpy() for s in scores])[sure]
    label = np.concatenate([q.success for q in asked])[sure]
    bins = np.minimum((probability * num_bins).astype(int), num_bins - 1)
    rows = []
    for b in range(num_bins):
        inside = bins == b
        count = int(inside.sum())
        means = [float(x[inside].mean()) if count else 0.0 for x in (probability, label)]
        rows.append([count, *means])
    return rows


def witness_sees(config: ReflectorBenchConfig, made: Replayed, probe: StateProbe) -> torch.Tensor:
    """Objects (F, 17) that the witness reads off decoded pictures; yaw is not read, and stays 0."""
    model = world_model(config)
    data, columns = made.dataset, probe.columns
    probe.to(config.device)  # type: ignore[arg-type]
    objects = torch.zeros(data.num_rows, OBJECTS_DIM)
    for rows in torch.arange(data.num_rows).split(256):
        frames = model.decode(data.need_latents()[rows].to(model.device))
        read = probe.read(frames).cpu()
        tool = data.proprio[rows, :3]
        found = {
            "block": read[:, columns["block"]],
            "drawer": read[:, columns["opening"]],
            "handle": read[:, columns["handle"]][:, :2],
            "bin": read[:, columns["bin"]],
            "grasped": read[:, columns["grasped"]],
            "block_from_tool": read[:, columns["block"]] - tool,
            "handle_from_tool": read[:, columns["handle"]] - tool,
        }
        for name, values in found.items():
            objects[rows, OBJECTS[name]] = values
    return objects


def witness_agrees(config: ReflectorBenchConfig, folder: Path) -> None:
    """How the witness answers on recorded frames, redrawn, where the truth is known; stored."""
    place = folder / "witness" / "answers.json"
    if place.exists():
        return
    data = load(config, "test", folder)
    rows = [data.rows(e) for e in range(len(data))]
    whole = Replayed(data, torch.ones(data.num_rows), rows, np.arange(len(data)))
    seen = witness_sees(config, whole, witness(folder))
    true = tabletop_questions(data.episodes, config.tasks)
    answers: dict[str, Any] = {}
    read = imagined_questions(whole, data, config.tasks, seen)
    for task in config.tasks:
        pair = [(t[0], r[0]) for t, r in zip(true, read, strict=True) if t[0].name == task]
        was, says = (np.concatenate([q.success for q in qs]) for qs in zip(*pair, strict=True))
        answers[task] = {
            "steps": len(was),
            "success": float(was.mean()),
            "read as success": float(says.mean()),
            "agree": float((was == says).mean()),
        }
    write_json(place, answers)


def _cut(question: Question, rows: NDArray[np.int64]) -> Question:
    return replace(
        question,
        success=question.success[rows],
        progress=question.progress[rows],
        near=question.near[rows],
        sure=question.sure[rows],
        told=None,
    )


def _never(length: int) -> Question:
    no = np.zeros(length, bool)
    return Question("", ("",), no, np.zeros(length, np.float32), no, np.ones(length, np.float32))
