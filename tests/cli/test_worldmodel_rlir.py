"""`octoworld worldmodel readers` and `rlir`: readers behind their gate, then a rewarded model."""

import json

import pytest

from octoworld.cli.main import main

from .test_worldmodel import error_of, record, train, weights

READER = [
    f"{role}.{name}"
    for role in ("reward", "judge")
    for name in ("model.width=16", "model.hidden=16", "fit.batch_size=8", "spoil.share=0")
]
OPEN = ["gate.real=0.000001", "gate.broken=1", "gate.measure=dimension", "gate.clips=8"]
SHORT = [
    "rlir.rl.num_groups=2", "rlir.rl.max_groups=2", "rlir.rl.group_size=2",
    "rlir.data_batch_size=2", "watch.clips=4", "watch.every=1", "judged_clips=4",
]  # fmt: skip


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Recordings, a world model of them, and readers that an open gate let pass."""
    place = tmp_path_factory.mktemp("rlir")
    data = record(place / "data", episodes=8), record(place / "held_out", seed=1)
    assert main(train(place / "run", data[0])) == 0
    argv = ["worldmodel", "readers", str(place / "run"), data[0], "--out", str(place / "readers")]
    assert main([*argv, "--bins", "3", "--steps", "30", "--set", *READER, *OPEN]) == 0
    return place, data


def improve(place, data, out, *more):
    return [
        "worldmodel", "rlir", str(place / "run"), data[0], "--held-out", data[1],
        "--readers", str(place / "readers"), "--out", str(out), "--iterations", "2",
        "--set", *SHORT, *more,
    ]  # fmt: skip


def test_the_result_is_a_run_that_can_be_examined(parts, tmp_path, capsys):
    place, data = parts
    assert main(improve(place, data, tmp_path / "better")) == 0
    assert "| before |" in capsys.readouterr().out
    told = json.loads((tmp_path / "better" / "judged.json").read_text())
    assert told["after"]["actions"] == told["before"]["actions"] == 4 * 8
    old, new = weights(place / "run"), weights(tmp_path / "better")
    moved = {name.split(".")[0] for name in old if not old[name].equal(new[name])}
    assert moved <= {"transformer"}  # nothing at all where the untrained model was watched best
    argv = ["worldmodel", "eval", str(tmp_path / "better"), data[1], "--steps", "8"]
    assert main([*argv, "--starts", "4", "--films", "0"]) == 0


def test_readers_that_do_not_pass_are_named_and_refused(parts, tmp_path, capsys):
    place, data = parts
    argv = ["worldmodel", "readers", str(place / "run"), data[0], "--out", str(tmp_path / "bad")]
    assert main([*argv, "--bins", "3", "--steps", "2", "--set", *READER, "gate.clips=8"]) == 1
    out = capsys.readouterr().out
    assert "| reward |" in out and "at least 0.7 is asked" in out
    strict = improve(place, data, tmp_path / "out")
    strict[strict.index("--readers") + 1] = str(tmp_path / "bad")
    assert "is not fit to be a reward" in error_of(capsys, *strict)
    assert not (tmp_path / "out" / "worldmodel").exists()


def test_bad_input_is_named(parts, tmp_path, capsys):
    place, data = parts
    other = record(tmp_path / "other", robot="panda", actions=3)
    line = error_of(capsys, *improve(place, (other, data[1]), tmp_path / "x"))
    assert "has robot 'panda', the world model is made for 'cf2x'" in line
    line = error_of(capsys, *improve(place, data, tmp_path / "x", "rlir.prompts.chunks=40"))
    assert "no episode is longer than 160 steps" in line
    argv = ["worldmodel", "readers", str(place / "run"), data[0], "--out", str(tmp_path / "y")]
    line = error_of(capsys, *argv, "--dimensions", "roll", "--steps", "2")
    assert "roll" in line and "0, 1" in line
