"""Labels: what is stored is read, pairs come out, nothing is lost, bad files are named."""

import json
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from octoworld.core.errors import DatasetError
from octoworld.data.episode import Episode
from octoworld.data.label_store import LabelStore
from octoworld.data.labels import (
    Clip,
    Label,
    clip_of,
    likes,
    load_clip,
    preferences,
    read_labels,
    stale,
    to_json,
)
from octoworld.data.reader import Dataset
from octoworld.data.writer import DatasetWriter


def an_episode(seed, length=6):
    columns = {"next.reward": np.arange(length, dtype=np.float32) + seed}
    return Episode(columns, "reach", 10, {"task": "Reach", "seed": seed})


@pytest.fixture
def run(tmp_path):
    """A run with one data set, "flights", of three episodes."""
    with DatasetWriter(tmp_path / "run/episodes/flights", fps=10, robot="r") as writer:
        for seed in range(3):
            writer.add(an_episode(seed))
    return tmp_path / "run"


@pytest.fixture
def flights(run):
    return Dataset(run / "episodes/flights")


@pytest.fixture
def clips(flights):
    return [clip_of(flights, "flights", k) for k in range(3)]


def test_labels_are_read_as_they_were_given(run, clips):
    store = LabelStore(run)
    given = [
        store.add("choice", clips=tuple(clips[:2]), preference=1.0, who="ada"),
        store.add("choice", clips=tuple(clips[1:]), preference=None),
        store.add("ranking", clips=tuple(clips), ranks=(1, 0, 1)),
        store.add("like", clips=(clips[2],), liked=True, who="ada"),
    ]
    assert read_labels(run) == given
    assert given[0].who == "ada" and given[0].when.endswith("+00:00")


def test_pairs_for_preference_learning(run, clips):
    a, b, c = clips
    store = LabelStore(run)
    store.add("choice", clips=(a, b), preference=0.0)
    store.add("choice", clips=(a, c), preference=None)  # could not be compared
    store.add("ranking", clips=(a, b, c), ranks=(1, 0, 1))
    pairs = [(p.first.episode, p.second.episode, p.value) for p in preferences(read_labels(run))]
    assert pairs == [(0, 1, 0.0), (0, 1, 0.0), (0, 2, 0.5), (1, 2, 1.0)]


def test_the_last_like_counts_for_each_person(run, clips):
    store = LabelStore(run)
    for who, liked in (("ada", True), ("bob", True), ("ada", False)):
        store.add("like", clips=(clips[0],), liked=liked, who=who)
    assert likes(read_labels(run)) == {("ada", clips[0]): False, ("bob", clips[0]): True}


def test_a_label_is_taken_back(run, clips):
    store = LabelStore(run)
    slip = store.add("like", clips=(clips[0],), liked=True)
    kept = store.add("like", clips=(clips[1],), liked=True)
    store.retract(slip)
    assert store.labels() == [kept]
    assert len(store.path.read_text().splitlines()) == 3


def test_labels_of_a_run_include_those_of_its_data_sets(run, clips):
    first = LabelStore(run).add("like", clips=(clips[0],), liked=True)
    second = LabelStore(run / "episodes/flights").add("like", clips=(clips[1],), liked=True)
    assert read_labels(run) == [first, second]
    assert read_labels(run / "episodes/flights") == [second]
    assert read_labels(run / "labels.jsonl") == [first]


def test_clips_are_steps_of_an_episode(run, flights):
    clip = clip_of(flights, "flights", 2, 1, 4)
    (label,) = [LabelStore(run).add("like", clips=(clip,), liked=True)]
    part = load_clip(flights, label.clips[0], columns=["next.reward"])
    assert part["next.reward"].tolist() == [3, 4, 5]
    assert part.info["seed"] == 2
    for wrong in ((3, 0, 1), (-1, 0, 1)):
        with pytest.raises(DatasetError, match=r"0\.\.2"):
            clip_of(flights, "flights", *wrong)
    for wrong in ((0, 4, 4), (0, -1, 2), (0, 0, 7)):
        with pytest.raises(DatasetError, match=r"0\.\.5"):
            clip_of(flights, "flights", *wrong)


def test_labels_of_what_was_recorded_anew_are_stale(run, clips, tmp_path):
    store = LabelStore(run)
    store.add("like", clips=(clips[0],), liked=True)
    gone = store.add("like", clips=(clips[1],), liked=True)
    with DatasetWriter(tmp_path / "anew", fps=10, robot="r") as writer:
        writer.add(an_episode(0))
        writer.add(an_episode(7))
    anew = Dataset(tmp_path / "anew")
    (problem,) = stale(store.labels(), {"flights": anew})
    assert gone.id in str(problem) and "not the one that was labelled" in str(problem)
    assert "flights" in str(stale(store.labels(), {})[0])
    with pytest.raises(DatasetError, match="not the one that was labelled"):
        load_clip(anew, clips[1])
    with pytest.raises(DatasetError, match=r"there are 0\.\.1"):
        load_clip(anew, clips[2])


def test_no_labels_are_an_empty_list(run):
    assert read_labels(run) == [] == LabelStore(run).labels()


WRITER = """
import sys
from octoworld.data.label_store import LabelStore
from octoworld.data.labels import Clip
store, clip = LabelStore(sys.argv[1]), Clip("flights", 0, 0, 6, "k")
for _ in range(int(sys.argv[2])):
    print(store.add("like", clips=(clip,), liked=True, who="x" * 300).id, flush=True)
"""


def start_writer(run, count):
    command = [sys.executable, "-c", WRITER, str(run), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_and_threads_write_at_once(run, clips):
    writers = [start_writer(run, 40) for _ in range(2)]
    store = LabelStore(run)

    def label():
        for _ in range(20):
            store.add("like", clips=(clips[0],), liked=True)

    threads = [threading.Thread(target=label) for _ in range(2)]
    for thread in threads:
        thread.start()
    said = {line.strip() for writer in writers for line in writer.communicate()[0].splitlines()}
    for thread in threads:
        thread.join()
    labels = read_labels(run)
    assert len(said) == 80 and said <= {label.id for label in labels}
    assert len(labels) == 120


def test_a_killed_writer_loses_nothing_that_it_acknowledged(run):
    writer = start_writer(run, 10**6)
    assert writer.stdout is not None
    said = [writer.stdout.readline().strip() for _ in range(20)]
    writer.send_signal(signal.SIGKILL)
    said += writer.communicate()[0].split("\n")[:-1]
    assert set(said) <= {label.id for label in read_labels(run)}


def test_half_a_line_is_no_label_and_goes_with_the_next(run, clips):
    store = LabelStore(run)
    first = store.add("like", clips=(clips[0],), liked=True)
    with open(store.path, "ab") as file:
        file.write(b'{"version": 1, "id": "' + b"0" * 9000)  # the machine stopped here
    assert store.labels() == [first]
    second = LabelStore(run).add("like", clips=(clips[1],), liked=True)
    assert store.labels() == [first, second]


def test_a_last_line_without_its_end_counts_when_it_is_whole(run, clips):
    store = LabelStore(run)
    given = [store.add("like", clips=(clip,), liked=True) for clip in clips[:2]]
    store.path.write_text(store.path.read_text().rstrip("\n"))  # as some editors do
    assert store.labels() == given
    given.append(store.add("like", clips=(clips[2],), liked=True))
    assert store.labels() == given


def test_a_growing_data_set_keeps_its_labels(flights, clips):
    store = LabelStore(flights.folder)
    first = store.add("like", clips=(clips[0],), liked=True)
    with DatasetWriter.append(flights.folder) as writer:
        writer.add(an_episode(3))
        writer.commit()
        second = store.add("like", clips=(clips[1],), liked=True)
        writer.add(an_episode(4))
    third = store.add("like", clips=(clips[2],), liked=False)
    assert store.labels() == [first, second, third]
    assert stale(store.labels(), {"flights": Dataset(flights.folder)}) == []


def test_a_file_that_was_put_aside_is_written_again(run, clips):
    store = LabelStore(run)
    first = store.add("like", clips=(clips[0],), liked=True)
    store.path.unlink()  # as when a data set was put in place that did not know it yet
    second = store.add("like", clips=(clips[1],), liked=True)
    assert store.labels() == [first, second]


def test_a_folder_in_the_place_of_the_file_is_said(run, clips):
    (run / "labels.jsonl").mkdir()
    with pytest.raises(DatasetError, match="the label is not stored"):
        LabelStore(run).add("like", clips=(clips[0],), liked=True)


def test_no_folder(tmp_path):
    with pytest.raises(DatasetError, match="expected a run or a data set"):
        LabelStore(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="expected a run, a data set"):
        read_labels(tmp_path / "nowhere")


CLIP = Clip("flights", 0, 0, 6, "k")
BAD_FIELDS = [
    ("choice", {"clips": (CLIP,), "preference": 1.0}, "with 1 clips"),
    ("choice", {"clips": (CLIP, CLIP), "preference": 0.7}, "preference 0.7, expected 1, 0, 0.5"),
    ("choice", {"clips": (CLIP, CLIP), "preference": float("nan")}, "preference nan"),
    ("choice", {"clips": (CLIP, CLIP), "preference": True}, "preference True"),
    ("ranking", {"clips": (CLIP,), "ranks": (0,)}, "with 1 clips"),
    ("ranking", {"clips": (CLIP, CLIP), "ranks": (0,)}, "expected 2 whole numbers"),
    ("ranking", {"clips": (CLIP, CLIP), "ranks": (0, -1)}, "expected 2 whole numbers"),
    ("ranking", {"clips": (CLIP, CLIP), "ranks": (0, 0.5)}, "expected 2 whole numbers"),
    ("like", {"clips": (CLIP, CLIP), "liked": True}, "with 2 clips"),
    ("like", {"clips": (CLIP,), "liked": 1}, "liked 1, expected true or false"),
    ("like", {"clips": (Clip("f", 0, 3, 3, "k"),), "liked": True}, "0 <= start < stop"),
    ("like", {"clips": (Clip("f", -1, 0, 3, "k"),), "liked": True}, "episode >= 0"),
    ("like", {"clips": (Clip(7, 1, 0, 3, "k"),), "liked": True}, "dataset 7 of a clip"),  # pyright: ignore[reportArgumentType]
    ("like", {"clips": (CLIP,), "liked": True, "who": 3}, "who 3, expected text"),
    ("praise", {"clips": (CLIP,)}, "expected choice"),
]


@pytest.mark.parametrize(("kind", "fields", "words"), BAD_FIELDS)
def test_what_is_no_label_is_not_stored(run, kind, fields, words):
    with pytest.raises(DatasetError, match="this is no label") as caught:
        LabelStore(run).add(kind, **fields)
    assert words in str(caught.value)
    assert read_labels(run) == []


GOOD = to_json(Label("like", (CLIP,), liked=True))
BAD_LINES = [
    "",
    "{",
    "nonsense",
    "[1]",
    "\0\0\0",
    "[" * 100_000,
    json.dumps(GOOD | {"version": 2}),
    json.dumps(GOOD | {"id": "7"}),
    json.dumps(GOOD | {"id": None}),
    json.dumps(GOOD | {"kind": "praise"}),
    json.dumps(GOOD | {"who": ["ada"]}),
    json.dumps(GOOD | {"clips": "all"}),
    json.dumps(GOOD | {"clips": []}),
    json.dumps(GOOD | {"clips": [None]}),
    json.dumps(GOOD | {"clips": [{"dataset": "flights"}]}),
    json.dumps(GOOD | {"clips": [GOOD["clips"][0] | {"episode": "0"}]}),
    json.dumps(GOOD | {"clips": [GOOD["clips"][0] | {"episode": True}]}),
    json.dumps(GOOD | {"clips": [GOOD["clips"][0] | {"stop": -1}]}),
    json.dumps(GOOD | {"clips": [GOOD["clips"][0] | {"camera": "front"}]}),
    json.dumps(GOOD | {"liked": "yes"}),
    json.dumps(GOOD | {"kind": "retraction", "retracts": 4}),
]


@pytest.mark.parametrize("line", BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_damaged_line_is_named(run, line):
    LabelStore(run).add("like", clips=(CLIP,), liked=True)
    with open(run / "labels.jsonl", "a") as file:
        file.write(line + "\n")
    with pytest.raises(DatasetError, match=r"labels.jsonl, line 2 is no label") as caught:
        read_labels(run)
    assert "\n" not in str(caught.value)


def test_text_that_is_no_utf8_is_named(run):
    (run / "labels.jsonl").write_bytes(b'{"\xff\xfe"}\n')
    with pytest.raises(DatasetError, match="line 1 is no label"):
        read_labels(run)
