"""Rules: temperatures follow Newton's law wherever a thing is, and do not depend on the step."""

from __future__ import annotations

import math

import pytest

from tasks.household import rules


def test_things_in_a_running_oven_warm_up_by_newtons_law(bench):
    b = bench().put("pizza_1", "in", "oven_1")
    b.state.running["oven_1"] = True
    rules.advance(b.state, b.house.home, 60.0)
    expected = 180 + (20 - 180) * math.exp(-60 / 90)
    assert b.state.temperature["pizza_1"] == pytest.approx(expected)


@pytest.mark.parametrize(("is_open", "runs"), [(True, True), (False, False), (True, False)])
def test_an_oven_that_is_open_or_off_heats_nothing(bench, is_open, runs):
    b = bench().put("pizza_1", "in", "oven_1")
    b.state.running["oven_1"], b.state.opened["oven_1"] = runs, is_open
    rules.advance(b.state, b.house.home, 600.0)
    assert b.state.temperature["pizza_1"] == 20.0


def test_what_stands_on_the_oven_stays_cool_and_what_stands_on_the_stove_does_not(bench):
    b = bench().put("soup_1", "on", "oven_1").put("mug_1", "on", "stove_1")
    b.state.running["oven_1"] = b.state.running["stove_1"] = True
    rules.advance(b.state, b.house.home, 100.0)
    assert b.state.temperature["soup_1"] == 20.0 and b.state.temperature["mug_1"] > 50


def test_food_in_a_bowl_in_the_microwave_is_heated_too(bench):
    b = bench().put("bowl_1", "in", "microwave_1").put("potato_1", "in", "bowl_1")
    b.state.running["microwave_1"] = True
    rules.advance(b.state, b.house.home, 60.0)
    assert b.state.temperature["potato_1"] == b.state.temperature["bowl_1"] > 70


def test_one_long_step_is_many_short_ones(bench):
    long, short = (bench().put("egg_1", "in", "microwave_1") for _ in range(2))
    for b in (long, short):
        b.state.running["microwave_1"] = True
    rules.advance(long.state, long.house.home, 90.0)
    for _ in range(900):
        rules.advance(short.state, short.house.home, 0.1)
    for table in ("temperature", "cooking"):
        values = [getattr(b.state, table)["egg_1"] for b in (long, short)]
        assert values[0] == pytest.approx(values[1], rel=1e-9)
    assert long.state.cooking["egg_1"] > 20


def test_hot_soup_gets_cold_on_the_table_in_its_time(bench):
    b = bench().put("soup_1", "on", "table_1")
    b.state.temperature["soup_1"] = 75.0
    rules.advance(b.state, b.house.home, 600.0)
    assert b.state.temperature["soup_1"] > 50
    rules.advance(b.state, b.house.home, 3000.0)
    assert b.state.temperature["soup_1"] < 50


def test_a_washing_programme_that_is_broken_off_starts_anew(bench):
    b = bench().put("shirt_1", "in", "washing_machine_1")
    b.state.dirty["shirt_1"] = b.state.running["washing_machine_1"] = True
    rules.advance(b.state, b.house.home, 40.0)
    b.state.running["washing_machine_1"] = False
    rules.advance(b.state, b.house.home, 1.0)
    b.state.running["washing_machine_1"] = True
    rules.advance(b.state, b.house.home, 40.0)
    assert b.state.dirty["shirt_1"]
    rules.advance(b.state, b.house.home, 30.0)
    assert not b.state.dirty["shirt_1"]
