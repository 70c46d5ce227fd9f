"""`octoworld sft`: which policy, from which data sets, by which settings."""

import numpy as np
import pytest

from octoworld.cli.main import main
from octoworld.core.log import read_metrics
from octoworld.data.episode import Episode
from octoworld.data.writer import DatasetWriter
from vla.checkpoint import load_policy
from vla.diffusion import DiffusionPolicy


def record(folder, actions=4, control_mode="ee_delta_pos"):
    """A data set of one short episode."""
    rng = np.random.default_rng(0)
    columns = {
        "observation.images.front": rng.integers(0, 256, (5, 64, 64, 3)).astype(np.uint8),
        "observation.state": rng.normal(size=(5, 3)).astype(np.float32),
        "action": rng.uniform(-1, 1, (5, actions)).astype(np.float32),
    }
    info = {"robot": "panda", "control_mode": control_mode}
    with DatasetWriter(folder, 10, "panda") as writer:
        writer.add(Episode(columns, "wave", 10, info))
    return str(folder)


def error_of(capsys, *argv):
    assert main(list(argv)) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: ") and line.count("\n") == 1
    return line


def test_trains_the_policy_asked_for_on_a_mixture(tmp_path, capsys):
    data = [record(tmp_path / name) for name in ("a", "b")]
    out = tmp_path / "run"
    argv = ["sft", *data, "--weights", "1", "3", "--out", str(out), "--policy", "diffusion"]
    argv += ["--set", "n_obs_steps=2", "channels=[32, 64]", "prediction=epsilon"]
    assert main([*argv, "--steps", "2", "--batch-size", "4"]) == 0
    policy = load_policy(out)
    assert isinstance(policy, DiffusionPolicy)
    assert policy.config.n_obs_steps == 2 and policy.config.channels == (32, 64)
    assert policy.config.prediction == "epsilon" and policy.config.action_dim == 4
    assert len(read_metrics(out / "metrics.jsonl")) == 1


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--set", "chunksize=3"), ("chunksize", "chunk_size")),
        (("--set", "chunk_size"), ("'chunk_size'", "name=value")),
        (("--set", "chunk_size=many"), ("chunk_size", "int", "'many'")),
        (("--policy", "diffusion", "--set", "prediction_horizon=2"),
         ("prediction_horizon = 2", "chunk_size = 4")),
        (("--policy", "act", "--set", "temporal_ensemble=3"), ("temporal_ensemble", "bool")),
        (("--policy", "giant"), ("giant", "act", "diffusion", "tiny")),
        (("--weights", "1"), ("2 data sets", "got 1")),
        (("--weights", "1", "-2"), ("-2.0", "above 0")),
        (("--precision", "bfloat16"), ("bfloat16", "CUDA", "float32")),
    ],
)  # fmt: skip
def test_wrong_settings(argv, words, tmp_path, capsys):
    data = [record(tmp_path / name) for name in ("a", "b")]
    line = error_of(capsys, "sft", *data, "--out", str(tmp_path / "run"), *argv)
    assert all(word in line for word in words), line


def test_data_sets_that_do_not_fit(tmp_path, capsys):
    data = [record(tmp_path / "a"), record(tmp_path / "b", actions=7)]
    line = error_of(capsys, "sft", *data, "--out", str(tmp_path / "run"))
    assert "action length" in line and data[0] in line and "7" in line
    assert "at least one folder" in error_of(capsys, "sft", "--out", str(tmp_path / "run"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"actions": 7}, "has action_dim 4, the episodes have 7"),
        (
            {"control_mode": "joint_delta_pos"},
            "has control_mode 'ee_delta_pos', the episodes have 'joint_delta_pos'",
        ),
    ],
)
def test_a_data_set_of_another_action_space_than_the_policy_to_start_from(
    changes, words, tmp_path, capsys
):
    first = ["sft", record(tmp_path / "a"), "--out", str(tmp_path / "run"), "--policy", "act"]
    first += ["--set", "width=32", "heads=2", "channels=[8, 8, 8]", "chunk_size=2"]
    assert main([*first, "--steps", "1", "--batch-size", "2"]) == 0
    capsys.readouterr()
    other = record(tmp_path / "b", **changes)
    initial = ["--initial", str(tmp_path / "run" / "policy"), "--out", str(tmp_path / "more")]
    assert words in error_of(capsys, "sft", other, *initial)
