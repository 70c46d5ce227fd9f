"""The foresight bench: who is told the truth knows it, and who believes that nothing moves errs."""

import numpy as np
import pytest
import torch

from octoworld.core.io import read_json
from octoworld.core.paths import asset
from octoworld.recipes.foresight_bench import (
    BOUND,
    IMAGINED,
    STILL,
    TOLD,
    ForesightBench,
    ForesightConfig,
    dataset_of,
    imagine,
    recorded,
)
from worldmodels.autoencoder import encode_dataset
from worldmodels.checkpoint import load_latent_model


def test_quick_rows_say_how_far_off_moved_things_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results"
    ForesightBench().run(True, folder)
    report = ForesightBench().report(folder)
    assert all(f"| {arm} |" in report for arm in (IMAGINED, TOLD, STILL))
    rows = {arm: read_json(folder / "rows" / arm / "0.json") for arm in (IMAGINED, TOLD, STILL)}
    measured = {arm: row["facts"]["measured"]["block, 20 steps"] for arm, row in rows.items()}
    assert np.mean(measured[IMAGINED]) < 0.3 * np.mean(measured[STILL])
    beyond = rows[STILL]["outcomes"]["block beyond bound, 20 steps"]
    expected = sum(e - BOUND for e in measured[STILL])
    assert sum(beyond) == pytest.approx(expected, abs=1e-5)


def test_start_seeds_are_apart():
    config = ForesightConfig()
    seeds = [s for t in config.tasks for k in ("noisy", "play") for s in config.start_seeds(t, k)]
    assert len(set(seeds)) == len(seeds) == 360


def test_who_is_told_begins_with_the_truth():
    config = ForesightConfig(tasks=("PickUp",), episodes=1)
    data = dataset_of(list(recorded(config, "play")))
    model = load_latent_model(asset("checkpoints", "tabletop/worldmodel"))
    encode_dataset(model.autoencoder, data)
    assert data.objects is not None
    rows = torch.arange(5)[None]
    truth = data.objects[rows]
    told, pictures = imagine(model, data, rows, TOLD)
    assert torch.equal(told[:, 0], truth[:, 0]) and told.shape == truth.shape
    assert not pictures  # the first horizon is further on
    still, _ = imagine(model, data, rows, STILL)
    assert torch.equal(still[:, 4], truth[:, 0])
