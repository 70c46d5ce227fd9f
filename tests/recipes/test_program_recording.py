"""Agents that write programs, recorded: rows and turns find each other, and the page shows both."""

from __future__ import annotations

import numpy as np
import pytest

from octoworld.core.errors import DatasetError
from octoworld.data.check import check
from octoworld.data.episode import Episode
from octoworld.data.programs import PROGRAM, moment_of
from octoworld.data.reader import Dataset
from octoworld.recipes.program_recording import OracleAgent, home_scene, record_programs
from octoworld.recipes.recording import write_dataset
from octoworld.viewer.app import ViewerApp
from octoworld.viewer.recording import open_recording
from tasks.household import Instance
from vla.programmer import Answer, Limits, make_runner
from vla.programmer.strategies import get_strategy

INSTANCE = Instance("open:fridge", 0)


class TwoTries:
    """Calls what there is not, then answers nothing, then does what the oracle does."""

    name, strategy = "two tries", get_strategy("retry")

    def __init__(self):
        self.oracle = OracleAgent(INSTANCE)

    def reset(self, skills):
        pass

    def act(self, view):
        if view.turn == 0:
            return Answer("go there", "wait(1)\n# a thing that is nowhere\npick('<moon>')\n")
        return self.oracle.act(view)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs") / "data"
    episode, record = record_programs(
        INSTANCE, TwoTries(), make_runner("grammar", Limits(calls=20))
    )
    write_dataset(folder, [episode])
    (folder / "scene.xml").write_text(home_scene(INSTANCE))
    return folder, Dataset(folder).episode(0), record


def test_a_row_for_each_call_and_for_each_end(recorded):
    folder, episode, record = recorded
    assert not check(folder) and record.success
    assert (
        len(episode)
        == len(record.calls) + len(record.turns)
        == 2 + 1 + len(record.turns[1].execution.calls) + 1
    )
    assert [moment_of(episode, row).line for row in range(4)] == [1, 3, 0, 1]
    assert moment_of(episode, 2).is_end and moment_of(episode, 2).number == 0
    assert episode["next.success"].tolist() == [False] * (len(episode) - 1) + [True]
    assert episode["next.reward"].sum() == pytest.approx(1.0)
    assert episode["observation.images.ego"].shape[1:] == (128, 128, 3)
    calls = episode.info[PROGRAM]["turns"][1]["calls"]
    changed = {thing for call in calls for thing in call["changed"]}
    assert any("fridge" in thing for thing in changed)


def test_the_page_follows_the_program(recorded):
    app = ViewerApp(open_recording(recorded[0]), port=18180)
    try:
        assert app.program is not None
        app.timeline.value = 1
        assert "▶ line 3: pick(&#x27;&lt;moon&gt;&#x27;)" in app.program.text.content
        assert "Turn 1 of 2" in app.program.text.content and "go there" in app.program.text.content
        app.timeline.value = 2
        assert "The program stopped at" in app.program.text.content
        app.timeline.value = len(recorded[1]) - 2
        assert "is now open: yes" in app.program.text.content and app.program.picture.visible
        app.timeline.value = len(recorded[1]) - 1
        assert "100 % of the goal" in app.program.text.content
        assert app.stage.replay is not None and not [
            line for line in app.missing_text.content.splitlines() if "3D" in line
        ]
    finally:
        app.close()


def test_what_does_not_fit_is_said(recorded):
    facts = {PROGRAM: {"turns": [{"calls": [], "plan": ""}]}}
    with pytest.raises(DatasetError, match="has 1 rows, and row 1"):
        moment_of(Episode({"a": np.zeros(2)}, "x", 1, facts), 1)
    with pytest.raises(DatasetError, match="damaged"):
        moment_of(Episode({"a": np.zeros(2)}, "x", 1, {PROGRAM: {}}), 0)
