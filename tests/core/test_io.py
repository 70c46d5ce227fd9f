"""Files are whole or absent; damage is named."""

import os
import subprocess
import sys

import pytest
import torch

from octoworld.core.errors import CheckpointError
from octoworld.core.io import (
    atomic_file,
    atomic_folder,
    load_tensors,
    read_json,
    save_tensors,
    write_json,
    write_text,
)


class BrokenError(Exception):
    pass


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "old")
    with pytest.raises(BrokenError), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise BrokenError
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_the_suffix_stays(tmp_path):
    with atomic_file(tmp_path / "a.mp4") as temporary:
        assert temporary.suffix == ".mp4" and temporary.parent == tmp_path
        temporary.touch()
    assert (tmp_path / "a.mp4").exists()


def test_folders_are_replaced_whole(tmp_path):
    path = tmp_path / "data"
    for name in ("first", "second"):
        with atomic_folder(path) as temporary:
            (temporary / name).touch()
    assert [p.name for p in path.iterdir()] == ["second"]
    with pytest.raises(BrokenError), atomic_folder(path) as temporary:
        (temporary / "third").touch()
        raise BrokenError
    assert [p.name for p in path.iterdir()] == ["second"]
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_what_a_killed_run_left_does_no_harm(tmp_path):
    (tmp_path / ".data.tmp").mkdir()
    (tmp_path / ".data.tmp" / "rest").touch()
    with atomic_folder(tmp_path / "data") as temporary:
        assert not list(temporary.iterdir())


def test_json(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, 2.5, None], "a": "é"})
    assert read_json(tmp_path / "a.json") == {"b": [1, 2.5, None], "a": "é"}
    with pytest.raises(CheckpointError, match="does not exist"):
        read_json(tmp_path / "none.json")
    (tmp_path / "cut.json").write_text('{"a": 1')
    with pytest.raises(CheckpointError, match="damaged"):
        read_json(tmp_path / "cut.json")


def test_tensors(tmp_path):
    base = torch.arange(6.0).reshape(2, 3)
    values = {"view": base.t(), "same": base, "scalar": torch.tensor(3), "empty": torch.zeros(0)}
    save_tensors(tmp_path / "a.safetensors", values)
    loaded = load_tensors(tmp_path / "a.safetensors")
    assert loaded.keys() == values.keys()
    for name, value in values.items():
        assert torch.equal(loaded[name], value)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 64])
def test_damaged_tensors_are_named(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_tensors(tmp_path / "a.safetensors")


def test_cut_tensors_are_named(tmp_path):
    path = tmp_path / "a.safetensors"
    save_tensors(path, {"x": torch.rand(100)})
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match="damaged"):
        load_tensors(path)
    with pytest.raises(CheckpointError, match="does not exist"):
        load_tensors(tmp_path / "none.safetensors")


def test_what_a_killed_writer_left_is_swept_away(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    stale = tmp_path / f".facts.{gone.pid}.tmp.json"
    running = tmp_path / f".facts.{os.getppid()}.tmp.json"
    other = tmp_path / f".others.{gone.pid}.tmp.json"
    for file in (stale, running, other):
        file.write_text("half")
    write_json(tmp_path / "facts.json", {"a": 1})
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"facts.json", running.name, other.name}
