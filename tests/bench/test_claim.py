"""Claims: what is stored, what is run again, what is refused, and how it is judged."""

import json

import numpy as np
import pytest

from octoworld.bench import ArmResult, Claim, Interval, judge, report, run, scaled, verdicts
from octoworld.bench.claim import load_claims, row_path
from octoworld.core.errors import CheckpointError, ConfigError, UnknownNameError
from octoworld.core.io import read_json, write_json
from octoworld.core.registry import BENCHES

CLAIM = Claim(
    "helps", arms=("new",), baseline="old", seeds=(0, 1, 2), metric="success", margin=0.05,
    budget={"true_episodes": 200},
)  # fmt: skip
RATES = {"old": 0.4, "new": 0.6, "same": 0.4}


class Arms:
    """Success where a luck that is common to all arms is below the arm's rate."""

    def __init__(self, num_starts=300, spend=200):
        self.calls, self.num_starts, self.spend = [], num_starts, spend

    def __call__(self, arm, seed, folder):
        self.calls.append((arm, seed))
        luck = np.random.default_rng(seed).random(self.num_starts)
        success = luck < RATES[arm]
        return ArmResult(
            starts=range(1000, 1000 + self.num_starts),
            outcomes={"success": success, "length": 10 + luck},
            spent={"true_episodes": self.spend},
            facts={"note": arm},
        )


def test_a_real_gain_passes(tmp_path):
    run([CLAIM], Arms(), tmp_path, config={"lr": 1e-3})
    [entry] = verdicts(tmp_path)
    assert entry["verdict"] == "pass"
    assert entry["ci"][0] > 0.05 and abs(entry["estimate"] - 0.2) < 0.05
    assert (entry["seeds"], entry["episodes"]) == (3, 900)
    assert entry["commit"]
    assert json.loads(json.dumps(entry)) == entry
    table = report(tmp_path)
    assert "**pass**" in table and "helps" in table
    assert read_json(tmp_path / "stamp.json")["config"] == {"lr": 1e-3}
    row = read_json(row_path(tmp_path, "new", 1))
    assert row["hardware"]["python"] and row["facts"] == {"note": "new"} and row["seconds"] >= 0


def test_no_gain_does_not_pass(tmp_path):
    claim = Claim("idle", arms=("same",), baseline="old", seeds=(0, 1, 2), metric="success")
    run([claim], Arms(), tmp_path)
    [entry] = verdicts(tmp_path)
    assert entry["estimate"] == 0
    assert entry["verdict"] != "pass"


def test_stored_rows_are_not_run_again(tmp_path):
    class Stopped(Exception):  # noqa: N818
        pass

    arms = Arms()

    def until_third(arm, seed, folder):
        if len(arms.calls) == 3:
            raise Stopped
        return arms(arm, seed, folder)

    with pytest.raises(Stopped):
        run([CLAIM], until_third, tmp_path)
    assert verdicts(tmp_path)[0]["verdict"] == "inconclusive"
    again = Arms()
    run([CLAIM], again, tmp_path)
    assert sorted(arms.calls + again.calls) == sorted(
        (arm, seed) for arm in ("old", "new") for seed in (0, 1, 2)
    )
    assert verdicts(tmp_path)[0]["verdict"] == "pass"


def test_claims_cannot_be_changed_after_the_fact(tmp_path):
    run([scaled(CLAIM, [0])], Arms(), tmp_path)
    with pytest.raises(ConfigError, match="other claims"):
        run([CLAIM], Arms(), tmp_path)
    assert load_claims(tmp_path) == [scaled(CLAIM, [0])]


def test_budget_is_held(tmp_path):
    with pytest.raises(ConfigError, match="spent 201"):
        run([CLAIM], Arms(spend=201), tmp_path)
    assert not row_path(tmp_path, "old", 0).exists()


def test_different_starts_are_refused(tmp_path):
    run([CLAIM], Arms(), tmp_path)
    path = row_path(tmp_path, "new", 1)
    row = read_json(path)
    row["starts"][0] = 7
    write_json(path, row)
    with pytest.raises(CheckpointError, match="different starts"):
        verdicts(tmp_path)


def test_unknown_metric_names_the_known(tmp_path):
    claim = Claim("x", arms=("new",), seeds=(0,), metric="succes")
    run([claim], Arms(), tmp_path)
    with pytest.raises(CheckpointError, match="success, length"):
        verdicts(tmp_path)


def test_absolute_claims_need_no_baseline(tmp_path):
    claims = [
        Claim("high", arms=("new", "old"), seeds=(0, 1), metric="success", margin=0.5),
        Claim("short", arms=("new",), seeds=(0, 1), metric="length", margin=11, direction="less"),
    ]
    run(claims, Arms(), tmp_path)
    found = {entry["name"]: entry["verdict"] for entry in verdicts(tmp_path)}
    assert found == {"high/new": "pass", "high/old": "fail", "short": "pass"}


@pytest.mark.parametrize(
    ("options", "interval", "expected"),
    [
        ({}, (0.1, 0.02, 0.2), "pass"),
        ({}, (0.1, -0.02, 0.2), "inconclusive"),
        ({}, (-0.1, -0.2, -0.01), "fail"),
        ({"margin": 0.08}, (0.1, 0.02, 0.2), "inconclusive"),
        ({"margin": -0.03}, (0.0, -0.02, 0.02), "pass"),
        ({"minimum": 0.08}, (0.1, 0.02, 0.2), "pass"),
        ({"minimum": 0.08}, (0.05, 0.02, 0.1), "inconclusive"),
        ({"minimum": 0.08}, (0.03, 0.02, 0.07), "fail"),
        ({"direction": "less"}, (-0.1, -0.2, -0.01), "pass"),
        ({"direction": "less"}, (0.1, 0.05, 0.2), "fail"),
        ({"direction": "within", "margin": 0.03}, (0.0, -0.02, 0.02), "pass"),
        ({"direction": "within", "margin": 0.03}, (0.0, -0.04, 0.02), "inconclusive"),
        ({"direction": "within", "margin": 0.03}, (-0.1, -0.2, -0.05), "fail"),
    ],
)
def test_verdicts_by_hand(options, interval, expected):
    claim = Claim("c", arms=("a",), baseline="b", seeds=(0,), metric="success", **options)
    assert judge(Interval(*interval), claim) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"arms": ()},
        {"seeds": ()},
        {"baseline": "a"},
        {"direction": "within", "margin": -1.0},
    ],
)
def test_impossible_claims_are_refused(options):
    with pytest.raises(ConfigError, match="claim 'c'"):
        Claim(**({"name": "c", "arms": ("a",), "seeds": (0,), "metric": "success"} | options))


@pytest.fixture
def bench(monkeypatch):
    class Tiny:
        name, description = "tiny", "a bench for the tests"

        def run(self, quick, folder):
            run([scaled(CLAIM, [0]) if quick else CLAIM], Arms(), folder)

        def report(self, folder):
            return report(folder)

    monkeypatch.setattr(BENCHES, "_members", {"tiny": Tiny})
    monkeypatch.setattr(BENCHES, "_discovered", True)


def test_command_line(bench, tmp_path, capsys):
    from octoworld.cli.bench import main

    folder = ["--folder", str(tmp_path)]
    assert main(["--list"]) == 0
    assert "a bench for the tests" in capsys.readouterr().out
    assert main(["tiny", "--quick", *folder]) == 0
    assert "**pass**" in capsys.readouterr().out
    assert (tmp_path / "tiny-quick").exists() and not (tmp_path / "tiny").exists()
    with pytest.raises(CheckpointError, match="does not exist"):
        main(["tiny", "--report", *folder])
    assert main(["tiny", *folder, "--json"]) == 0
    [entry] = json.loads(capsys.readouterr().out)
    assert {"name", "estimate", "ci", "margin", "verdict", "seeds", "episodes", "commit"} <= set(
        entry
    )
    with pytest.raises(ConfigError, match="tiny"):
        main([])
    with pytest.raises(UnknownNameError, match="tiny"):
        main(["tinny"])
