"""The RLIR bench: arms from recordings to findings, and how findings become tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from octoworld.bench import verdicts
from octoworld.core.io import read_json, write_json
from octoworld.recipes.rlir.arms import equal_steps, improve, measure_compute
from octoworld.recipes.rlir.bench import confusions, gains, macro_f1, relative, store, table
from octoworld.recipes.rlir.config import ARMS, SOURCES, RlirBenchConfig, quick_rlir
from octoworld.recipes.rlir.parts import (
    learn_base,
    learn_probe,
    learn_reader,
    parts_of,
    record,
    reward_of,
    witnesses_of,
)
from octoworld.recipes.rlir.witness import CEILINGS, KINDS, read_found, test_arm
from worldmodels.inverse_dynamics import GateConfig, GateError, GateReport, episode_ids

run_test = test_arm
del test_arm  # pytest would take it for a test

FEW = replace(quick_rlir(), episodes={name: 3 for name in SOURCES}, steps=4, clips=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """All that comes before the arms, of one paradigm."""
    place = tmp_path_factory.mktemp("rlir")
    for source in SOURCES:
        record(FEW, source, place)
    for role in ("reward", "judge"):
        learn_reader(FEW, role, place)
    for role in ("veto", "witness"):
        learn_probe(FEW, role, place)
    learn_base(FEW, "flow", place)
    measure_compute(FEW, "flow", place)
    return place


def test_no_two_sources_share_a_start_and_no_two_readers_an_episode(folder):
    config = RlirBenchConfig()
    starts = [s for source in SOURCES for t in config.tasks for s in config.start_seeds(source, t)]
    assert len(set(starts)) == len(starts)
    parts = [set(episode_ids(part)) for part in parts_of(folder)]
    assert all(parts) and not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    witnesses = witnesses_of(FEW, folder)  # raises where judge and reward have anything in common
    assert witnesses.judge.role == "judge" and set(witnesses.places) == {"tool", "block", "drawer"}


def test_a_reader_that_does_not_pass_gives_no_reward(folder, tmp_path):
    report = GateReport.load(folder / "reward" / "gate.json")
    strict = replace(report, config=replace(report.config, real=0.7))
    for file in ("config.json", "diffusion_pytorch_model.safetensors"):
        (tmp_path / "reward").mkdir(exist_ok=True)
        (tmp_path / "reward" / file).write_bytes((folder / "reward" / file).read_bytes())
    strict.save(tmp_path / "reward" / "gate.json")
    with pytest.raises(GateError, match="not fit to be a reward"):
        reward_of(FEW, tmp_path)
    assert GateConfig().real == 0.7


@pytest.mark.parametrize("arm", ["continued", "rlir"])
def test_an_arm_is_trained_once_and_judged_on_clips_of_both_kinds(arm, folder):
    improve(FEW, "flow", arm, 0, folder)
    weights = folder / "flow" / f"{arm}-0" / "model" / "diffusion_pytorch_model.safetensors"
    made = weights.stat().st_mtime_ns
    improve(FEW, "flow", arm, 0, folder)
    assert weights.stat().st_mtime_ns == made
    run_test(FEW, "flow", arm, 0, folder)
    found = read_found(folder, "flow", arm, 0)
    assert set(found["kinds"]) == set(KINDS) and found["temperature"] == 1.0
    for one in found["kinds"].values():
        assert len(one["match"]) == len(one["error"]["block"]) == FEW.clips
        assert one["shape"] == [FEW.clips, FEW.steps, 2]


def test_plain_training_gets_the_compute_of_all_iterations(folder):
    cost = read_json(folder / "flow" / "compute.json")
    assert cost["iteration"] > cost["step"] > 0
    wanted = FEW.rlir.rl.iterations * cost["iteration"] / cost["step"]
    assert 0 <= equal_steps(FEW, "flow", folder) - wanted < 1


# -- tables ----------------------------------------------------------------------------------------


def finding(right: float, clips: int = 40, seed: int = 0) -> dict:
    """An arm that is read rightly in a share of actions, errors the greater the less it is."""
    random = np.random.default_rng(seed)
    wanted = random.integers(3, size=(clips, 6, 2))
    hit = random.random(wanted.shape) < right
    bins = np.where(hit, wanted, (wanted + 1) % 3)
    both = hit.all(-1).mean(1)
    one = {
        "rows": list(range(clips)), "match": both.tolist(), "psnr": [25.0] * clips,
        "ssim": [0.9] * clips, "gone": [0.0] * clips,
        "error": {k: (0.05 * (1.1 - both)).tolist() for k in ("tool", "block", "drawer")},
        "bins": bins.flatten().tolist(), "wanted": wanted.flatten().tolist(),
        "shape": list(wanted.shape), "num_bins": 3,
    }  # fmt: skip
    return {"temperature": 0.5, "swept": {}, "kinds": {kind: one for kind in KINDS}}


def test_macro_f1_is_the_mean_over_bins_and_dimensions():
    one = {"shape": [2, 2, 1], "num_bins": 3, "bins": [0, 1, -1, 1], "wanted": [0, 1, 0, 2]}
    counts = confusions(one)
    assert counts.shape == (2, 1, 3, 4) and counts.sum() == 4
    # bin 0: 1 hit of 1 named and 2 there; bin 1: 1 of 2 and 1; bin 2: never named
    assert macro_f1(counts.sum(0)) == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


def test_gains_are_relative_and_paired():
    ours, plain = finding(0.9)["kinds"]["expert"], finding(0.6)["kinds"]["expert"]

    def errors(found):
        values = np.asarray(found["error"]["tool"])
        return lambda clips: float(values[clips].mean())

    low, middle, high = relative([ours], [plain], errors)
    wanted = np.mean(ours["error"]["tool"]) / np.mean(plain["error"]["tool"]) - 1
    assert middle == pytest.approx(wanted) and low < middle < high < 0
    assert relative([plain], [plain], errors) == (0, 0, 0)


def test_findings_become_rows_verdicts_and_tables(tmp_path):
    config, scratch, results = RlirBenchConfig(seeds=(0, 1)), tmp_path / "runs", tmp_path / "out"
    share = {"rlir": 0.9, "recorded": 0.97, "redrawn": 0.95}
    for arm in (*ARMS, *CEILINGS):
        for seed in config.seeds:
            place = scratch / "flow" / "found" / f"{arm.replace(' ', '-')}-{seed}.json"
            write_json(place, finding(share.get(arm, 0.6), seed=seed))
    joint = {"real": 0.9, "static": 0.1, "blurred": 0.2}
    for role in ("reward", "judge"):
        for file in ("gate", "reconstructions"):
            write_json(scratch / role / f"{file}.json", {"joint": joint, "passed": True})
    store(config, "flow", scratch, results)
    told = {
        e["name"].split("/")[0]: e["verdict"] for e in verdicts(results) if e["arm"] == "flow, rlir"
    }
    assert told["flow: obeys"] == told["flow: hand"] == "pass"
    shown = table(results, "flow")
    assert all(f"| {arm} | 0.5 0.5 |" in shown for arm in (*ARMS, *CEILINGS))
    assert "flow, expert actions | +" in gains(results)
    assert table(results, "autoregressive") == ""
