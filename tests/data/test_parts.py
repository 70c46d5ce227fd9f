"""Statistics against numpy, videos against their frames, split manifests, training windows."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoworld.core.errors import DatasetError
from octoworld.data import SplitManifest, write_mp4
from octoworld.data.stats import aggregate, column_stats, image_stats
from octoworld.data.video import VideoEncoder, iterate_video, read_frames


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 40))
def test_image_stats_are_those_of_the_pixels(seed, frames, top):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, top + 1, (frames, 5, 3, 3), np.uint8)
    found = image_stats(images)
    pixels = images.reshape(-1, 3) / 255.0
    for name, truth in column_stats(pixels).items():
        if name != "count":
            np.testing.assert_allclose(found[name].ravel(), truth, atol=1e-12, err_msg=name)
    assert found["count"] == [frames]


@settings(max_examples=20)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(0, 10_000))
def test_aggregate_equals_the_union(lengths, seed):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(i, 1 + i, (n, 2)) for i, n in enumerate(lengths)]
    found = aggregate([column_stats(p) for p in parts])
    truth = column_stats(np.concatenate(parts))
    for name in ("min", "max", "mean", "std", "count"):
        np.testing.assert_allclose(found[name], truth[name], atol=1e-9, err_msg=name)


def test_video_frames_are_found_by_number(tmp_path):
    frames = np.zeros((37, 8, 10, 3), np.uint8)
    frames[:] = (np.arange(37) * 6)[:, None, None, None]
    encoder = VideoEncoder(tmp_path / "v.mp4", 8, 10, fps=7)
    encoder.add(frames[:13], starts_episode=True)
    encoder.add(frames[13:], starts_episode=True)
    encoder.close()
    for start in (0, 1, 9, 10, 12, 13, 14, 36):
        found = read_frames(tmp_path / "v.mp4", start, 37 - start, (8, 10, 3), 7)
        assert np.abs(found.astype(int) - frames[start:]).max() <= 2
    with pytest.raises(DatasetError, match="ends at frame 37"):
        read_frames(tmp_path / "v.mp4", 30, 10, (8, 10, 3), 7)
    with pytest.raises(DatasetError, match=r"of shape \(8, 8, 3\)"):
        read_frames(tmp_path / "v.mp4", 30, 3, (8, 8, 3), 7)


def test_video_to_watch(tmp_path):
    write_mp4(tmp_path / "v.mp4", np.full((4, 15, 17, 3), 200, np.uint8), fps=10)
    images = [image for _, image in iterate_video(tmp_path / "v.mp4")]
    assert len(images) == 4 and images[0].shape == (16, 18, 3)
    assert [p.name for p in tmp_path.iterdir()] == ["v.mp4"]
    with pytest.raises(DatasetError, match="T>=1"):
        write_mp4(tmp_path / "w.mp4", np.zeros((0, 4, 4, 3), np.uint8), fps=10)


def test_splits(tmp_path):
    manifest = SplitManifest({"train": [(0, 50), (50, 100)], "test": [(200, 210)]})
    manifest.save(tmp_path / "splits.json")
    again = SplitManifest.load(tmp_path / "splits.json")
    assert again["test"] == list(range(200, 210)) and again.num_seeds("train") == 100
    assert again.sha256("train") == SplitManifest({"train": [(0, 100)]}).sha256("train")
    assert (again.split_of(205), again.split_of(150)) == ("test", None)
    again.assert_seeds("train", [0, 99])
    with pytest.raises(DatasetError, match=r"seed 205 is not of split 'train' \(it is of 'test'\)"):
        again.assert_seeds("train", [0, 205])
    with pytest.raises(DatasetError, match="split 'val' is not one of train, test"):
        again["val"]
    value = json.loads((tmp_path / "splits.json").read_text())
    value["splits"]["test"]["ranges"] = [[300, 310]]
    (tmp_path / "splits.json").write_text(json.dumps(value))
    with pytest.raises(DatasetError, match="seeds of split 'test' were changed"):
        SplitManifest.load(tmp_path / "splits.json")


def test_splits_that_overlap():
    with pytest.raises(
        DatasetError, match=r"'train' and 'test' overlap in seeds 90\.\.99 \(10 seeds\)"
    ):
        SplitManifest({"train": [(0, 100)], "val": [(100, 110)], "test": [(90, 120)]})
    with pytest.raises(DatasetError, match="start < stop"):
        SplitManifest({"train": [(5, 5)]})
