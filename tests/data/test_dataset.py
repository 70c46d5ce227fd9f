"""Writer and reader: what goes in comes out, at every boundary, whatever the process dies of."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoworld.core.errors import DatasetError
from octoworld.data import Dataset, DatasetWriter, Episode, VideoConfig
from octoworld.data.check import check


def make_episode(
    seed: int, length: int, size: tuple[int, int] = (16, 16), fps: int = 10
) -> Episode:
    """Flat-coloured frames whose colour tells episode and frame, and random columns."""
    rng = np.random.default_rng(seed)
    frames = np.empty((length, *size, 3), np.uint8)
    frames[..., 0] = 20 * (seed % 12)
    frames[..., 1] = (np.arange(length) * 4 % 250)[:, None, None]
    frames[..., 2] = 128
    columns = {
        "observation.images.front": frames,
        "observation.images.wrist": frames[:, ::-1, :, ::-1].copy(),
        "observation.state": rng.normal(size=(length, 8)).astype(np.float32),
        "action": rng.uniform(-1, 1, (length, 4)).astype(np.float32),
        "next.reward": rng.random(length).astype(np.float32),
        "next.success": rng.random(length) > 0.5,
        "next.done": np.arange(length) == length - 1,
        "sim_state": rng.normal(size=(length, 5)),
        "single": rng.random((length, 1)).astype(np.float32),
    }
    return Episode(columns, f"task {seed % 3}", fps, {"seed": seed, "source": "test"})


def assert_same(found: Episode, expected: Episode, tolerance: int = 3) -> None:
    assert list(found.columns) == list(expected.columns)
    assert (found.instruction, found.fps, found.info, found.names) == (
        expected.instruction,
        expected.fps,
        expected.info,
        expected.names,
    )
    for key, values in expected.columns.items():
        assert found[key].dtype == values.dtype and found[key].shape == values.shape, key
        if key.startswith("observation.images."):
            assert np.abs(found[key].astype(int) - values).max() <= tolerance, key
        else:
            np.testing.assert_array_equal(found[key], values, err_msg=key)


@settings(max_examples=12)
@given(
    lengths=st.lists(st.integers(1, 25), min_size=1, max_size=5),
    height=st.integers(2, 21),
    width=st.integers(2, 21),
    video=st.sampled_from([True, False, {"front": True, "wrist": False}]),
    small_files=st.booleans(),
    cut=st.integers(0, 5),
)
def test_round_trip(tmp_path_factory, lengths, height, width, video, small_files, cut):
    folder = tmp_path_factory.mktemp("data") / "set"
    episodes = [make_episode(i, n, (height, width)) for i, n in enumerate(lengths)]
    limits: dict[str, Any] = {"data_mb": 0.004, "video_mb": 0.002} if small_files else {}
    first = episodes[: max(1, cut)]
    with DatasetWriter(folder, 10, "panda", video=video, **limits) as writer:
        for episode in first:
            writer.add(episode)
    if episodes[len(first) :]:
        with DatasetWriter.append(folder, **limits) as writer:
            for episode in episodes[len(first) :]:
                writer.add(episode)
    dataset = Dataset(folder, expect_robot="panda")
    assert len(dataset) == len(lengths) and dataset.num_frames == sum(lengths)
    for i, (loaded, episode) in enumerate(zip(dataset.load_all(), episodes, strict=True)):
        assert_same(loaded, episode)
        assert_same(dataset.episode(i), episode)
    actions = np.concatenate([e["action"] for e in episodes]).astype(float)
    stats = dataset.stats["action"]
    np.testing.assert_allclose(stats["mean"], actions.mean(0), atol=1e-9)
    np.testing.assert_allclose(stats["q90"], np.quantile(actions, 0.9, axis=0), atol=1e-9)
    assert dataset.stats["observation.images.front"]["mean"].shape == (3, 1, 1)


def test_layout_is_lerobot_v3(tmp_path):
    with DatasetWriter(tmp_path / "set", 10, "panda", names={"action": list("xyzg")}) as writer:
        for i, length in enumerate((7, 12, 5)):
            writer.add(make_episode(i, length))
    root = tmp_path / "set"
    info = json.loads((root / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0" and info["robot_type"] == "panda"
    assert info["splits"] == {"train": "0:3"} and info["total_frames"] == 24
    assert info["features"]["action"] == {"dtype": "float32", "shape": [4], "names": list("xyzg")}
    assert info["features"]["observation.images.front"]["dtype"] == "video"
    data = pq.ParquetFile(root / "data/chunk-000/file-000.parquet")
    assert [data.metadata.row_group(i).num_rows for i in range(3)] == [7, 12, 5]
    assert "observation.images.front" not in data.schema_arrow.names
    assert (root / "videos/observation.images.front/chunk-000/file-000.mp4").is_file()
    rows = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    key = "videos/observation.images.wrist"
    assert [r[f"{key}/from_timestamp"] for r in rows] == [0.0, 0.7, 1.9]
    assert [r[f"{key}/to_timestamp"] for r in rows] == [0.7, 1.9, 2.4]
    assert [r["dataset_from_index"] for r in rows] == [0, 7, 19]


def test_names_of_numbers_are_stored_and_read_back(tmp_path):
    episode = make_episode(0, 5)
    episode.names = {"action": tuple("xyzg"), "observation.state": tuple("abcdefgh")}
    with DatasetWriter(tmp_path / "set", 10, "panda", names={"action": list("uvwg")}) as writer:
        writer.add(episode)
    with DatasetWriter.append(tmp_path / "set") as writer:
        writer.add(make_episode(1, 5))  # without names: those that are there stay
    features = json.loads((tmp_path / "set/meta/info.json").read_text())["features"]
    told = {k: features[k]["names"] for k in ("action", "observation.state", "sim_state")}
    assert told == {
        "action": list("uvwg"),  # the writer's go before the episode's
        "observation.state": list("abcdefgh"),
        "sim_state": None,
    }
    found = Dataset(tmp_path / "set").episode(0, ["action", "sim_state"])
    assert found.names == {"action": tuple("uvwg")}


@pytest.mark.parametrize("names", [{"arm": ["x", "y", "z", "g"]}, list("xyz"), None])
def test_names_in_another_form_are_left_alone(tmp_path, names):
    """LeRobot's older data sets group names in a mapping, others have too few."""
    with DatasetWriter(tmp_path / "set", 10, "panda") as writer:
        writer.add(make_episode(0, 5))
    path = tmp_path / "set/meta/info.json"
    info = json.loads(path.read_text())
    info["features"]["action"]["names"] = names
    path.write_text(json.dumps(info))
    with DatasetWriter.append(tmp_path / "set") as writer:
        writer.add(make_episode(1, 5))
    assert Dataset(tmp_path / "set").episode(1).names == {}
    assert json.loads(path.read_text())["features"]["action"]["names"] == names


def test_files_roll_over(tmp_path):
    with DatasetWriter(tmp_path / "set", 10, "panda", data_mb=0.005, video_mb=0.003) as writer:
        for i in range(6):
            writer.add(make_episode(i, 20))
    assert len(list((tmp_path / "set/data").rglob("*.parquet"))) > 1
    assert len(list((tmp_path / "set/videos/observation.images.front").rglob("*.mp4"))) > 1


def test_many_commits_fill_one_episode_table_and_leave_strangers_alone(tmp_path):
    folder = tmp_path / "data"
    episodes = [make_episode(seed, 3) for seed in range(4)]
    writer = DatasetWriter(folder, 10, "panda")
    writer.add(episodes[0])
    writer.commit()
    (folder / "README.md").write_text("mine")
    (folder / "notes").mkdir()
    (folder / "notes/a.txt").write_text("also mine")
    os.link(folder / "meta/episodes/chunk-000/file-000.parquet", tmp_path / "before")
    before = (tmp_path / "before").read_bytes()
    for episode in episodes[1:]:
        writer.add(episode)
        writer.commit()
    writer.close()
    assert (tmp_path / "before").read_bytes() == before  # nobody wrote through the link
    assert len(list(folder.glob("meta/episodes/*/*"))) == 1
    assert len(list(folder.glob("data/*/*"))) == 4
    for found, expected in zip(Dataset(folder).load_all(), episodes, strict=True):
        assert_same(found, expected)
    assert not check(folder)
    assert (folder / "README.md").read_text() == "mine"
    assert (folder / "notes/a.txt").read_text() == "also mine"


def test_commit_keeps_what_came_before(tmp_path):
    writer = DatasetWriter(tmp_path / "set", 10, "panda")
    writer.add(make_episode(0, 6))
    writer.commit()
    before = Dataset(tmp_path / "set")
    writer.add(make_episode(1, 8))
    assert len(Dataset(tmp_path / "set")) == 1
    writer.close()
    assert_same(before.episode(0), make_episode(0, 6))
    assert_same(Dataset(tmp_path / "set").episode(1), make_episode(1, 8))


def test_images_of_table_are_exact(tmp_path):
    rng = np.random.default_rng(0)
    episode = make_episode(0, 5)
    episode.columns["observation.images.front"] = rng.integers(0, 256, (5, 16, 16, 3), np.uint8)
    with DatasetWriter(tmp_path / "set", 10, "panda", video=False) as writer:
        writer.add(episode)
    assert_same(Dataset(tmp_path / "set").episode(0), episode, tolerance=0)


def test_default_video_is_near_lossless(tmp_path):
    rng = np.random.default_rng(0)
    episode = make_episode(0, 12)
    small = rng.integers(0, 256, (12, 4, 4, 3), np.uint8)
    episode.columns["observation.images.front"] = small.repeat(4, 1).repeat(4, 2)
    with DatasetWriter(tmp_path / "set", 10, "panda") as writer:
        writer.add(episode)
    found = Dataset(tmp_path / "set").episode(0, cameras=["front"])["observation.images.front"]
    error = found.astype(float) - episode["observation.images.front"]
    assert 10 * np.log10(255**2 / (error**2).mean()) > 45


def test_selected_columns_and_cameras(tmp_path):
    with DatasetWriter(tmp_path / "set", 10, "panda") as writer:
        writer.add(make_episode(0, 5))
    dataset = Dataset(tmp_path / "set")
    (episode,) = dataset.load_all(columns=["action"], cameras=["wrist"])
    assert list(episode.columns) == ["observation.images.wrist", "action"]
    with pytest.raises(DatasetError, match=r"camera 'back' .* it has front, wrist"):
        dataset.load_all(cameras=["back"])
    with pytest.raises(DatasetError, match="column 'torque'"):
        dataset.episode(0, columns=["torque"])
    with pytest.raises(DatasetError, match=r"episode 1 is not in .* 0\.\.0"):
        dataset.episode(1)


def _damage_version(root: Path) -> None:
    path = root / "meta/info.json"
    path.write_text(path.read_text().replace("v3.0", "v2.1"))


DAMAGES = {
    "info.json' does not exist|info.json does not exist": lambda r: (r / "meta/info.json").unlink(),
    "format 'v2.1', expected 'v3.0'": _damage_version,
    "info.json is damaged": lambda r: (r / "meta/info.json").write_text('{"codebase'),
    "file-000.parquet is damaged": lambda r: (r / "data/chunk-000/file-000.parquet").write_bytes(
        b"x"
    ),
    "file-000.parquet is missing": lambda r: (r / "data/chunk-000/file-000.parquet").unlink(),
    "file-000.mp4 is missing": lambda r: next(r.rglob("*.mp4")).unlink(),
    "lists 0 episodes": lambda r: next((r / "meta/episodes").rglob("*.parquet")).unlink(),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_damage_is_named(tmp_path, message):
    with DatasetWriter(tmp_path / "set", 10, "panda") as writer:
        writer.add(make_episode(0, 5))
    DAMAGES[message](tmp_path / "set")
    with pytest.raises(DatasetError, match=message):
        Dataset(tmp_path / "set").load_all()


def test_mistakes_are_named(tmp_path):
    with pytest.raises(DatasetError, match="is no dataset"):
        Dataset(tmp_path / "nothing")
    with (
        pytest.raises(DatasetError, match="no episode was added"),
        DatasetWriter(tmp_path / "set", 10, "panda"),
    ):
        pass
    assert not (tmp_path / "set").exists()
    with DatasetWriter(tmp_path / "set", 10, "panda") as writer:
        writer.add(make_episode(0, 5))
        with pytest.raises(DatasetError, match="another process is writing"):
            DatasetWriter(tmp_path / "set", 10, "panda")
        bad = make_episode(1, 5)
        bad["action"][3, 2] = np.nan
        with pytest.raises(DatasetError, match="'action' is not finite at step 3"):
            writer.add(bad)
        misnamed = make_episode(1, 5)
        misnamed.names = {"action": ("x", "y", "gripper")}
        with pytest.raises(DatasetError, match="'action' has 4 numbers a step, but 3 names: x, y"):
            writer.add(misnamed)
        with pytest.raises(DatasetError, match=r"column .*: the dataset has"):
            writer.add(make_episode(1, 5, (8, 8)))
        with pytest.raises(DatasetError, match="5 Hz"):
            writer.add(make_episode(1, 5, fps=5))
    with pytest.raises(DatasetError, match="exists already"):
        DatasetWriter(tmp_path / "set", 10, "panda")
    with pytest.raises(DatasetError, match="robot 'panda', expected 'racer'"):
        Dataset(tmp_path / "set", expect_robot="racer")
    with (
        pytest.raises(DatasetError, match="even sizes"),
        DatasetWriter(
            tmp_path / "odd", 10, "panda", video_config=VideoConfig(pix_fmt="yuv420p")
        ) as writer,
    ):
        writer.add(make_episode(0, 5, (7, 8)))
    assert not (tmp_path / "odd").exists()


KILLED = """
import os, signal, sys
import numpy as np
from octoworld.data import DatasetWriter, Episode
folder, moment = sys.argv[1:]
images = np.zeros((5, 16, 16, 3), np.uint8)
episode = Episode({"observation.images.front": images, "action": np.ones((5, 2), "f4")}, "go", 10)
def die(*a): os.kill(os.getpid(), signal.SIGKILL)
new = not os.path.exists(folder)
writer = DatasetWriter(folder, 10, "panda") if new else DatasetWriter.append(folder)
writer.add(episode)
if moment == "meta": import octoworld.data.metadata as m; m.write_json = die
if moment == "publish":
    import octoworld.data.staging as s
    rename, calls = os.rename, []
    def rename_once(a, b):
        calls.append(a); (die() if len(calls) == 2 else rename(a, b))
    s.os.rename = rename_once
writer.close()
"""


@pytest.mark.parametrize("moment", ["meta", "publish"])
def test_a_kill_leaves_what_was_closed(tmp_path, moment):
    folder = tmp_path / "set"

    def run(when: str) -> int:
        command = [sys.executable, "-c", KILLED, str(folder), when]
        return subprocess.run(command, env=os.environ | {"PYTHONPATH": os.getcwd()}).returncode

    if moment != "publish":  # a new folder is published by one rename
        assert run(moment) == -signal.SIGKILL
        assert not folder.exists()
    assert run("never") == 0
    assert run(moment) == -signal.SIGKILL
    assert len(Dataset(folder)) == 1
    assert len(Dataset(folder).load_all()[0]) == 5
    assert run("never") == 0
    assert len(Dataset(folder)) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["set"]
