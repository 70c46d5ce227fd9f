"""The reflector's gate: its bounds as means over episodes, its seeds, its tables."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from octoworld.bench import ArmResult, run, verdicts
from octoworld.recipes.reflector.bench import (
    RATIOS,
    claims,
    columns_of,
    interval,
    rows_of,
    table,
)
from octoworld.recipes.reflector.config import FIRST_SEED, KINDS, ReflectorBenchConfig
from octoworld.recipes.reflector.measure import BOUNDS, REAL, judged_outcomes, reliability
from worldmodels.reflector import Question
from worldmodels.reflector.card import expected_calibration_error

JUDGE = SimpleNamespace(threshold=0.5, settings=SimpleNamespace(patience=2))
STEPS = 10


def episodes(kinds: str) -> tuple[list[torch.Tensor], list[Question]]:
    """Judged episodes by letter: `r`ight, `f`alse, `m`issed, `n`othing happened."""
    scores, asked = [], []
    for kind in kinds:
        stopped, happened = kind in "rf", kind in "rm"
        score = torch.full((STEPS,), 0.1)
        score[4:] = 0.9 if stopped else 0.1
        success = np.zeros(STEPS, bool)
        success[4:] = happened
        unknown, sure = np.zeros(STEPS, np.float32), np.ones(STEPS, np.float32)
        scores.append(score)
        asked.append(Question("PickUp", ("lift it",), success, unknown, success, sure))
    return scores, asked


@pytest.mark.parametrize(
    ("kinds", "f1"), [("rrrfm", 0.75), ("rrrrrrrrrm", 18 / 19), ("rnnnnnnf", 2 / 3)]
)
def test_a_mean_is_above_0_where_the_ratio_is_above_its_bound(kinds, f1):
    scores, asked = episodes(kinds)
    for bound in (f1 - 0.01, f1 + 0.01):
        found = judged_outcomes(JUDGE, scores, asked, bound)  # type: ignore[arg-type]
        assert (np.mean(found["f1 above bound"]) > 0) == (bound < f1)
    columns = {k: np.array([v]) for k, v in found.items()}
    assert RATIOS["F1"](columns) == pytest.approx(f1)
    stops, false = kinds.count("r") + kinds.count("f"), kinds.count("f")
    below = np.mean(found["false success below bound"]) >= 0
    assert below == (false / stops <= BOUNDS.false_success)


def test_the_mean_calibration_outcome_is_the_calibration_error():
    rng = np.random.default_rng(0)
    scores = [torch.from_numpy(rng.random(n, dtype=np.float32)) for n in (5, 9, 12)]
    asked = [
        Question("", ("",), s.numpy() > 0.3, s.numpy(), s.numpy() > 0.3, np.ones(len(s), "f4"))
        for s in scores
    ]
    found = judged_outcomes(JUDGE, scores, asked, 0.9)  # type: ignore[arg-type]
    probability = np.concatenate([s.numpy() for s in scores])
    error = expected_calibration_error(probability, np.concatenate([q.success for q in asked]))
    assert np.mean(found["calibration error"]) == pytest.approx(error)
    bins = reliability(scores, asked)
    assert sum(count for count, *_ in bins) == 26


def test_no_two_splits_kinds_or_tasks_share_a_start():
    config = ReflectorBenchConfig()
    seeds = [
        seed
        for split in config.episodes
        for kind in KINDS
        for task in config.tasks
        for seed in config.start_seeds(split, kind, task)
    ]
    assert len(seeds) == len(set(seeds))
    assert not set(seeds) & set(range(FIRST_SEED["demonstrations"], FIRST_SEED["train"]))


def test_the_gate_is_open_for_a_good_judge_and_shut_for_a_poor_one(tmp_path):
    config = ReflectorBenchConfig(seeds=(0,))

    def judged(kinds: str):
        scores, asked = episodes(kinds)

        def measure(arm: str, seed: int, place) -> ArmResult:
            outcomes = judged_outcomes(JUDGE, scores, asked, BOUNDS.f1(arm))  # type: ignore[arg-type]
            wrong = {"wrong asked": [1.0] * len(kinds), "wrong taken": [0.0] * len(kinds)}
            wrong["wrong below bound"] = [BOUNDS.wrong_instruction] * len(kinds)
            return ArmResult(
                range(len(kinds)), outcomes | wrong, facts={"tasks": ["PickUp"] * len(kinds)}
            )

        return measure

    for name, kinds, verdict in (("good", "rn" * 100, "pass"), ("poor", "rfmn" * 50, "fail")):
        run(claims(config), judged(kinds), tmp_path / name)
        found = {v["name"]: v["verdict"] for v in verdicts(tmp_path / name)}
        assert found[f"F1, {REAL}"] == verdict
        assert found[f"false termination, {REAL}"] == verdict
        assert found[f"wrong instruction, {REAL}"] == "pass"
        assert "| recorded frames | PickUp |" in table(tmp_path / name)
    columns = columns_of(rows_of(tmp_path / "poor", REAL))
    low, middle, high = interval(columns, RATIOS["F1"])
    assert low < middle == 0.5 < high
