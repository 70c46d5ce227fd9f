"""Finding episodes in the viewer: filters, order, neighbours, and the same start in another run."""

# pyright: reportAttributeAccessIssue=false

import numpy as np
import pytest

from octoworld.data.episode import Episode
from octoworld.data.labels import clip_of, load_clip
from octoworld.data.lazy_video import NEAR, LazyFrames
from octoworld.data.reader import Dataset
from octoworld.data.writer import DatasetWriter
from octoworld.viewer import finder as finder_module
from octoworld.viewer.app import ViewerApp
from octoworld.viewer.catalogue import Entry, Wanted, catalogue, partner, select
from octoworld.viewer.plots import Curve, plot_data, thinned
from octoworld.viewer.recording import open_recording


def an_episode(seed, total, succeeds, task="Reach", length=8, color=90):
    columns = {
        "observation.images.front": np.full((length, 32, 32, 3), color, np.uint8),
        "next.reward": np.full(length, total / length, np.float32),
        "next.success": np.arange(length) >= (length - 1 if succeeds else length),
        "reflector.probability": np.full(length, 0.75, np.float32),
    }
    return Episode(columns, f"{task} now", 10, {"task": task, "seed": seed})


ROWS = [(5, 2.0, True, "Reach"), (6, 1.0, False, "Reach"), (7, 4.0, True, "Push"),
        (8, -3.0, False, "Push")]  # fmt: skip


def write(folder, rows, **options):
    with DatasetWriter(folder, fps=10, robot="r") as writer:
        for seed, total, succeeds, task in rows:
            writer.add(an_episode(seed, total, succeeds, task, **options))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browsing") / "run"
    write(folder / "episodes/first", ROWS)
    write(folder / "episodes/second", ROWS[2:1:-1] + ROWS[:1], length=11, color=200)
    return folder


@pytest.fixture(scope="module")
def shared_app(run):
    app = ViewerApp(open_recording(run), port=18480)
    yield app
    app.close()


@pytest.fixture
def app(shared_app):
    shared_app.beside.value = "nothing"
    shared_app.open_dataset("first")
    return shared_app


def listed(app):
    return [int(label[:3]) for label in app.finder.episode.options]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), [0, 1, 2, 3]),
        (Wanted(task="Push"), [2, 3]),
        (Wanted(outcome="failure"), [1, 3]),
        (Wanted(outcome="success", low=3), [2]),
        (Wanted(high=1.0), [1, 3]),
        (Wanted(order="worst first"), [3, 1, 0, 2]),
        (Wanted(order="best first"), [2, 0, 1, 3]),
        (Wanted(order="reflector most wrong first"), [1, 3, 0, 2]),
        (Wanted(task="Sort"), []),
    ],
)
def test_filters_and_orders(run, wanted, expected):
    entries = catalogue(Dataset(run / "episodes/first"))
    assert [entry.index for entry in select(entries, wanted)] == expected


def test_what_is_not_recorded_comes_last():
    bare = Entry(0, "Reach", "reach", 9, None, None, None, None)
    good, bad = (Entry(i, "Reach", "reach", 5, 1, bool(i - 2), 1.0, 0.5) for i in (1, 2))
    for order, expected in (("worst first", [2, 1, 0]), ("best first", [1, 2, 0])):
        found = select([bare, good, bad], Wanted(order=order))
        assert [entry.index for entry in found] == expected
    assert select([bare, good], Wanted(order="longest first")) == [bare, good]
    assert select([bare], Wanted(outcome="failure")) == []
    assert bare.label == "000 reach"


def test_lists_follow_the_filters(app):
    app.finder.order.value = "worst first"
    assert listed(app) == [3, 1, 0, 2]
    app.finder.outcome.value = "success"
    assert listed(app) == [0, 2]  # the shown one, 0, is among them
    app.finder.task.value = "Push"
    assert listed(app) == [0, 2] and app.index == 0  # shown, though not wanted
    assert app.finder.note.content == "1 of 4 episodes"
    app.go(1)
    assert app.index == 2
    app.finder.total.value = (0, 50)  # up to 0.5, half way from -3 to 4
    assert app.finder.note.content == "0 of 4 episodes"
    app.go(1)
    assert app.index == 2  # there is no other
    app.open_dataset("second")
    assert app.finder.task.value == "all tasks" and listed(app) == [0, 1]


def test_page_keys_go_through_the_list(app):
    app.finder.order.value = "best first"
    app.go(1)
    assert app.index == 1  # 2, 0, 1, 3
    app.go(-1)
    app.go(-1)
    app.go(-1)
    assert app.index == 2


def test_long_lists_are_cut(app, monkeypatch):
    monkeypatch.setattr(finder_module, "MOST", 2)
    app.finder.order.value = "worst first"
    assert listed(app) == [0, 3, 1]  # the shown one first
    assert "the first 2 are listed" in app.finder.note.content


def test_the_same_start_is_shown_beside(app):
    app.beside.value = "second"
    name, other = app.other
    assert (name, other.info["seed"]) == ("second", 5)
    assert app.images["front"].shape == (18 + 256, 2 * 256 + 4, 3)
    assert app.timeline.max == 10  # of the longer one
    app.timeline.value = 10
    assert abs(int(app.images["front"][100, 100, 0]) - 90) < 4
    assert abs(int(app.images["front"][100, 400, 0]) - 200) < 4
    names = [curve.name for curve in app.signals.plots[0].curves]
    assert names == ["reward", "success", "reward (second)", "success (second)"]
    ours, theirs = (app.signals.plots[0].curves[k].values for k in (0, 2))
    assert np.isnan(ours[8:]).all() and np.isfinite(theirs).all()


def test_no_such_start_is_said(app):
    app.beside.value = "second"
    app.open_episode(3)
    assert app.other is None and "seed 8: nothing beside" in app.missing_text.content
    app.open_episode(2)
    assert app.other is not None and "nothing beside" not in app.missing_text.content


def test_two_runs_are_opened_beside_each_other(run, tmp_path):
    write(tmp_path / "later", ROWS)
    both = open_recording(run).beside(open_recording(tmp_path / "later"))
    assert list(both.datasets) == ["first", "second", "later/later"]
    same = open_recording(run).beside(open_recording(run))
    assert "browsing" in list(same.datasets)[2] or len(same.datasets) == 4
    entry = catalogue(both.datasets["first"])[3]
    twin = partner(catalogue(both.datasets["later/later"]), entry)
    assert twin is not None and twin.index == 3
    assert partner([entry], Entry(0, "Push", "x", 1, None, None, None, None)) is None


def test_video_is_decoded_when_it_is_looked_at(tmp_path):
    length = 3 * NEAR + 5
    frames = np.zeros((length, 16, 16, 3), np.uint8)
    frames[:] = (np.arange(length) % 250)[:, None, None, None]
    with DatasetWriter(tmp_path / "d", fps=10, robot="r") as writer:
        for _ in range(2):
            writer.add(Episode({"observation.images.front": frames}, "x", 10))
    dataset = Dataset(tmp_path / "d")
    lazy = dataset.episode(1, lazy=True)["observation.images.front"]
    whole = dataset.episode(1)["observation.images.front"]
    assert isinstance(lazy, LazyFrames) and lazy.shape == whole.shape
    for t in (0, NEAR, length - 1, NEAR - 1, -1, 3, *range(70, 75), *range(60, 55, -1)):
        assert (lazy[t] == whole[t]).all()
    assert (lazy[5:9] == whole[5:9]).all() and (lazy[::50] == whole[::50]).all()
    assert (np.asarray(lazy) == whole).all()
    with pytest.raises(IndexError):
        lazy[length]
    clip = load_clip(dataset, clip_of(dataset, "d", 1, 40, 43))
    assert (clip["observation.images.front"] == whole[40:43]).all()


def test_plots_of_long_episodes_keep_their_extremes():
    values = np.sin(np.arange(100_000) / 900.0)
    values[77_777], values[5] = 40.0, np.nan
    curves = [Curve("a", values, "#000000"), Curve("b", -values, "#000000")]
    points = thinned(curves)
    assert len(points) < 1100 and {0, 77_777, 99_999} <= set(points.tolist())
    for step in (0, 12_345, 99_999):
        clock, first, _, cursor = plot_data(curves, step, 10, points)
        assert len(clock) == len(first) == len(cursor) and (np.diff(clock) >= 0).all()
        assert clock[cursor.argmax()] == pytest.approx(step / 10) and cursor.max() == 40.0
