"""The wheel: our packages and assets at the top, nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def copy(repository, tmp_path_factory) -> Path:
    """The checkout as it is now; the build would leave files in it."""
    copy = tmp_path_factory.mktemp("wheel") / "copy"
    skip = shutil.ignore_patterns(".*", "__pycache__", "runs", "build", "dist", "*.egg-info")
    shutil.copytree(repository, copy, symlinks=True, ignore=skip)
    return copy


@pytest.fixture(scope="module")
def names(copy) -> list[str]:
    """Files of the wheel."""
    folder = copy.parent
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", str(folder), "."], cwd=copy, check=True, capture_output=True)
    (wheel,) = folder.glob("octoworld-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_top_level(names):
    tops = {name.split("/")[0] for name in names}
    ours = {"octoworld", "sim", "robots", "tasks", "worldmodels", "vla"}
    assert {top for top in tops if not top.endswith(".dist-info")} == ours


def test_every_module_is_in(names, copy):
    for package in ("octoworld", "sim", "robots", "tasks", "worldmodels", "vla"):
        modules = {str(path.relative_to(copy)) for path in (copy / package).rglob("*.py")}
        assert modules - set(names) == set()


def test_assets_are_in(names, copy):
    assets = {
        f"octoworld/_assets/{path.relative_to(copy / 'assets')}"
        for path in (copy / "assets").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert assets and assets - set(names) == set()


def test_licence_and_command_are_in(names):
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("entry_points.txt") for name in names)
