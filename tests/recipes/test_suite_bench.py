"""The suite and head-room benches: jobs, seeds, tables; learning itself is the benches' own run."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from octoworld.bench import run, verdicts
from octoworld.cli.bench import main
from octoworld.core.errors import DatasetError
from octoworld.core.io import write_json
from octoworld.data.reader import Dataset
from octoworld.recipes.suite.bench import _learned, arm_of, claims, curves, split_table, table
from octoworld.recipes.suite.config import SuiteConfig
from octoworld.recipes.suite.headroom import EPISODES, HeadroomConfig
from octoworld.recipes.suite.picture import draw_curves
from octoworld.recipes.suite.work import (
    chosen_demonstrations,
    demonstrations_folder,
    do,
    learning,
    preparing,
    record_demonstrations,
    run_folder,
)

ONE = SuiteConfig(
    {"reach": ("Reach",)}, kinds=("act",), demonstrations=(1, 3), seeds=(0, 1), stills=3, jobs=1
)


def mark(folder: Path, name: str) -> None:
    """A job."""
    (folder / name).write_text(name)


def fail(message: str) -> None:
    """A job that does not work out."""
    raise DatasetError(message)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_rounds_are_done_one_after_the_other_and_a_failure_is_told(workers, tmp_path):
    names = ["a", "b", "c"]
    first = [(mark, (tmp_path, name)) for name in names]
    rounds = [first, [(fail, ("no luck",))], [(mark, (tmp_path, "d"))]]
    with pytest.raises(DatasetError, match="no luck"):
        do(rounds, workers)
    assert sorted(p.name for p in tmp_path.iterdir()) == names


DRIVER = """
import os, sys, time
from pathlib import Path
from octoworld.recipes.suite.work import do

def sit(folder):
    (folder / str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    do([[(sit, (Path(sys.argv[1]),))] * 2], 2)
"""


@pytest.mark.slow
def test_processes_end_with_a_driver_that_is_killed(tmp_path):
    script, folder = tmp_path / "driver.py", tmp_path / "pids"
    script.write_text(DRIVER)
    folder.mkdir()
    driver = subprocess.Popen([sys.executable, str(script), str(folder)])
    while driver.poll() is None and len(list(folder.iterdir())) < 2:
        time.sleep(0.1)
    driver.kill()
    driver.wait()
    pids = [path.name for path in folder.iterdir()]
    assert len(pids) == 2

    def lives(pid: str) -> bool:
        told = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True)
        return bool(told.stdout.strip()) and not told.stdout.startswith("Z")

    for pid in pids:  # a process that stays keeps this test from its end
        while lives(pid):
            time.sleep(0.1)


def test_training_seeds_share_no_demonstration_and_more_hold_fewer(tmp_path):
    for seed in ONE.seeds:
        record_demonstrations(ONE, "Reach", seed, tmp_path)
    chosen = {
        (n, s): chosen_demonstrations("Reach", n, s, tmp_path) for n in (1, 3) for s in (0, 1)
    }
    starts = {key: [e.info["seed"] for e in episodes] for key, episodes in chosen.items()}
    assert starts[3, 0][:1] == starts[1, 0] and not set(starts[3, 0]) & set(starts[3, 1])
    assert all(e.success for e in chosen[3, 1])
    recorded = Dataset(demonstrations_folder(tmp_path, "Reach", 0))
    assert not any(f["dtype"] == "video" for f in recorded.features.values())  # lossless


def test_no_purpose_shares_a_start_with_another():
    config, seen = SuiteConfig(), {}
    for purpose in ("demonstrations", "training", "validation", "test", "stills"):
        for task in config.tasks:
            for seed in (config.start_seeds(purpose, task, 10_000)[k] for k in (0, -1)):
                assert seen.setdefault(seed, (purpose, task)) == (purpose, task)


def test_what_has_been_tested_is_not_prepared_for_again(tmp_path):
    functions = [job[0].__name__ for jobs in preparing(ONE, tmp_path) for job in jobs]
    assert functions.count("record_demonstrations") == 2 and "record_stills" not in functions
    for kind, count in (("act", 1), ("act", 3)):
        for seed in ONE.seeds:
            place = run_folder(tmp_path, "reach", kind, count, seed)
            write_json(place / "outcomes.json", {"made_on": {}, "outcomes": []})
    left = [job[0].__name__ for jobs in preparing(ONE, tmp_path) for job in jobs]
    assert left == ["test_expert"]
    assert len(learning(SuiteConfig(), "tiny", 5, tmp_path)) == 4 * 3


def rows(successes: list[int], wrong: list[int]) -> list[dict]:
    return [
        {
            "task": "Reach" if k % 2 else "PickUp", "seed": k, "oracle": bool(hit),
            "wrong_object": bool(bad), "stages": ["reached"] if hit else [],
        }
        for k, (hit, bad) in enumerate(zip(successes, wrong, strict=True))
    ]  # fmt: skip


def test_rows_become_curves_a_table_and_verdicts(tmp_path):
    config = SuiteConfig(kinds=("tiny",), demonstrations=(5, 50), expert_starts=4)
    found = {5: [1, 0] * 20, 50: [1, 1, 1, 0] * 10}

    def measure(arm, seed, place):
        count = int(arm.split()[1])
        return _learned(rows(found[count], [1, 1] + [0] * 38), {"accelerator": None})

    arms = [arm_of("tiny", n) for n in (5, 50)]
    run(claims(config), measure, tmp_path, only=arms)
    entries = {e["name"]: e for e in verdicts(tmp_path)}
    assert entries["it has head-room"]["verdict"] == "pass"
    # of two episodes that handled something else one succeeded all the same
    assert entries["it handles the right thing"]["estimate"] == pytest.approx(1 / 40)
    assert curves(tmp_path)["PickUp"]["tiny"][50][0] == [1.0] * 20
    text = table(tmp_path)
    assert "| all | tiny | 50 % [35, 65] | 75 % [62, 88] |" in text
    assert "| Reach | tiny | 0 % [0, 0] | 50 % [30, 70] |" in text
    draw_curves(curves(tmp_path), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 10_000
    write_json(tmp_path / "splits.json", {"train": {"Reach": {"success": [1, 0], "seed": [1, 2]}}})
    assert "| train | 50.0 % [9.5, 90.5] | 2 | 1 |" in split_table(tmp_path)


def test_head_room_stays_within_its_episodes():
    config = HeadroomConfig()
    rl = config.posttrain.rl
    choices = 1 + int(np.ceil(rl.iterations / config.validate_every))
    spent = rl.iterations * rl.max_groups * rl.group_size + choices * config.validation_starts
    assert spent <= EPISODES


@pytest.mark.slow
def test_both_benches_run_from_nothing_and_once_done_only_report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("suite", "headroom"):
        assert main([name, "--quick"]) == 0
        first = capsys.readouterr().out
        assert "| Reach |" in first or "| head-room | Reach |" in first
        began = sorted(p for p in Path("results").rglob("*.json"))
        assert main([name, "--quick"]) == 0
        assert capsys.readouterr().out == first
        assert sorted(p for p in Path("results").rglob("*.json")) == began
    assert Path("results/suite-quick/curves.png").is_file()
