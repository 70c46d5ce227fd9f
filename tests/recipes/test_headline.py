"""The headline bench, quick: what arms cost is counted, and what is done is not done again."""

from pathlib import Path

import numpy as np
import pytest
import torch

from octoworld.core.config import to_dict
from octoworld.core.io import read_json
from octoworld.data.reader import Dataset
from octoworld.recipes.headline.arms import SFT, UNJUDGED, arms_of
from octoworld.recipes.headline.bench import HeadlineBench, paired, rows_by_arm
from octoworld.recipes.headline.config import HeadlineConfig, quick_headline
from octoworld.recipes.headline.recorded import demonstrations, explored
from octoworld.recipes.worldenv.outcome import promised
from worldmodels.autoencoder import AutoencoderConfig, FrameAutoencoder
from worldmodels.likeness import Likeness


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("headline")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        HeadlineBench().run(True, Path("results"))
    return place


def test_every_arm_says_what_it_cost(done):
    rows = rows_by_arm(done / "results")
    assert set(rows) == set(arms_of(quick_headline()))
    spent = {arm: row[0]["spent"] for arm, row in rows.items()}
    assert {a: s["true_episodes"] for a, s in spent.items()} == {
        SFT: 0, "sft, longer": 0, "6 demonstrations": 0, "filtered, 4": 4, "physics, 4": 4,
        "imagined, 0": 0, "imagined, 4": 4, UNJUDGED: 0,
    }  # fmt: skip
    assert spent["physics, 4"]["true_episodes_in_posttraining"] == 4
    for arm in ("imagined, 0", "imagined, 4", UNJUDGED):
        assert spent[arm]["true_episodes_in_posttraining"] == 0
        assert spent[arm]["gradient_steps"] > 0
    report = HeadlineBench().report(done / "results")
    assert "better in imagination" in report and "| physics, 4 | 4 | 1 | 4 |" in report
    assert (done / "results" / "budgets.png").exists()


def test_arms_are_tested_from_the_same_starts_that_nothing_was_trained_on(done):
    rows = rows_by_arm(done / "results")
    main, side = rows[SFT][0]["starts"], rows["physics, 4"][0]["starts"]
    assert rows["imagined, 0"][0]["starts"] == main
    assert set(side) < set(main)
    assert paired(rows["physics, 4"], rows[SFT]).shape == (1, len(side))
    recorded = {
        purpose: {m.info["seed"] for m in Dataset(done / "runs/results/seed-0" / purpose).episodes}
        for purpose in ("demonstrations", "starts", "choice", "exploration")
    }
    everything = [*recorded.values(), set(main)]
    assert sum(map(len, everything)) == len(set.union(*everything))


def test_larger_budgets_hold_smaller_ones_and_tasks_share_them(done):
    config, scratch = quick_headline(), done / "runs" / "results"
    two, four = ([e.info["seed"] for e in explored(config, 0, scratch, n)] for n in (2, 4))
    assert set(two) < set(four)
    tasks = [e.info["task"] for e in explored(config, 0, scratch, 4)]
    assert tasks == ["PickUp", "PickUp", "OpenDrawer", "OpenDrawer"]
    shown = demonstrations(config, 0, scratch, 5)
    assert [e.info["task"] for e in shown] == ["PickUp"] * 5 + ["OpenDrawer"] * 5
    assert all(e.success for e in shown)


def test_what_is_done_is_not_done_again(done, monkeypatch):
    monkeypatch.chdir(done)
    before = {p: p.stat().st_mtime_ns for p in done.rglob("*") if p.suffix in (".json", ".png")}
    HeadlineBench().run(True, Path("results"))
    after = {p: p.stat().st_mtime_ns for p in before}
    assert {p for p in before if before[p] != after[p]} == {done / "results" / "budgets.png"}
    assert read_json(done / "results" / "stamp.json")["config"]["starts"] == 3


def test_start_seeds_are_apart():
    config = HeadlineConfig()
    most = {"demonstrations": 65, "exploration": 134, "starts": 200, "choice": 24, "test": 250}
    seeds = [
        seed
        for purpose, count in most.items()
        for task in config.tasks
        for training in (*config.seeds, 10, 19)
        for seed in config.start_seeds(purpose, task, training, count)
    ]
    assert len(seeds) == len(set(seeds))


def test_an_iterate_at_which_nobody_looked_promises_what_the_one_before_did():
    rows = [{"initial_imagined/success": 0.1}, {"imagined/success": 0.3}, {}]
    assert [promised(rows, kept) for kept in (0, 1, 2, 3)] == [0.1, 0.1, 0.3, 0.3]


def test_likeness_is_one_at_a_goal_and_falls_with_distance():
    goals = torch.zeros(2, 3, 4)
    goals[1] += 1.0
    codec = FrameAutoencoder(to_dict(AutoencoderConfig(width=16, latent_channels=16, cell_size=8)))
    judge = Likeness(codec, lambda text: goals if text == "a" else goals[:1], scale=0.5)
    latents = torch.zeros(2, 3, 3, 4)
    latents[:, 1] += 1.0
    latents[:, 2] += 0.5
    seen = judge.score_latents(latents, torch.zeros(2, 3, 1), ["a", "b"]).success
    expected = np.exp([[0.0, 0.0, -0.5], [0.0, -2.0, -0.5]])
    assert np.allclose(seen.numpy(), expected, atol=1e-6)
    assert judge.threshold == float("inf")
