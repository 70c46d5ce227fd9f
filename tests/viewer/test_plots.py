"""Curves that an episode's columns give: recovered actions, value and advantage."""

import numpy as np

from octoworld.data.episode import Episode
from octoworld.viewer.plots import MOST_ACTIONS, curves_of
from octoworld.viewer.svgplots import svg_plot

STEPS = 6


def recorded(**columns):
    names = {"action": ("dx", "dy", "gripper"), "recovered.action": ("gripper", "dx")}
    columns = {name.replace("__", "."): x for name, x in columns.items()}
    return Episode({"action": np.zeros((STEPS, 3), np.float32)} | columns, "go", 10, names=names)


def test_recovered_actions_are_dashed_in_the_colour_of_what_was_commanded():
    values = np.stack([np.full(STEPS, 0.5), np.arange(STEPS) / STEPS], 1).astype(np.float32)
    is_read = np.array([True, True, False, True, True, False])
    curves = dict(curves_of(recorded(recovered__action=values, recovered__is_read=is_read)))
    by_name = {curve.name: curve for curve in curves["actions"]}
    assert list(by_name) == [
        "dx", "dy", "gripper", "gripper (read off frames)", "dx (read off frames)"
    ]  # fmt: skip
    for name in ("dx", "gripper"):
        read = by_name[f"{name} (read off frames)"]
        assert read.dashed and not by_name[name].dashed
        assert read.color == by_name[name].color != by_name["dy"].color
        assert np.array_equal(np.isfinite(read.values), is_read)
    assert np.allclose(by_name["dx (read off frames)"].values[is_read], values[is_read, 1])
    assert svg_plot(curves["actions"], 10).count("stroke-dasharray") == 2


def test_recovered_actions_without_names_are_numbered_and_not_too_many():
    read = Episode({"recovered.action": np.zeros((STEPS, 40), np.float32)}, "go", 10)
    ((title, curves),) = curves_of(read)
    assert title == "actions" and len(curves) == MOST_ACTIONS
    assert curves[1].name == "action 1 (read off frames)"


def test_value_and_advantage_are_a_plot_where_they_are_recorded():
    value, advantage = np.linspace(1, 2, STEPS), np.linspace(-1, 1, STEPS)
    judged = recorded(policy__value=value, policy__advantage=advantage)
    plots = dict(curves_of(judged, judged, "before"))
    curves = plots["value and advantage"]
    assert [c.name for c in curves] == [
        "value", "advantage", "value (before)", "advantage (before)"
    ]  # fmt: skip
    assert np.array_equal(curves[0].values, value) and curves[3].dashed
    assert "value and advantage" not in dict(curves_of(recorded()))
    alone = recorded(policy__value=value)
    assert [c.name for c in dict(curves_of(alone))["value and advantage"]] == ["value"]
