"""A world model is calibrated when it ranks policies as truth does and invents no success."""

import math

import numpy as np
import pytest

from octoworld.core.errors import ConfigError
from worldmodels.calibration import (
    Unit,
    as_text,
    calibrate_success,
    draw_card,
    fisher_interval,
    rank_violation,
)


def unit(policy: str, task: str, imagined: int, true: int, count: int = 20) -> Unit:
    """`imagined` and `true` successes of `count`; the first ones won."""
    won = tuple(i < imagined for i in range(count))
    return Unit(policy, task, won, tuple(i < true for i in range(count)))


def grid(imagine) -> list[Unit]:
    return [
        unit(f"policy {p}", f"task {t}", imagine(3 * p + t), 3 * p + t)
        for p in range(6)
        for t in range(4)
    ]


def test_a_perfect_judge_has_nothing_to_hide():
    card = calibrate_success(grid(lambda true: true))
    assert card.pearson == pytest.approx(1) and card.spearman == pytest.approx(1)
    assert card.mmrv == 0 and card.bias == 0 and card.units == 24 and card.is_conclusive
    assert card.leave_one_out == (pytest.approx(1), pytest.approx(1))


def test_optimism_is_bias_and_a_turned_order_is_a_violation():
    hopeful = calibrate_success(grid(lambda true: min(true + 4, 20)))
    assert hopeful.bias == pytest.approx(0.2, abs=0.01) and hopeful.mmrv == 0
    turned = calibrate_success(grid(lambda true: 20 - true))
    assert turned.pearson == pytest.approx(-1) and turned.mmrv > 0.4


@pytest.mark.parametrize(("count", "low", "high"), [(6, 0.33, 0.99), (24, 0.78, 0.96)])
def test_the_interval_of_nine_tenths_is_wide_for_few_units(count, low, high):
    found = fisher_interval(0.9, count)
    assert found == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))


def test_rank_violation_by_hand():
    # the second and third are in the wrong order, .3 apart in truth; the first is right
    assert rank_violation(np.array([0.1, 0.6, 0.5]), np.array([0.0, 0.4, 0.7])) == (
        pytest.approx((0 + 0.3 + 0.3) / 3)
    )


def test_false_success_is_told_by_replay():
    truth = (True, True, False, False)
    replayed = Unit("p", "a", (True, True, True, False), truth, replayed=truth)
    card = calibrate_success([replayed, unit("p", "b", 3, 2), unit("q", "a", 5, 6)])
    assert card.false_success == pytest.approx(1 / 3) and card.false_failure == 0
    text = as_text(card, [replayed])
    assert "33.3 %" in text and "Fewer than 24 units" in text
    alone = calibrate_success([unit("p", "b", 3, 2), unit("q", "a", 5, 6), unit("r", "a", 7, 7)])
    assert math.isnan(alone.false_success) and "replayed | none" in as_text(alone, [])
    # of 3 + 3 + 5 imagined successes one starts where the policy itself truly fails, too
    assert card.unmatched_success == pytest.approx(2 / 11)


def test_telling_tasks_apart_is_not_telling_policies_apart():
    # the imagined rate is the task's, whichever policy acts: hard tasks are found, that is all
    easy_and_hard = [
        unit(f"policy {p}", f"task {t}", 15 * t + 2 + p % 2, 15 * t + 3 * (p // 2))
        for p in range(4)
        for t in range(2)
    ]
    card = calibrate_success(easy_and_hard)
    assert card.pearson > 0.9 and card.within_task == pytest.approx(0, abs=1e-6)
    assert card.leave_task_out == (pytest.approx(0, abs=1e-6),) * 2


def test_the_card_is_drawn(tmp_path):
    units = grid(lambda true: true)
    draw_card(calibrate_success(units), units, tmp_path / "card.png")
    assert (tmp_path / "card.png").stat().st_size > 5000


def test_what_cannot_be_calibrated_is_named():
    with pytest.raises(ConfigError, match="at least 3 units, got 2"):
        calibrate_success([unit("p", "a", 1, 1), unit("q", "a", 1, 1)])
    with pytest.raises(ConfigError, match="'p' stands twice for task 'a'"):
        calibrate_success([unit("p", "a", 1, 1)] * 3)
    with pytest.raises(ConfigError, match="3 imagined, 2 true"):
        Unit("p", "a", (True, True, False), (True, False))
