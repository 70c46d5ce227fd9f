"""Opening runs: what is found, what is said to be missing, what a wrong path is answered."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from octoworld.core.errors import DatasetError
from octoworld.data.episode import Episode
from octoworld.viewer.catalogue import catalogue
from octoworld.viewer.recording import (
    cameras,
    imagined_images,
    missing,
    open_recording,
    true_images,
)


def test_run_folder(run_folder):
    recording = open_recording(run_folder)
    assert list(recording.datasets) == ["after", "before"]
    assert recording.scene_path("after") == run_folder / "scene.xml"
    assert recording.results["rows"][0]["name"] == "PickUp"
    assert "PushToZone" in recording.config_text
    assert missing(recording.episode("after", 0), recording.scene_path("after")) == []


def test_one_dataset_finds_the_scene_of_its_run(run_folder):
    recording = open_recording(run_folder / "episodes" / "before")
    assert list(recording.datasets) == ["before"]
    assert recording.scene_path("before") == run_folder / "scene.xml"
    assert recording.results is None


def test_a_dataset_may_have_its_own_scene(run_folder, tmp_path):
    copy = Path(shutil.copytree(run_folder, tmp_path / "copy"))
    own = copy / "episodes/after/scene.xml"
    own.write_text((run_folder / "scene.xml").read_text())
    recording = open_recording(copy)
    assert recording.scene_path("after") == own
    assert recording.scene_path("before") == copy / "scene.xml"


def test_labels_tell_end_and_return_of_the_true_episode(run_folder):
    recording = open_recording(run_folder)
    labels = [entry.label for entry in catalogue(recording.datasets["before"])]
    total = recording.episode("before", 0)["next.reward"].sum()
    assert labels[0] == f"000 success, return {total:.2f}, push the block to the green zone"
    assert labels[1].startswith("001 failure")  # seed 9: 16 + 9 is past the last step


def test_labels_without_outcome(bare_folder):
    (entry,) = catalogue(open_recording(bare_folder).datasets["numbers"])
    assert entry.label.startswith("000 return ")


def test_missing_columns_are_named(bare_folder):
    recording = open_recording(bare_folder)
    lines = missing(recording.episode("numbers", 0), recording.scene_path("numbers"))
    text = "\n".join(lines)
    for name in (
        "scene.xml",
        "sim_state",
        "observation.images",
        "observation.images.imagined",
        "reflector",
    ):
        assert name in text


def test_both_names_of_imagined_columns(episode):
    first = np.zeros((3, 4, 4, 3), np.uint8)
    columns = {"observation.images.front": first, "observation.images.imagined.front": first + 7}
    direct = Episode(columns, "x", 10)
    assert cameras(direct) == cameras(episode) == ["front"]
    assert np.all(imagined_images(direct, "front") == 7)
    imagined, true = imagined_images(episode, "front"), true_images(episode, "front")
    assert imagined is not None and true is not None and imagined.shape == true.shape
    assert true_images(direct, "side") is None


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_wrong_path_is_one_line_that_says_what_was_expected(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="expected") as caught:
        open_recording(tmp_path / name)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_damaged_results_are_named_and_the_rest_is_shown(run_folder, tmp_path):
    (tmp_path / "episodes").symlink_to(run_folder / "episodes")
    (tmp_path / "results.json").write_text('{"rows": [')
    recording = open_recording(tmp_path)
    assert recording.results is None and list(recording.datasets) == ["after", "before"]
    (problem,) = recording.problems
    assert "is not JSON" in problem
