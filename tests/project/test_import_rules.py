"""The table "who may import whom": it holds, and a breach is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("octoworld", "sim", "robots", "tasks", "worldmodels", "vla")

# file, forbidden line
BREACHES = {
    "octoworld/core/rng.py": "from sim.world import World",
    "octoworld/data/episode.py": "import octoworld.rl",
    "robots/spec.py": "import sim.scene",
    "sim/scene.py": "import tasks",
    "octoworld/rl/__init__.py": "import sim.world",
    "worldmodels/model.py": "import vla.policy",
    "vla/policy.py": "import mujoco",
    "octoworld/viewer/__init__.py": "import tasks",
}


def lint(folder: Path) -> subprocess.CompletedProcess:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def copy(repository, tmp_path) -> Path:
    for package in PACKAGES:
        skip = shutil.ignore_patterns("__pycache__", "_assets")
        shutil.copytree(repository / package, tmp_path / package, ignore=skip)
    shutil.copy(repository / ".importlinter", tmp_path)
    return tmp_path


def test_the_table_holds(repository):
    answer = lint(repository)
    assert answer.returncode == 0, answer.stdout


def test_breaches_are_found(copy):
    for file, line in BREACHES.items():
        with (copy / file).open("a") as target:
            target.write(f"\n{line}\n")
    answer = lint(copy)
    assert answer.returncode == 1
    broken = [line for line in answer.stdout.splitlines() if " BROKEN" in line]
    assert len(broken) == len(BREACHES), answer.stdout
