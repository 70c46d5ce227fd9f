"""What goes wrong at the command line is one line that names the value and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from octoworld.cli.main import main
from octoworld.data.episode import Episode
from octoworld.data.writer import DatasetWriter
from vla.processors import Processor
from vla.tiny import TinyConfig, TinyPolicy


def error_of(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Run the command, which must fail, and return its one line of error."""
    assert main(list(argv)) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: ") and line.count("\n") == 1
    return line


def save_policy(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    processor = Processor.fit(["pick it up"], rng.normal(size=(9, 8)), rng.normal(size=(9, 4)))
    config = TinyConfig(
        state_dim=8, action_dim=4, robot="panda", control_mode="ee_delta_pos", width=24, depth=2,
        heads=2, stem_channels=8, num_keypoints=4, keypoint_tokens=1, text_width=8,
    )  # fmt: skip
    TinyPolicy(config, processor).save_pretrained(folder)
    return folder


def test_unknown_task_lists_the_tasks(capsys, tmp_path):
    line = error_of(capsys, "collect", "PickUpp", "--out", str(tmp_path / "d"))
    assert "'PickUpp'" in line and "Did you mean 'PickUp'" in line and "OpenDrawer" in line


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("train", "Hoverr"), ("'Hoverr'", "Did you mean 'Hover'")),
        (("train", "Hover", "--control", "nonsense"), ("'nonsense'", "one_d_rpm", "rates", "vel")),
        (("train", "Hover", "--backend", "bullet"), ("'bullet'", "mujoco", "rotorcraft")),
        (("train", "Hover", "--colour", "red"), ("--colour", "octoworld train --help")),
        (("train", "Hover", "--num-envs", "many"), ("--num-envs", "'many'")),
        (("train", "Hover", "--env", "wind=3"), ("'wind'", "obs_mode", "image_size")),
        (("train", "Hover", "--env", "task_options={robot: panda}"), ("'panda'", "motors")),
        (("train", "Hover", "--algo", "dqn"), ("'dqn'", "ppo", "sac")),
        (("collect", "Hover"), ("--out", "octoworld collect --help")),
        (("collect", "Hover", "--out", "d", "--hold-steps", "-1"), ("hold_steps -1",)),
        (("collect", "Hover", "--out", "d", "--cameras", "nose"), ("'nose'", "front, overview")),
        (("play", "Hoverr"), ("'Hoverr'", "Did you mean 'Hover'")),
        (("play", "runs/nothing"), ("runs/nothing", "expected a run, a policy, or")),
        (("play", "Hover", "--task", "Land"), ("Hover", "octoworld play Land")),
        (("dataset", "chek", "d"), ("chek", "check, stats")),
        (("list", "foo"), ("'foo'", "backends")),
        (("bench", "flightlogs", "nofile.npz"), ("nofile.npz", "No such file")),
        (("bench", "nosuch"), ("'nosuch'", "cameras", "flightlogs")),
        (("view", "nothing"), ("nothing", "run folder")),
    ],
)
def test_a_newcomers_mistakes(capsys, tmp_path, monkeypatch, argv, words):
    monkeypatch.chdir(tmp_path)
    line = error_of(capsys, *argv)
    assert all(word in line for word in words), line
    assert not list(tmp_path.glob("runs/*/config.yaml"))  # the next try finds its folder free


def test_a_renderer_that_does_not_exist(capsys, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "vulkan")
    assert "'vulkan'; expected egl, osmesa" in error_of(capsys, "list")


def test_a_port_that_does_not_exist(capsys, tmp_path):
    assert "port 99999: expected 1 to 65535" in error_of(
        capsys, "view", str(tmp_path), "--port", "99999"
    )


def test_unknown_profile_lists_the_profiles(capsys, tmp_path):
    line = error_of(capsys, "worldenv", "--profile", "huge", "--out", str(tmp_path / "r"))
    assert "'huge'" in line and "smoke" in line and "small" in line


def test_a_config_with_a_misspelt_field_names_it(capsys, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("data:\n  exploration_per_taks: 10\n")
    line = error_of(capsys, "worldenv", "--config", str(path), "--out", str(tmp_path / "r"))
    assert "data.exploration_per_taks" in line and "exploration_per_task" in line


def test_resuming_what_is_no_run_says_so(capsys, tmp_path):
    assert "config.yaml" in error_of(capsys, "worldenv", "--resume", str(tmp_path))


@pytest.mark.parametrize("damage", ["cut", "garbage", "missing"])
def test_a_damaged_policy_is_named(capsys, tmp_path, damage):
    folder = save_policy(tmp_path / "policy")
    weights = folder / "model.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "garbage":
        weights.write_bytes(b"not tensors at all")
    else:
        weights.unlink()
    assert "model.safetensors" in error_of(capsys, "eval", str(folder), "--episodes", "1")


def test_a_policy_of_another_robot_is_refused(capsys, tmp_path):
    folder = save_policy(tmp_path / "policy")
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"panda"', '"so101"'))
    line = error_of(capsys, "eval", str(folder), "--episodes", "1")
    assert "'so101'" in line and "'panda'" in line


def test_a_dataset_of_another_robot_is_refused(capsys, tmp_path):
    columns = {
        "observation.state": np.zeros((3, 6), np.float32),
        "action": np.zeros((3, 6), np.float32),
    }
    with DatasetWriter(tmp_path / "d", 10, "so101") as writer:
        writer.add(Episode(columns, "wave", 10))
    line = error_of(capsys, "sft", str(tmp_path / "d"), "--out", str(tmp_path / "r"))
    assert "so101" in line and "panda" in line


def test_a_missing_dataset_or_run_is_named(capsys, tmp_path):
    missing = str(tmp_path / "nothing")
    assert missing in error_of(capsys, "sft", missing, "--out", str(tmp_path / "r"))
    assert missing in error_of(capsys, "view", missing)


def test_without_a_gl_library_the_error_says_what_to_install(tmp_path):
    # as on a machine without them: the loader finds neither EGL nor OSMesa nor OpenGL
    out = str(tmp_path / "d")
    code = f"""
import ctypes, ctypes.util
real_find, real_load = ctypes.util.find_library, ctypes.CDLL
def is_gl(name):
    return any(part in str(name) for part in ("EGL", "OSMesa", "libGL", "OpenGL")) or name == "GL"
def find(name):
    return None if is_gl(name) else real_find(name)
class Load(real_load):
    def __init__(self, name, *args, **options):
        if is_gl(name):
            raise OSError(f"{{name}}: cannot open shared object file")
        super().__init__(name, *args, **options)
ctypes.util.find_library, ctypes.CDLL = find, Load
ctypes.cdll = ctypes.LibraryLoader(Load)
from octoworld.cli.main import main
raise SystemExit(main(["collect", "PickUp", "--episodes", "1", "--out", {out!r}]))
"""
    environment = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "DISPLAY")}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert result.returncode == 2, result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and "apt-get install libegl1 libgl1 libosmesa6" in last
