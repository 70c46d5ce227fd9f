"""Evaluation: what counts as success under each protocol, and the table of paired differences."""

from __future__ import annotations

import numpy as np
import pytest

from octoworld.data.episode import Episode
from octoworld.recipes.evaluate import Outcome, format_table, from_rows, judge, summarise, to_rows


def episode(success: list[bool]) -> Episode:
    columns = {"next.success": np.array(success)}
    return Episode(columns, "lift it", 10, {"task": "PickUp", "seed": 7})


@pytest.mark.parametrize(
    ("success", "stop", "oracle", "self_stopped", "at_end"),
    [
        # lost again after the third step: only the simulator's own stop calls it a success
        ([False, True, True, False], None, True, False, False),
        # stopped before action 2, when what action 1 did was success
        ([False, True, True, False], 2, True, True, False),
        # stopped one step too soon
        ([False, True, True, True], 1, True, False, True),
        # stopped before anything was done
        ([True, True, True, True], 0, True, False, True),
        # never stopped: as at the end
        ([False, False, False, True], None, True, True, True),
        ([False, False, False, False], 3, False, False, False),
    ],
)
def test_protocols(success, stop, oracle, self_stopped, at_end):
    outcome = judge(episode(success), lambda e: stop)
    assert (outcome.oracle, outcome.self_stopped, outcome.at_end) == (oracle, self_stopped, at_end)
    assert outcome.stop_step == (-1 if stop is None else stop)
    assert outcome.success_step == (success.index(True) if any(success) else -1)


def outcomes(hits: list[int]) -> list[Outcome]:
    return [Outcome("PickUp", s, bool(h), bool(h), bool(h), -1, -1) for s, h in enumerate(hits)]


def test_differences_are_paired_by_start():
    before, after = outcomes([1, 0, 0, 0] * 25), outcomes([1, 1, 0, 0] * 25)
    rows = summarise({"sft": before, "posttrained": after}, "sft", ["oracle"])
    whole = [r for r in rows if r["task"] == "all"]
    assert [r["success"] for r in whole] == [0.25, 0.5]
    assert whole[1]["difference"] == 0.25
    low, high = whole[1]["difference_ci"]
    # the unpaired interval of the same rates is about +-13 points
    assert 0.16 < low < 0.25 < high < 0.34
    assert "25.0 %" in format_table(rows) and "+25.0" in format_table(rows)


def test_outcomes_survive_json():
    rows = outcomes([1, 0])
    assert from_rows(to_rows(rows)) == rows
