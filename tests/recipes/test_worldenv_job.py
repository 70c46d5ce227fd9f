"""The whole job at its smallest: it ends, and when killed again and again it ends the same."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from octoworld.core.errors import CheckpointError
from octoworld.data.check import check
from octoworld.data.reader import Dataset
from octoworld.recipes.worldenv import STAGES, Run, WorldEnvConfig, profile, run_worldenv
from octoworld.recipes.worldenv.learning import PARTS
from octoworld.recipes.worldenv.publish import publish
from octoworld.viewer.physics import PhysicsReplay
from tasks.env import task_env

COMMAND = [sys.executable, "-m", "octoworld.cli.main", "worldenv"]
KILLED_IN = ("worldmodel", "posttrain")
"""A stage of each kind: supervised, of several phases; and reinforcement learning."""


def finished(run: Path) -> list[str]:
    return [s.name for s in STAGES if (run / "stages" / f"{s.name}.json").exists()]


def contents(run: Path) -> dict[str, bytes]:
    """Every file that the job leaves, but for its own clock and TensorBoard's time stamps."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name != "times.json" and "tensorboard" not in path.parts
    }


def kill_inside(run: Path, stage: str) -> None:
    """Go on with the job (or start it) and kill it a moment after the stage before has ended."""
    started = (run / "config.yaml").exists()
    where = ["--resume", str(run)] if started else ["--profile", "tiny", "--out", str(run)]
    before = STAGES[[s.name for s in STAGES].index(stage) - 1].name
    process = subprocess.Popen([*COMMAND, *where], stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None and before not in finished(run):
            time.sleep(0.02)
        time.sleep(0.7)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("whole") / "run"
    subprocess.run([*COMMAND, "--profile", "tiny", "--out", str(run)], check=True)
    return run


@pytest.mark.timeout(900)
def test_the_job_ends_with_a_table_and_sound_data(whole):
    assert finished(whole) == [s.name for s in STAGES]
    results = json.loads((whole / "results.json").read_text())
    assert {row["protocol"] for row in results["table"]} == {"oracle", "self_stopped"}
    assert results["true_episodes"]["post-training"] == 0
    assert json.loads((whole / "stages/posttrain.json").read_text())["facts"]["true_steps"] == 0
    for dataset in (whole / "episodes").iterdir():
        assert check(dataset) == [], dataset.name
    shown = Dataset(whole / "episodes" / "posttrained").episode(0)
    assert shown["recovered.action"].shape == (len(shown), 3)  # the shipped judge knows the scene


@pytest.mark.timeout(900)
def test_recorded_physics_can_be_shown_and_gone_on_from(whole):
    scene = PhysicsReplay(whole / "scene.xml")
    for name in ("demonstrations", "sft"):
        episode = Dataset(whole / "episodes" / name).episode(0)
        assert scene.misfit(episode["sim_state"].shape[1]) is None
        scene.show(episode["sim_state"][3])
        env = task_env(episode.info["task"])
        env.reset(seed=0)
        rows = np.concatenate([episode["sim_state"], episode["task_memory"]], axis=1)
        env.restore_worlds(np.ones(1, bool), rows[3:4])
        assert env.instructions == [episode.instruction]
        env.step(episode["action"][3:4])
        assert np.array_equal(env.world.get_state(), episode["sim_state"][4:5])
        env.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_job_killed_in_many_stages_ends_in_the_same_files(whole, tmp_path):
    run = tmp_path / "run"
    for stage in KILLED_IN:
        kill_inside(run, stage)
    assert finished(run) != [s.name for s in STAGES], "it was never killed in time"
    subprocess.run([*COMMAND, "--resume", str(run)], check=True)
    ours, theirs = contents(run), contents(whole)
    assert sorted(ours) == sorted(theirs)
    assert [name for name in theirs if ours[name] != theirs[name]] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_job_starts_from_published_parts_and_trains_the_rest(whole, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    publish(Run.resume(whole, WorldEnvConfig), first)
    # the reflector is left out, so the run trains its own
    shutil.rmtree(first / "reflector")
    config = replace(profile("tiny"), pretrained=str(first), continue_worldmodel=True)
    run = Run.create(tmp_path / "run", config)
    run_worldenv(run, until="reflector")
    taken = {part: "pretrained" in run.record(part) for part in PARTS}
    assert taken == {"grounding": True, "autoencoder": True, "worldmodel": True, "reflector": False}
    assert "flow/loss" in run.record("worldmodel"), "trained further"
    card = publish(run, second)
    assert card["parts"]["worldmodel"]["before"]["published_at"]
    assert "before" not in card["parts"]["reflector"]
    assert {p.name for p in second.iterdir()} >= {
        *PARTS,
        "imagined.png",
        "config.yaml",
        "card.json",
    }
    empty = Run.create(tmp_path / "empty", replace(config, pretrained=str(tmp_path)))
    with pytest.raises(CheckpointError, match="holds none of grounding"):
        run_worldenv(empty, until="grounding")


def test_a_second_job_in_the_same_folder_is_refused_in_one_line(whole):
    again = subprocess.run(
        [*COMMAND, "--profile", "tiny", "--out", str(whole)], capture_output=True, text=True
    )
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1 and "--resume" in again.stderr
