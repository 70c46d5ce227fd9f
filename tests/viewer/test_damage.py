"""Damaged recordings: whichever file is broken, the page says so and shows what is sound."""

import shutil
from pathlib import Path

import pytest

from octoworld.cli.main import main
from octoworld.core.errors import DatasetError
from octoworld.data.label_store import LabelStore
from octoworld.data.labels import clip_of
from octoworld.viewer.app import ViewerApp
from octoworld.viewer.recording import open_recording

DAMAGES = {
    "cut": lambda data: data[: len(data) // 2],
    "text": lambda data: b"<html>not found</html>\n",
}
FILES = {
    "episodes/after/meta/info.json": "after",
    "episodes/after/meta/episodes/chunk-000/file-000.parquet": "after",
    "episodes/after/meta/octoworld.json": "after",
    "episodes/after/data/chunk-000/file-000.parquet": "file-000.parquet is damaged",
    "episodes/after/videos/observation.images.front/chunk-000/file-000.mp4": "file-000.mp4",
    "scene.xml": "no 3D replay",
    "results.json": "is not JSON",
    "labels.jsonl": "line 1 is no label",
    "metrics.jsonl": "",
    "config.yaml": "",
}
"""What is damaged, and what is said."""
UNFINISHED = [("labels.jsonl", "cut")]


@pytest.fixture
def copy(run_folder, tmp_path):
    folder = Path(shutil.copytree(run_folder, tmp_path / "copy"))
    (folder / "metrics.jsonl").write_text('{"step": 0, "loss": 1}\n{"step": 1, "loss": 2}\n')
    recording = open_recording(folder)
    clip = clip_of(recording.datasets["after"], "after", 0)
    for _ in range(2):
        LabelStore(folder).add("like", clips=(clip,), liked=True)
    return folder


def damaged(copy, name, how):
    path = copy / name
    path.write_bytes(DAMAGES[how](path.read_bytes()))


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", FILES, ids=[Path(name).name for name in FILES])
def test_the_page_says_what_is_damaged(copy, name, how, capfd):
    damaged(copy, name, how)
    app = ViewerApp(open_recording(copy), port=18580)
    try:
        texts = [app.missing_text.content]
        for index in range(len(app.finder.entries)):
            app.open_episode(index)
            app.timeline.value = 23
            texts.append(app.missing_text.content)
        # labels without a whole line are a write that was cut: no label, and no damage
        said = "" if (Path(name).name, how) in UNFINISHED else FILES[name]
        assert said in "".join(texts)
        if "meta" in name:  # this data set cannot be opened at all
            assert list(app.recording.datasets) == ["before"]
        app.open_dataset("before")
        app.timeline.value = 12
        assert app.images["front"].any() and app.signals.plots
    finally:
        app.close()
    assert "Traceback" not in capfd.readouterr().err


def test_nothing_sound_is_one_line(run_folder, tmp_path, capsys):
    data = Path(shutil.copytree(run_folder / "episodes/after", tmp_path / "data"))
    damaged(data, "meta/info.json", "cut")
    with pytest.raises(DatasetError, match="is damaged"):
        open_recording(data)
    assert main(["view", str(data)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
