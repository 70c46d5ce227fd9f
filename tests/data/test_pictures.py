"""`octoworld dataset stats`: true numbers, and pictures that show what is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from octoworld.cli.main import main
from octoworld.core.errors import DatasetError
from octoworld.core.io import read_json
from octoworld.data.episode import Episode
from octoworld.data.pictures import TILE, chosen, contact_sheet, histograms
from octoworld.data.reader import Dataset
from octoworld.data.summary import load_columns, summary
from octoworld.data.writer import DatasetWriter

RED, GREEN, BLUE, YELLOW = (200, 40, 40), (40, 170, 60), (40, 60, 200), (220, 200, 40)
TASKS = ("PickUp", "PickUp", "PickUp", "PickUp", "OpenDrawer")


def make_episode(k: int, cameras: tuple[str, ...]) -> Episode:
    """Red, then green, then blue; the second camera is yellow; even episodes succeed."""
    length = 5 + k
    frames = np.full((length, 16, 16, 3), GREEN, np.uint8)
    frames[0], frames[-1] = RED, BLUE
    columns = {
        "observation.state": np.full((length, 3), k, np.float32),
        "action": np.stack([np.linspace(-1, 1, length), np.full(length, 0.5)], 1).astype("f4"),
        "next.success": (np.arange(length) == length - 2) & (k % 2 == 0),
    }
    for i, camera in enumerate(cameras):
        column = frames if i == 0 else np.full_like(frames, YELLOW)
        columns[f"observation.images.{camera}"] = column
    info = {"task": TASKS[k], "split": "train", "seed": k}
    return Episode(columns, f"do thing {k % 2}", 10, info)


def record(folder: Path, cameras: tuple[str, ...] = ("front", "wrist")) -> Path:
    names = {"action": ["dx", "gripper"]}
    with DatasetWriter(folder, 10, "panda", names=names, video=False) as writer:
        for k in range(len(TASKS)):
            writer.add(make_episode(k, cameras))
    return folder


def test_numbers_are_true(tmp_path):
    dataset = Dataset(record(tmp_path / "d"))
    facts = summary(dataset, load_columns(dataset))
    assert (facts["episodes"], facts["steps"], facts["fps"]) == (5, 35, 10)
    assert facts["seconds"] == 3.5 and facts["splits"] == {"train": 5}
    assert facts["cameras"] == {"front": [16, 16, 3], "wrist": [16, 16, 3]}
    assert facts["success"] == 0.6
    pick, drawer = facts["tasks"]["PickUp"], facts["tasks"]["OpenDrawer"]
    assert (pick["episodes"], pick["steps"], pick["success"]) == (4, 26, 0.5)
    assert (drawer["episodes"], drawer["success"], drawer["instructions"]) == (1, 1.0, 1)
    assert pick["lengths"] == {"min": 5, "median": 6.5, "mean": 6.5, "max": 8}
    actions = np.concatenate([make_episode(k, ())["action"] for k in range(5)])
    action = facts["columns"]["action"]
    assert action["names"] == ["dx", "gripper"]
    np.testing.assert_allclose(action["std"], actions.std(0), rtol=1e-6)
    np.testing.assert_allclose(action["q10"], np.quantile(actions, 0.1, axis=0), rtol=1e-6)
    assert facts["columns"]["observation.state"]["names"] == ["0", "1", "2"]


def test_episodes_are_chosen_from_every_task_and_from_all_over(tmp_path):
    dataset = Dataset(record(tmp_path / "d"))
    assert [e.index for e in chosen(dataset, 3)] == [0, 3, 4]
    assert [e.index for e in chosen(dataset, 2)] == [0, 4]
    assert [e.index for e in chosen(dataset, 99)] == [0, 1, 2, 3, 4]


def test_contact_sheet_shows_first_middle_and_last_frame_of_each_camera(tmp_path):
    dataset = Dataset(record(tmp_path / "d"))
    sheet = contact_sheet(dataset, load_columns(dataset), 1)
    flat = sheet.reshape(-1, 3)
    tiles = {color: int((flat == color).all(1).sum()) / TILE**2 for color in
             (RED, GREEN, BLUE, YELLOW)}  # fmt: skip
    assert tiles == {RED: 1, GREEN: 1, BLUE: 1, YELLOW: 3}
    where = {c: np.argwhere((sheet == c).all(2)).mean(0) for c in (RED, GREEN, BLUE, YELLOW)}
    assert where[RED][1] < where[GREEN][1] < where[BLUE][1] < where[YELLOW][1]
    assert where[RED][0] == where[BLUE][0] == where[YELLOW][0]
    more = contact_sheet(dataset, load_columns(dataset), 5)
    assert int((more.reshape(-1, 3) == RED).all(1).sum()) == 5 * TILE**2


def test_a_dataset_without_cameras_has_histograms_alone(tmp_path, capsys):
    folder = record(tmp_path / "d", cameras=())
    with pytest.raises(DatasetError, match="no cameras"):
        contact_sheet(Dataset(folder), {}, 1)
    assert main(["dataset", "stats", str(folder)]) == 0
    assert "cameras none" in capsys.readouterr().out
    found = sorted(p.name for p in (tmp_path / "d-stats").iterdir())
    assert found == ["histogram-action.png", "histogram-state.png", "stats.json"]


def test_histograms_have_a_panel_for_each_element_whose_bars_are_shares(tmp_path):
    dataset = Dataset(record(tmp_path / "d"))
    figure = histograms(dataset, load_columns(dataset), "action")
    panels = [a for a in figure.axes if a.get_visible()]
    assert [a.get_title() for a in panels] == ["dx", "gripper"]
    for axis in panels:
        heights = [bar.get_height() for bar in axis.patches]  # type: ignore[attr-defined]
        assert sum(heights) == pytest.approx(1)


def test_stats_writes_beside_the_dataset_or_where_it_is_told(tmp_path, capsys):
    folder = record(tmp_path / "d")
    assert main(["dataset", "stats", str(folder)]) == 0
    shown = capsys.readouterr().out
    for words in ("PickUp", "50.0 %", "5 episodes, 35 steps at 10 Hz", "front 16x16", "gripper",
                  "splits: train 5", str(tmp_path / "d-stats" / "contact_sheet.png")):  # fmt: skip
        assert words in shown
    made = tmp_path / "d-stats"
    assert read_json(made / "stats.json")["episodes"] == 5
    with Image.open(made / "contact_sheet.png") as sheet:
        assert sheet.size[0] > 6 * TILE
    other = tmp_path / "other"
    assert main(["dataset", "stats", str(folder), "--out", str(other), "--no-pictures"]) == 0
    assert [p.name for p in other.iterdir()] == ["stats.json"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--episodes", "0"), "episodes 0: expected 1 or more"),
        (("--out", "."), "is the dataset itself"),
    ],
)
def test_wrong_options_are_one_line(tmp_path, monkeypatch, capsys, options, words):
    folder = record(tmp_path / "d", cameras=())
    monkeypatch.chdir(folder)
    assert main(["dataset", "stats", str(folder), *options]) == 2
    line = capsys.readouterr().err
    assert words in line and line.count("\n") == 1
    assert not (folder / "stats.json").exists()
