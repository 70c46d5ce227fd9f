"""`import octoworld`: quick, light, guarded against foreign packages, known to gymnasium."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "mujoco", "pybullet", "transformers", "diffusers", "viser", "av", "pyarrow")
BUDGET = 0.5  # seconds


def run(code: str, cwd: Path, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, **options)


def test_is_quick_and_light(tmp_path):
    code = (
        "import json, sys, time; began = time.process_time(); import octoworld; "
        "print(json.dumps([time.process_time() - began, sorted(sys.modules)]))"
    )
    # the best of three: the first one may compile, and other work may run on this machine
    answers = [json.loads(run(code, tmp_path, check=True).stdout) for _ in range(3)]
    assert min(seconds for seconds, _ in answers) < BUDGET
    assert set(answers[0][1]) & set(HEAVY) == set()


def test_floor_is_light(tmp_path, repository):
    modules = [
        f"octoworld.core.{path.stem}" for path in (repository / "octoworld/core").glob("[a-z]*.py")
    ]
    code = f"import importlib, sys, json\nfor m in {modules}: importlib.import_module(m)\n"
    loaded = json.loads(run(f"{code}print(json.dumps(list(sys.modules)))", tmp_path).stdout)
    assert set(modules) <= set(loaded)
    assert set(loaded) & set(HEAVY) == set()


@pytest.mark.parametrize("name", ["sim", "robots", "tasks", "worldmodels", "vla"])
def test_foreign_package_is_named(name, tmp_path):
    foreign = tmp_path / name / "__init__.py"
    foreign.parent.mkdir()
    foreign.write_text("raise RuntimeError('foreign code ran')\n")
    answer = run("import octoworld", tmp_path)
    assert answer.returncode == 1
    last = answer.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError") and str(foreign) in last and "Rename" in last
    assert "foreign code ran" not in answer.stderr


def test_foreign_module_that_is_already_imported_is_named(tmp_path):
    (tmp_path / "tasks.py").write_text("")
    answer = run("import tasks, octoworld", tmp_path)
    assert "ImportError" in answer.stderr and str(tmp_path / "tasks.py") in answer.stderr


def test_a_folder_of_that_name_without_code_does_no_harm(tmp_path):
    (tmp_path / "sim").mkdir()
    assert run("import octoworld", tmp_path).returncode == 0


def test_unknown_attribute_names_the_choices():
    import octoworld

    with pytest.raises(AttributeError, match=r"no attribute 'mk'.*make_vec"):
        _ = octoworld.mk
    assert set(octoworld.__all__) == set(dir(octoworld))


def test_declared_ids_are_the_registered_tasks(tmp_path):
    from octoworld import list_tasks
    from octoworld.ids import declared_tasks

    (tmp_path / "one.py").write_text('@register_task("Stack")\nclass Stack: ...\n')
    assert declared_tasks(tmp_path) == ["Stack"]
    assert set(declared_tasks()) <= set(list_tasks())
    # a plugin's task is registered by its own distribution
    from octoworld.core.registry import TASKS

    ours = [name for name in list_tasks() if TASKS.get(name).__module__.startswith("tasks.")]
    assert declared_tasks() == ours


def test_gymnasium_makes_both_faces():
    import gymnasium

    import octoworld

    task = octoworld.list_tasks()[0]
    env = gymnasium.make(f"octoworld/{task}-v0")
    obs, _ = env.reset(seed=3)
    assert env.observation_space.contains(obs)
    worlds = gymnasium.make_vec(f"octoworld/{task}-v0", num_envs=2)
    batch, _ = worlds.reset(seed=3)
    assert worlds.observation_space.contains(batch)
    env.close()
    worlds.close()
