"""A task of another distribution is found once installed: it is listed, made, and trains."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "calm-hover"
version = "1.0"

[project.entry-points."octoworld.plugins"]
calm_hover = "calm_hover"

[tool.setuptools]
py-modules = ["calm_hover"]
"""
MODULE = '''
from octoworld.core.registry import register_task, register_training
from tasks.drones.hover import Hover1D


@register_task("CalmHover")
class CalmHover(Hover1D):
    """Starts already near the goal."""

    name = "CalmHover"
    speed_range = 0.1


@register_training("CalmHover")
def settings(algo):
    return {"num_envs": 8, "options": {"n_steps": 32}} if algo == "ppo" else {}
'''


@pytest.fixture(scope="module")
def plugged(tmp_path_factory):
    """Environment variables with which a fresh Python sees the distribution."""
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "calm_hover.py").write_text(textwrap.dedent(MODULE))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--no-index", "--target", str(site), str(source)], check=True)
    return os.environ | {"PYTHONPATH": str(site)}


def octoworld(plugged, *words, cwd=None):
    command = [sys.executable, "-m", "octoworld.cli.main", *words]
    done = subprocess.run(command, env=plugged, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_listed(plugged):
    assert "CalmHover" in octoworld(plugged, "list", "tasks")


@pytest.mark.slow
def test_it_trains(plugged, tmp_path):
    said = octoworld(
        plugged, "train", "CalmHover", "--total-steps", "512", "--eval-every", "512",
        "--eval-episodes", "2", "--test-episodes", "2", cwd=tmp_path,
    )  # fmt: skip
    assert "test success" in said
    assert (tmp_path / "runs/train-CalmHover-ppo-0/checkpoints/best/config.json").exists()


def test_gymnasium_knows_its_id(plugged):
    program = (
        "import gymnasium, octoworld; env = gymnasium.make('octoworld/CalmHover-v0'); "
        "print(env.reset(seed=0)[0].shape)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=plugged, capture_output=True, text=True)
    assert done.returncode == 0 and "(" in done.stdout, done.stderr
