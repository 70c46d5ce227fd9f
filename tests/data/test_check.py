"""`octoworld dataset check` finds every planted damage, names its place, and passes sound data."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from octoworld.cli.dataset import main
from octoworld.data import Dataset, DatasetWriter, Episode
from octoworld.data.check import check
from octoworld.data.video import VideoConfig, VideoEncoder

FRONT = "videos/observation.images.front/chunk-000/file-000.mp4"
DATA = "data/chunk-000/file-000.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
LENGTHS = (9, 14, 11)


def make_episode(seed: int, length: int) -> Episode:
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (length, 4, 4, 3), np.uint8)
    columns = {
        "observation.images.front": blocks.repeat(8, 1).repeat(8, 2),
        "observation.images.wrist": blocks[:, ::-1].repeat(8, 1).repeat(8, 2),
        "observation.state": rng.normal(size=(length, 8)).astype(np.float32),
        "action": rng.uniform(-1, 1, (length, 4)).astype(np.float32),
        "next.success": np.arange(length) == length - 1,
    }
    return Episode(columns, f"task {seed % 2}", 10, {"seed": seed})


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "set"
    with DatasetWriter(folder, 10, "panda", video={"front": True, "wrist": False}) as writer:
        for i, length in enumerate(LENGTHS):
            writer.add(make_episode(i, length))
    return folder


def edit_json(path: Path, change: Callable[[Any], object]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def edit_rows(path: Path, change: Callable[[list[dict]], object]) -> None:
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def write_video(path: Path, frames: np.ndarray, fps: int = 10) -> None:
    encoder = VideoEncoder(path, *frames.shape[1:3], fps=fps, config=VideoConfig())
    encoder.add(frames)
    encoder.close()


def all_frames(folder: Path) -> np.ndarray:
    episodes = Dataset(folder).load_all(cameras=["front"], columns=[])
    return np.concatenate([e["observation.images.front"] for e in episodes])


def cut_bytes(root: Path) -> None:
    data = (root / FRONT).read_bytes()
    (root / FRONT).write_bytes(data[: len(data) * 2 // 3])


def drop_frames(root: Path) -> None:
    write_video(root / FRONT, all_frames(root)[:-2])


def swap_episodes(root: Path) -> None:
    frames = all_frames(root)
    write_video(root / FRONT, np.concatenate([frames[9:], frames[:9]]))


def repeat_frame(root: Path) -> None:
    frames = all_frames(root)
    frames[12:16] = frames[11:15].copy()
    write_video(root / FRONT, frames)


def wrong_rate(root: Path) -> None:
    write_video(root / FRONT, all_frames(root), fps=12)


def shift_timestamps(rows: list[dict]) -> None:
    for row in rows[9:23]:
        row["timestamp"] += 0.05


def shift_clock(rows: list[dict]) -> None:
    for name in ("from_timestamp", "to_timestamp"):
        rows[1][f"videos/observation.images.front/{name}"] += 0.1


def set_cell(index: int, name: str, value: object) -> Callable[[list[dict]], None]:
    return lambda rows: rows[index].__setitem__(name, value)


def set_stat(stats: dict) -> None:
    stats["action"]["q90"][1] += 0.01


def damaged_png(rows: list[dict]) -> None:
    rows[10]["observation.images.wrist"]["bytes"] = b"no image"


def foreign_png(rows: list[dict]) -> None:
    rows[10]["observation.images.wrist"] = rows[0]["observation.images.wrist"]


TABLE_DAMAGES: dict[str, tuple[str, Callable[[list[dict]], object], str]] = {
    "timestamps shifted": (DATA, shift_timestamps, "episode 1: timestamp is 0.05 at frame 0"),
    "index jumps": (DATA, set_cell(5, "index", 77), "index is 77 at frame 5, expected 5"),
    "frame of another episode": (DATA, set_cell(5, "episode_index", 2), "episode_index is 2 at"),
    "frame index": (DATA, set_cell(10, "frame_index", 4), "frame_index is 4 at frame 1"),
    "task out of range": (DATA, set_cell(0, "task_index", 9), r"task_index 9 at frame 0 .* 0\.\.1"),
    "task of another": (DATA, set_cell(0, "task_index", 1), r"meta/episodes says \[0\]"),
    "action not finite": (
        DATA,
        set_cell(11, "action", [0.0, float("nan"), 0.0, 0.0]),
        "episode 1: action is not finite at frame 2",
    ),
    "action changed": (DATA, set_cell(11, "action", [9.0] * 4), "max of action"),
    "a row is gone": (DATA, lambda rows: rows.pop(), "has 33 rows, its episodes have 34"),
    "png damaged": (DATA, damaged_png, "a PNG image is damaged"),
    "png of another": (DATA, foreign_png, "1 frames of observation.images.wrist are not those"),
    "length": (
        EPISODES,
        set_cell(1, "length", 13),
        r"episode 1: holds frames 9\.\.23 with length 13",
    ),
    "span": (EPISODES, set_cell(2, "dataset_from_index", 20), r"episode 2: holds frames 20\.\.34"),
    "video clock shifted": (EPISODES, shift_clock, r"episode 1: .* spans 1\.0000\.\.2\.4000 s"),
    "episode number": (EPISODES, set_cell(1, "episode_index", 5), "episode_index is 5"),
    "task unknown": (EPISODES, set_cell(1, "tasks", ["fly"]), "task 'fly' is not in"),
    "an episode is gone": (EPISODES, lambda rows: rows.pop(), "lists 2 episodes"),
}

FILE_DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "video cut": (
        cut_bytes,
        "front.*mp4: .*(cannot be decoded|has .* frames, its episodes have 34)",
    ),
    "video too short": (drop_frames, "has 32 frames, its episodes have 34"),
    "frames of another episode": (swap_episodes, "episode 0: 9 frames of .*front are not those"),
    "frames late by one": (repeat_frame, "episode 1: 4 frames of .*front are not those recorded"),
    "video rate": (wrong_rate, "frame 1 is shown at|frame .* is shown at"),
    "video missing": (lambda r: (r / FRONT).unlink(), "mp4: the file is missing"),
    "table missing": (lambda r: (r / DATA).unlink(), "parquet: the file is missing"),
    "stray file": (
        lambda r: shutil.copy(r / DATA, r / "data/chunk-000/file-001.parquet"),
        "file-001.parquet: no episode lies in this file",
    ),
    "wrong stat": (
        lambda r: edit_json(r / "meta/stats.json", set_stat),
        "stats.json: q90 of action is",
    ),
    "stat missing": (
        lambda r: edit_json(r / "meta/stats.json", lambda s: s.pop("action")),
        "feature 'action' is missing",
    ),
    "damaged json": (lambda r: (r / "meta/stats.json").write_text("{"), "stats.json is damaged"),
    "total": (
        lambda r: edit_json(r / "meta/info.json", lambda i: i.update(total_frames=35)),
        "total_frames is 35, the episodes have 34",
    ),
    "damaged table": (
        lambda r: (r / DATA).write_bytes((r / DATA).read_bytes()[:2000]),
        "parquet: .* is damaged",
    ),
}


def plant_in_table(name: str) -> tuple[Callable[[Path], object], str]:
    path, change, message = TABLE_DAMAGES[name]
    return lambda root: edit_rows(root / path, change), message


FILE_DAMAGES |= {name: plant_in_table(name) for name in TABLE_DAMAGES}


def test_sound_data_pass(sound, capsys):
    assert check(sound) == []
    assert main(["check", str(sound)]) == 0
    assert "sound (3 episodes, 34 frames)" in capsys.readouterr().out


def test_strong_compression_passes(tmp_path):
    config = VideoConfig(crf=30, pix_fmt="yuv420p")
    with DatasetWriter(tmp_path / "set", 10, "panda", video_config=config) as writer:
        writer.add(make_episode(0, 9))
    assert check(tmp_path / "set") == []


@pytest.mark.parametrize("damage", FILE_DAMAGES)
def test_planted_damage_is_found(sound, tmp_path, capsys, damage):
    folder = tmp_path / "set"
    shutil.copytree(sound, folder)
    plant, message = FILE_DAMAGES[damage]
    plant(folder)
    problems = [str(p) for p in check(folder)]
    assert any(re.search(message, p) for p in problems), problems
    assert all("\n" not in p and "to mend: " in p for p in problems)
    assert main(["check", str(folder)]) == 1
    assert "problem" in capsys.readouterr().out


def test_stats_are_printed(sound, capsys):
    assert main(["stats", str(sound)]) == 0
    out = capsys.readouterr().out
    assert "2 x 'task 0'" in out and "front 32x32" in out
