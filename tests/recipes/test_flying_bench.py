"""Bench flying: which tasks it flies, what it keeps of an episode, and its report."""

import numpy as np
import pytest

from octoworld.bench import ArmResult, run
from octoworld.core.registry import TASKS
from octoworld.recipes.flying_bench import CASES, Case, FlyingBench, claims, fly, idle
from tasks.drones.flying import FlyingTask

SEEDS = range(900, 903)


def test_every_drone_task_is_flown_and_claimed():
    flying = {name for name in TASKS.names() if issubclass(TASKS.get(name), FlyingTask)}
    assert {case.task for case in CASES.values()} == flying - {"Hover1D"}  # has a bench of its own
    arms = {arm for claim in claims(quick=False) for arm in claim.all_arms}
    assert arms == set(CASES)
    quick = {arm for claim in claims(quick=True) for arm in claim.all_arms}
    assert quick < arms


def test_an_episode_is_judged_where_it_ended():
    kept = fly(CASES["gate"], SEEDS)
    assert kept["success"].tolist() == [1, 1, 1] and not kept["crashed"].any()
    assert ((kept["return"] > 0.5) & (kept["return"] <= 1)).all()
    assert kept["seconds"] == pytest.approx(7.0)
    assert (idle(CASES["gate"], SEEDS) < 0.1).all()


def test_what_is_judged_of_each_drone_is_kept_of_the_worst():
    plain = fly(Case("DownwashCrossing", pilot="plain"), SEEDS)
    aware = fly(Case("DownwashCrossing"), SEEDS)
    assert (aware["worst"] < plain["worst"]).all() and (plain["worst"] < 0.1).all()


def test_the_report_counts_successes(tmp_path):
    some = [c for c in claims(quick=False) if c.arms == ("figure-8",)]
    outcomes = {
        "success": [1.0] * 9 + [0.0], "rmse": [0.01] * 10, "crashed": np.zeros(10),
        "collided": np.zeros(10), "return": np.full(10, 0.9), "idle_return": np.zeros(10),
    }  # fmt: skip
    run(some, lambda *_: ArmResult(list(range(10)), outcomes), tmp_path)
    text = FlyingBench().report(tmp_path)
    assert "9/10 [59.6%, 98.2%]" in text and "rmse 1.0 cm, at most 1.0" in text
