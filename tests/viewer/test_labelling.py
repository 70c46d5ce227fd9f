"""The page for labels: it asks about what can be compared, and stores each answer at once."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import viser

from octoworld.core.errors import DatasetError
from octoworld.data.label_store import LabelStore
from octoworld.data.labels import preferences, read_labels, stale
from octoworld.data.writer import DatasetWriter
from octoworld.viewer.app import ViewerApp
from octoworld.viewer.labelling import LabelTab
from octoworld.viewer.questions import Questions, best_first
from octoworld.viewer.recording import open_recording

from .conftest import make_episode


@pytest.fixture(scope="module")
def server():
    server = viser.ViserServer(host="127.0.0.1", port=18380, verbose=False)
    yield server
    server.stop()


@pytest.fixture
def run(run_folder, tmp_path):
    """The shared run with a place of its own for labels."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "episodes").symlink_to(run_folder / "episodes")
    return folder


@pytest.fixture
def tab(server, run):
    tab = LabelTab(server.gui, open_recording(run), LabelStore(run), seed=0)
    yield tab
    tab.close()


def asked(tab):
    return [(clip.dataset, clip.episode) for clip in tab.clips]


def test_a_choice_is_on_disk_and_the_next_is_asked(tab, run):
    tab.who.value = "ada"
    tab.ask()
    first = asked(tab)
    shown = tab.frame(5)
    assert shown.shape == (18 + 256, 2 * 256 + 4, 3)  # two clips of 64 px, four times enlarged
    assert (tab.choice.visible, tab.rank.visible) == (True, False)
    tab.choose(0.0)
    (label,) = read_labels(run)
    assert [(c.dataset, c.episode) for c in label.clips] == first
    assert (label.preference, label.who) == (0.0, "ada")
    assert asked(tab) and set(asked(tab)) != set(first)
    assert stale([label], tab.recording.datasets) == []


def test_every_pair_is_asked_once(tab, run):
    tab.ask()
    for _ in range(6):  # of four episodes
        assert tab.clips
        tab.choose(None)
    assert tab.clips == () and "No clips are left" in tab.note.content
    labels = read_labels(run)
    assert len({frozenset(label.clips) for label in labels}) == 6
    assert preferences(labels) == []  # nothing could be told
    again = Questions(tab.recording, labels)
    assert again.draw("same task", 2) is None  # also by who comes later


def test_a_ranking_of_three(tab, run):
    tab.count.value = "3"
    tab.ask()
    assert (tab.choice.visible, tab.rank.visible) == (False, True)
    assert tab.rank.options == ("A", "B", "C")
    clips = tab.clips
    tab.place(2)
    tab.place(2)  # a double click
    tab.press("1")  # A; B is left and last
    (label,) = read_labels(run)
    assert label.clips == clips and label.ranks == (1, 2, 0)
    assert len(preferences([label])) == 3


def test_keys_choose(tab, run):
    tab.ask()
    for key in ("2", "7", "0", "1"):
        tab.press(key)
    assert [label.preference for label in read_labels(run)] == [0.0, 0.5, 1.0]


def test_undo(tab, run):
    tab.ask()
    tab.choose(1.0)
    tab.choose(0.5)
    tab.undo()
    assert [label.preference for label in read_labels(run)] == [1.0]
    tab.count.value = "3"
    tab.place(0)
    tab.undo()  # of the half-made ranking only
    assert len(read_labels(run)) == 1
    tab.place(1)
    tab.place(0)
    assert read_labels(run)[-1].ranks == (1, 0, 2)


def test_clips_may_be_shorter_than_episodes(tab, run):
    tab.seconds.value = 0.5
    tab.ask()
    assert all(clip.stop - clip.start == 5 for clip in tab.clips)
    tab.choose(1.0)
    assert read_labels(run)[0].clips[0].stop <= 24


def test_two_people_answer_at_once(server, run):
    recording, store = open_recording(run), LabelStore(run)
    tabs = [LabelTab(server.gui, recording, store, seed=k) for k in range(2)]
    try:
        for tab, name in zip(tabs, ("ada", "bob"), strict=True):
            tab.who.value = name
            tab.ask()
        questions = [tab.clips for tab in tabs]
        tabs[0].choose(1.0)
        tabs[1].choose(0.0)
        labels = read_labels(run)
        assert [(x.who, x.clips) for x in labels] == list(
            zip(("ada", "bob"), questions, strict=True)
        )
    finally:
        for tab in tabs:
            tab.close()


def test_same_start_pairs_runs_by_task_and_seed(tmp_path):
    for name in ("before", "after"):
        with DatasetWriter(tmp_path / "episodes" / name, fps=10, robot="two_link") as writer:
            for seed in (0, 1):
                writer.add(make_episode(seed))
    questions = Questions(open_recording(tmp_path), [], seed=0)
    assert questions.scopes()[0] == "same start"
    for _ in range(2):
        clips = questions.draw("same start", 2)
        assert clips is not None
        assert {c.dataset for c in clips} == {"before", "after"}
        assert clips[0].episode == clips[1].episode
        questions.answered(clips)
    assert questions.draw("same start", 2) is None
    assert questions.draw("same start", 3) is None


def test_without_pictures_nothing_is_asked(server, bare_folder):
    tab = LabelTab(server.gui, open_recording(bare_folder), LabelStore(bare_folder))
    assert "there are none" in tab.text.content


def test_a_question_stays_until_its_answer_is_stored(tab, run):
    tab.ask()
    clips = tab.clips
    (run / "labels.jsonl").mkdir()
    tab.choose(1.0)
    assert "not stored" in tab.note.content and tab.clips == clips
    (run / "labels.jsonl").rmdir()
    tab.choose(1.0)
    assert [label.clips for label in read_labels(run)] == [clips]


def test_a_damaged_film_is_said_and_others_are_asked(server, run_folder, tmp_path):
    run = Path(shutil.copytree(run_folder, tmp_path / "copy"))
    shutil.rmtree(run / "episodes/before/videos")
    tab = LabelTab(server.gui, open_recording(run), LabelStore(run), seed=0)
    notes = []
    for _ in range(6):
        tab.ask()
        notes.append(tab.note.content)
        if tab.clips:
            assert {c.dataset for c in tab.clips} == {"after"}
            tab.choose(1.0)
            notes.append(tab.note.content)
    tab.close()
    assert any("is missing" in note for note in notes)
    assert len(read_labels(run)) == 1


def test_damaged_labels_are_said_and_new_ones_go_behind(server, run):
    (run / "labels.jsonl").write_text("nonsense\n")
    tab = LabelTab(server.gui, open_recording(run), LabelStore(run), seed=0)
    assert "line 1 is no label" in tab.note.content
    tab.ask()
    tab.choose(1.0)
    tab.close()
    lines = (run / "labels.jsonl").read_text().splitlines()
    assert lines[0] == "nonsense" and len(lines) == 2


def test_order_to_ranks():
    assert best_first((), []) == ()
    with pytest.raises(DatasetError, match=r"each of 0\.\.1 once"):
        best_first((None, None), [0, 0])  # pyright: ignore[reportArgumentType]


def test_likes_outlive_the_viewer(run):
    app = ViewerApp(open_recording(run), port=18381)
    try:
        app.like()
        app.finder.episode.value = app.finder.episode.options[1]
        assert app.like_button.label == "Like"
        app.like()
        app.like()  # no longer
    finally:
        app.close()
    app = ViewerApp(open_recording(run), port=18381)
    try:
        assert app.like_button.label == "Liked"
        app.finder.episode.value = app.finder.episode.options[1]
        assert app.like_button.label == "Like"
    finally:
        app.close()
    assert [label.liked for label in read_labels(run)] == [True, True, False]
    assert np.array_equal([label.clips[0].episode for label in read_labels(run)], [0, 1, 1])
