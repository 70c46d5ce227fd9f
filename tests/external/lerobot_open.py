"""LeRobot's own loader opens our datasets and gives the right frame at every episode boundary.

`make FOLDER` runs where octoworld is installed; `open FOLDER` runs where lerobot is installed (see
README.md beside this file), on that folder or on any other dataset.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from lerobot_import import load

LENGTHS = (7, 31, 12, 1, 20)
FPS = 10
CAMERAS = {"front": 40, "wrist": 200}
"""Camera -> its blue; `wrist` is stored as PNG in one folder and as video in the other."""


def colour(episode: int, frame: int, camera: str) -> tuple[int, int, int]:
    """RGB of a synthetic frame: it tells episode, frame and camera."""
    return 20 + 40 * episode, 20 + 6 * frame, CAMERAS[camera]


def make(folder: Path) -> None:
    """Write two synthetic datasets, in small files: FOLDER/mixed and FOLDER/videos."""
    from octoworld.data import DatasetWriter, Episode

    rng = np.random.default_rng(0)
    for name, video, rollover in (
        ("mixed", {"front": True, "wrist": False}, 100.0),
        ("videos", {"front": True, "wrist": True}, 0.0015),
    ):
        writer = DatasetWriter(
            folder / name, FPS, "panda", video=video, video_mb=rollover, data_mb=rollover * 10
        )
        for i, length in enumerate(LENGTHS):
            columns: dict[str, np.ndarray] = {}
            for camera in CAMERAS:
                frames = np.array([colour(i, t, camera) for t in range(length)], np.uint8)
                large = np.broadcast_to(frames[:, None, None], (length, 64, 64, 3))
                columns[f"observation.images.{camera}"] = np.ascontiguousarray(large)
            columns |= {
                "observation.state": rng.normal(size=(length, 8)).astype(np.float32),
                "action": np.stack([np.full(length, i), np.arange(length)], 1).astype(np.float32),
                "next.reward": rng.random(length).astype(np.float32),
                "next.success": np.arange(length) == length - 1,
                "sim_state": rng.normal(size=(length, 5)),
            }
            writer.add(Episode(columns, f"task {i % 2}", FPS, {"synthetic": True}))
            if i == 2:
                writer.commit()  # the rest is appended
        writer.close()


def decode(path: Path) -> list[np.ndarray]:
    """All frames of a video, in order, without any seeking: the truth to compare with."""
    import av

    with av.open(str(path)) as container:
        return [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]


def image(tensor: Any) -> np.ndarray:
    """(3, H, W) float in [0, 1] -> (H, W, 3) in 0..255."""
    return tensor.numpy().transpose(1, 2, 0) * 255.0


def open_one(folder: Path, backend: str | None) -> str:
    """Load with LeRobot and compare; returns a line of what was seen. AssertionError otherwise."""
    dataset_class = load("lerobot.datasets.lerobot_dataset").LeRobotDataset
    fps = json.loads((folder / "meta/info.json").read_text())["fps"]
    deltas = {"action": [0.0, 1 / fps, 2 / fps]}
    dataset = dataset_class("octoworld/check", root=folder, video_backend=backend)
    meta, features = dataset.meta, dataset.features
    videos = [k for k, f in features.items() if f["dtype"] == "video"]
    images = [k for k, f in features.items() if f["dtype"] in ("video", "image")]
    deltas |= {k: [-1 / fps, 0.0] for k in images}
    windows = dataset_class(
        "octoworld/check", root=folder, delta_timestamps=deltas, video_backend=backend
    )
    assert len(dataset) == meta.total_frames
    decoded: dict[Path, list[np.ndarray]] = {}
    compared, tasks = 0, set()
    for i in range(meta.total_episodes):
        row = meta.episodes[i]
        first, last = row["dataset_from_index"], row["dataset_to_index"] - 1
        synthetic = json.loads(row.get("octoworld/info") or "{}").get("synthetic", False)
        for index in sorted({first, min(first + 1, last), (first + last) // 2, last}):
            t, item = index - first, dataset[index]
            assert item["episode_index"] == i and item["frame_index"] == t
            assert abs(float(item["timestamp"]) - t / fps) < 1e-5
            assert item["task"] == row["tasks"][0]
            tasks.add(item["task"])
            if synthetic:
                assert item["action"].tolist() == [i, t]
            window = windows[index]
            assert window["action"].shape[0] == 3
            ends = [index + k > last for k in range(3)]
            assert window["action_is_pad"].tolist() == ends
            for key in images:
                found = image(item[key])
                assert found.shape == tuple(features[key]["shape"])
                np.testing.assert_allclose(image(window[key][1]), found, atol=1)
                assert window[f"{key}_is_pad"].tolist() == [t == 0, False]
                if synthetic:
                    truth = colour(i, t, key.rsplit(".", 1)[1])
                    assert np.abs(found - truth).max() <= 3, (i, t, key, found[0, 0], truth)
                if key in videos:
                    path = folder / meta.get_video_file_path(i, key)
                    frames = decoded.setdefault(path, decode(path))
                    start = round(row[f"videos/{key}/from_timestamp"] * fps)
                    assert np.abs(found - frames[start + t]).max() <= 3, (i, t, key)
                compared += 1
    for key, stats in meta.stats.items():
        assert np.isfinite(np.asarray(stats["mean"])).all(), key
    return (
        f"{folder}: {meta.total_episodes} episodes, {len(dataset)} frames, {len(tasks)} tasks, "
        f"videos {len(videos)}, images {len(images) - len(videos)}, backend "
        f"{dataset.video_backend}: {compared} frames compared, all right"
    )


def main() -> int:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=("make", "open"))
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--backend", default=None, help="video backend of LeRobot: torchcodec, pyav"
    )
    options = parser.parse_args()
    if options.verb == "make":
        make(options.folder)
        return 0
    found = sorted(p.parent.parent for p in options.folder.rglob("meta/info.json"))
    for folder in found:
        print(open_one(folder, options.backend))
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
