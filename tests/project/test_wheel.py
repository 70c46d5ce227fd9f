"""The wheel: our packages and assets at the top, nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile

import pytest


@pytest.fixture(scope="module")
def names(repository, tmp_path_factory) -> list[str]:
    """Files of a wheel built from a copy, so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "copy"
    skip = shutil.ignore_patterns(".*", "__pycache__", "runs", "build", "dist", "*.egg-info")
    shutil.copytree(repository, copy, symlinks=True, ignore=skip)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", str(folder), "."], cwd=copy, check=True, capture_output=True)
    (wheel,) = folder.glob("octoworld-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_top_level(names):
    tops = {name.split("/")[0] for name in names}
    ours = {"octoworld", "sim", "robots", "tasks", "worldmodels", "vla"}
    assert {top for top in tops if not top.endswith(".dist-info")} == ours


def test_every_module_is_in(names, repository):
    for package in ("octoworld", "sim", "robots", "tasks", "worldmodels", "vla"):
        modules = {
            str(path.relative_to(repository)) for path in (repository / package).rglob("*.py")
        }
        assert modules - set(names) == set()


def test_assets_are_in(names, repository):
    assets = {
        f"octoworld/_assets/{path.relative_to(repository / 'assets')}"
        for path in (repository / "assets").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert assets and assets - set(names) == set()


def test_licence_and_command_are_in(names):
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("entry_points.txt") for name in names)
