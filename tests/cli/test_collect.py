"""`octoworld collect`: arms, splits, noise, and data sets that grow."""

from __future__ import annotations

import numpy as np
import pytest

from octoworld.cli.main import main
from octoworld.data.check import check
from octoworld.data.reader import Dataset
from octoworld.recipes.rollouts import RolloutConfig, collect, recording_env
from tasks.splits import is_held_out_place


def collected(out, *options, task="Reach", episodes=2):
    argv = ["collect", task, "--out", str(out), "--episodes", str(episodes), *options]
    assert main([*argv, "--num-envs", "2", "--cameras", "wrist"]) == 0
    return Dataset(out)


def test_another_arm_under_noise_and_then_more(tmp_path):
    out = tmp_path / "data"
    data = collected(out, "--robot", "ur5e", "--noise", "0.3", "--split", "train")
    first, second = data.load_all()
    assert data.robot == first.info["robot"] == "ur5e"
    assert [e.info["seed"] for e in (first, second)] == [1_000_000, 1_000_001]
    assert first.info["noise"] == 0.3 and first.info["split"] == "train"
    gap = first["action"] - first["expert.action"]
    assert 0.1 < gap[:, :3].std() < 0.4 and not gap[:, 3].any()
    assert np.abs(first["action"]).max() <= 1
    assert not np.array_equal(gap, (second["action"] - second["expert.action"])[: len(gap)])
    (out / "README.md").write_text("mine")
    data = collected(out, "--robot", "ur5e", "--noise", "0.3", "--split", "train", episodes=1)
    assert [e.info["seed"] for e in data.episodes] == [1_000_000, 1_000_001, 1_000_002]
    assert (out / "README.md").read_text() == "mine" and not check(out)


def test_noise_is_a_function_of_the_seed():
    def episode(seeds, index):
        config = RolloutConfig(len(seeds), cameras=("wrist",), noise=0.2)
        return list(collect("Reach", seeds, config, policy=None, source="expert"))[index]

    alone, beside = episode([5], 0), episode([4, 5], 1)
    assert np.array_equal(alone["action"], beside["action"])
    assert not np.array_equal(alone["action"], alone["expert.action"])


def test_what_a_noisy_expert_did_replays():
    config = RolloutConfig(1, cameras=("wrist",), noise=0.3)
    (episode,) = collect("Reach", [9], config, policy=None, source="expert")
    env = recording_env("Reach", 1, config)
    states = np.concatenate([episode["sim_state"], episode["task_memory"]], axis=1)
    env.restore_worlds(np.ones(1, bool), states[:1])
    for action, after in zip(episode["action"][:-1], states[1:], strict=True):
        env.step(action[None])
        assert np.array_equal(env.sim_state()[0], after)
    env.close()


def test_a_split_and_a_backend_reach_the_worlds(tmp_path):
    pytest.importorskip("pybullet")
    data = collected(tmp_path / "d", "--split", "positions", "--backend", "pybullet")
    for episode in data.load_all():
        assert episode.info["backend"] == "pybullet" and "scene_state" in episode.columns
        ball = episode["observation.state"][0, :2] + episode["observation.environment_state"][0, :2]
        assert is_held_out_place(ball)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--robot", "kuka"), ("unknown robot 'kuka'", "panda", "so101", "ur5e")),
        (("--split", "tests"), ("unknown split 'tests'", "paraphrases", "train")),
        (("--backend", "bullet"), ("'bullet'", "mujoco", "pybullet")),
        (("--noise", "-1"), ("noise -1",)),
        (("--teleop", "--noise", "0.1"), ("--noise is the expert's",)),
        (("--teleop", "--policy", "p"), ("either you drive or the policy",)),
        (("--control-mode", "joint_pos"), ("--control-mode is for --teleop",)),
        (("--teleop", "--control-mode", "joint_pos"), ("cannot be driven by hand", "ee_delta_pos")),
        (
            ("--teleop", "--control-mode", "joint"),
            ("control mode 'joint'", "ee_delta_pose"),
        ),
        (("--teleop", "--port", "99999"), ("port 99999",)),
        (("--teleop", "--seconds", "0"), ("seconds 0",)),
        (("--robot", "so101"), ("PickUp needs a tool from", "'so101' reaches")),
    ],
)
def test_mistakes_are_one_line(capsys, tmp_path, options, words):
    assert main(["collect", "PickUp", "--out", str(tmp_path / "d"), *options]) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: ") and line.count("\n") == 1
    assert all(word in line for word in words), line
    assert not list(tmp_path.iterdir())


def test_drones_cannot_be_driven_by_hand(capsys, tmp_path):
    assert main(["collect", "Hover", "--out", str(tmp_path / "d"), "--teleop"]) == 2
    assert "'rpm' cannot be driven by hand" in capsys.readouterr().err


def test_a_data_set_of_another_arm_is_left_alone(capsys, tmp_path):
    collected(tmp_path / "d", episodes=1)
    argv = ["collect", "Reach", "--out", str(tmp_path / "d"), "--robot", "ur5e"]
    assert main(argv) == 2
    assert "robot 'panda', expected 'ur5e'" in capsys.readouterr().err
    assert main([*argv[:-2], "--teleop", "--control-mode", "ee_delta_pose"]) == 2
    assert "'ee_delta_pos', expected 'ee_delta_pose'" in capsys.readouterr().err
