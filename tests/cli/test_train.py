"""`octoworld train` and `octoworld play`, and what the other verbs make of a trained controller."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import octoworld
from octoworld.cli.main import main
from octoworld.core.config import load_config
from octoworld.core.io import load_tensors, read_json
from octoworld.core.log import read_metrics
from octoworld.data.reader import Dataset
from octoworld.recipes.fly import TrainConfig
from octoworld.viewer.recording import cameras, open_recording

# two episodes of 48 steps in four worlds: the shortest segment there is
SMALL = (
    "--num-envs", "4", "--eval-every", "384", "--total-steps", "768", "--eval-episodes", "4",
    "--test-episodes", "4", "--hidden", "16", "--options", "n_steps=96", "batch_size=96",
    "n_epochs=1",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A trained run: of the wrong control mode for demonstrations, to see that it is kept."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    argv = ["train", "PickUp", *SMALL, "--control-mode", "joint_delta_pos", "--out", str(folder)]
    assert main(argv) == 0
    return folder


def error_of(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(list(argv)) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: ") and line.count("\n") == 1
    return line


def test_a_run_folder(run):
    config = load_config(TrainConfig, run / "config.yaml")
    assert (config.task, config.algo, config.hidden) == ("PickUp", "ppo", (16,))
    assert config.options == {"n_steps": 96, "batch_size": 96, "n_epochs": 1}
    outcome = read_json(run / "outcome.json")
    assert outcome["steps"] == 768 and outcome["test"]["episodes"] == 4
    low, high = outcome["test"]["ci"]
    assert 0 <= low <= outcome["test"]["success"] <= high <= 1
    rows = [r for r in read_metrics(run / "metrics.jsonl") if "eval/return" in r]
    assert [r["step"] for r in rows] == [384, 768]


def test_the_controller_drives_what_it_was_made_for(run):
    policy = octoworld.load_policy(run, robot="panda", control_mode="joint_delta_pos")
    envs = octoworld.make_vec("PickUp", 2, control_mode="joint_delta_pos")
    obs, _ = envs.reset(seed=0)
    import torch

    actions = policy.act({"observation.state": torch.from_numpy(obs)}, envs.instructions).actions
    assert actions.shape == (2, 1, envs.num_acts)
    envs.step(actions[:, 0].detach().numpy())
    envs.close()


def test_the_tasks_own_control_mode_is_written_down():
    from octoworld.recipes.fly.config import default_config
    from octoworld.recipes.fly.learner import Learner
    from octoworld.recipes.fly.training import task_maker

    config = default_config("PickUp", num_envs=2)
    made = Learner(config, task_maker(config)).controller().config
    assert (made.robot, made.control_mode) == ("panda", "ee_delta_pos")


def test_eval_runs_it(run, capsys):
    assert main(["eval", str(run), "--episodes", "4", "--num-envs", "4"]) == 0
    table = capsys.readouterr().out
    assert "PickUp" in table and "at the end of the clock" in table and "PushToZone" not in table


def test_play_records_and_the_viewer_opens_it(run, capsys):
    argv = ["play", str(run), "--episodes", "2", "--cameras", "front", "--serve", "False"]
    assert main(argv) == 0 and main(argv) == 0
    shown = capsys.readouterr().out
    assert "2 episodes, 96 steps" in shown and f"octoworld view {run}" in shown
    recording = open_recording(run)
    assert sorted(recording.datasets) == ["play-0", "play-1"]
    assert recording.scene_path("play-0") is not None
    episode = recording.episode("play-0", 0)
    assert cameras(episode) == ["front"] and "sim_state" in episode.columns
    films = sorted(p.name for p in (run / "videos").iterdir())
    assert films == [f"play-{k}-500000{i}.mp4" for k in (0, 1) for i in (0, 1)]
    first, again = (Dataset(run / "episodes" / f"play-{k}").episode(0) for k in (0, 1))
    assert np.array_equal(first["action"], again["action"])


def test_a_controller_can_teach(run, tmp_path):
    """The pipeline to data sets: what it does is recorded with images, for a VLA to learn from."""
    from octoworld.recipes.rollouts import RolloutConfig, collect

    policy = octoworld.load_policy(run)
    config = RolloutConfig(2, hold_steps=2, cameras=("front",))
    episodes = list(collect("PickUp", [1, 2], config, policy=policy, source="controller"))
    assert [e.info["control_mode"] for e in episodes] == ["joint_delta_pos"] * 2
    assert episodes[0]["observation.images.front"].dtype == np.uint8
    assert np.abs(episodes[0]["action"]).max() > 0


@pytest.mark.slow
def test_a_killed_process_resumes(tmp_path, capsys):
    """SIGKILL as soon as there is a checkpoint; the resumed run ends as an unbroken one."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main(["train", "PickUp", *SMALL, "--out", str(whole)]) == 0
    command = [sys.executable, "-m", "octoworld.cli.main", "train", "PickUp", *SMALL]
    process = subprocess.Popen(
        [*command, "--out", str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    state = killed / "checkpoints" / "state.safetensors"
    while not state.exists():
        assert process.poll() is None, "it ended before it left a checkpoint"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert main(["train", "--resume", str(killed)]) == 0
    left, right = (load_tensors(f / "checkpoints" / "state.safetensors") for f in (whole, killed))
    names = {k for k in left if "seconds" not in k}
    assert all(np.array_equal(left[k].numpy(), right[k].numpy()) for k in names)
    capsys.readouterr()
    assert main(["train", "--resume", str(killed)]) == 0  # finished: says so again
    assert "768 steps" in capsys.readouterr().out


def test_a_config_file_starts_the_same_training(run, tmp_path):
    copy = tmp_path / "copy"
    assert main(["train", "--config", str(run / "config.yaml"), "--out", str(copy)]) == 0
    ours, theirs = (load_tensors(f / "checkpoints/last/model.safetensors") for f in (run, copy))
    assert all(np.array_equal(ours[k].numpy(), theirs[k].numpy()) for k in ours)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ((), ("which task",)),
        (("Hoverr",), ("'Hoverr'", "PickUp")),
        (("PickUp", "--algo", "dqn"), ("'dqn'", "ppo", "sac")),
        (("PickUp", "--num-envs", "0"), ("num_envs", "0")),
        (("PickUp", "--set", "lerning_rate=1"), ("lerning_rate", "learning_rate")),
        (("PickUp", "--set", "discount"), ("discount", "name=value")),
        (("PickUp", "--set", "discount=high"), ("discount", "'high'")),
        (("PickUp", "--options", "n_stepz=3"), ("n_stepz", "n_steps")),
        (("PickUp", "--control-mode", "thrust"), ("'thrust'", "ee_delta_pos")),
        (("PickUp", "--backend", "unreal"), ("'unreal'", "mujoco")),
    ],
)
def test_bad_input_is_one_line(capsys, tmp_path, argv, words):
    line = error_of(capsys, "train", *argv, "--out", str(tmp_path / "run"))
    assert all(word in line for word in words), line
    assert not (tmp_path / "run" / "config.yaml").exists()  # corrected, it can start there


def test_an_existing_run_is_not_overwritten(run, capsys):
    line = error_of(capsys, "train", "PickUp", "--out", str(run))
    assert "--resume" in line and str(run) in line


def test_a_run_of_another_config_says_so(run, capsys, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "outcome.json").unlink()
    config = copy / "config.yaml"
    config.write_text(config.read_text().replace("- 16", "- 24"))
    assert "does not fit this run's config" in error_of(capsys, "train", "--resume", str(copy))


def test_play_of_nothing_names_it(capsys, tmp_path):
    assert str(tmp_path) in error_of(capsys, "play", str(tmp_path))
