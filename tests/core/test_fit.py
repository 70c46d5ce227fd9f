"""The supervised loop: it fits, averages, and resumes a killed run to the same bits."""

import itertools
import math
from dataclasses import replace

import pytest
import torch

from octoworld.core.errors import CheckpointError, DivergenceError
from octoworld.core.fit import FitConfig, fit, learning_rate_at
from octoworld.core.io import load_tensors
from octoworld.core.log import read_metrics

CONFIG = FitConfig(
    steps=30, learning_rate=1e-2, warmup_steps=5, ema_decay=0.9, log_every=10, checkpoint_every=10
)


class KilledError(Exception):
    pass


def _model(seed=0, width=16):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.nn.Sequential(
            torch.nn.Linear(2, width),
            torch.nn.Tanh(),
            torch.nn.Dropout(0.1),
            torch.nn.Linear(width, 1),
        )


def _loss(model, kill_at=None):
    def loss(step, generator):
        if step == kill_at:
            raise KilledError
        x = torch.rand(32, 2, generator=generator)
        error = (model(x)[:, 0] - x.sum(1)).square().mean()
        return {"loss": error, "root": error.sqrt()}

    return loss


def _weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_it_fits(tmp_path):
    model = _model()
    metrics = fit(model, _loss(model), FitConfig(steps=300), tmp_path, seed=0, label="toy")
    first = read_metrics(tmp_path / "metrics.jsonl")[0]
    assert metrics["toy/loss"] < 0.3 * first["toy/loss"]
    assert {"toy/root", "toy/grad_norm"} <= set(metrics)
    assert not model.training


@pytest.mark.parametrize("kill_at", [3, 10, 17, 29])
def test_killed_run_resumes_to_the_same_bits(tmp_path, kill_at):
    whole, broken, again = _model(), _model(), _model(seed=5)
    fit(whole, _loss(whole), CONFIG, tmp_path / "whole", seed=1, label="toy")
    with pytest.raises(KilledError):
        fit(broken, _loss(broken, kill_at), CONFIG, tmp_path / "broken", seed=1, label="toy")
    if kill_at < CONFIG.checkpoint_every:
        again = _model()  # nothing was kept yet: the run starts over
    fit(again, _loss(again), CONFIG, tmp_path / "broken", seed=1, label="toy")
    assert torch.equal(_weights(whole), _weights(again))
    assert read_metrics(tmp_path / "whole" / "metrics.jsonl") == read_metrics(
        tmp_path / "broken" / "metrics.jsonl"
    )


def test_a_finished_run_is_loaded(tmp_path):
    model, again = _model(), _model(seed=5)
    fit(model, _loss(model), CONFIG, tmp_path, seed=1, label="toy")
    rows = read_metrics(tmp_path / "metrics.jsonl")
    metrics = fit(again, _loss(again, kill_at=0), CONFIG, tmp_path, seed=1, label="toy")
    assert torch.equal(_weights(model), _weights(again))
    assert metrics == {k: v for k, v in rows[-1].items() if k != "step"}
    assert read_metrics(tmp_path / "metrics.jsonl") == rows


def test_the_average_is_kept_at_the_end(tmp_path):
    raw, averaged = _model(), _model()
    plain = FitConfig(steps=30, learning_rate=1e-2, warmup_steps=5)
    fit(raw, _loss(raw), plain, tmp_path / "raw", seed=1, label="toy")
    fit(averaged, _loss(averaged), CONFIG, tmp_path / "averaged", seed=1, label="toy")
    assert not torch.equal(_weights(raw), _weights(averaged))


def test_frozen_weights_stay(tmp_path):
    model = _model()
    model[0].requires_grad_(False)
    fit(model, _loss(model), CONFIG, tmp_path, seed=1, label="toy")
    before, after = _model().state_dict(), model.state_dict()
    assert torch.equal(after["0.weight"], before["0.weight"])
    assert not torch.equal(after["3.weight"], before["3.weight"])


def test_another_model_is_refused(tmp_path):
    model = _model()
    fit(model, _loss(model), CONFIG, tmp_path, seed=1, label="toy")
    other = _model(width=8)
    with pytest.raises(CheckpointError, match="another model"):
        fit(other, _loss(other), CONFIG, tmp_path, seed=1, label="toy")


def test_another_config_is_refused_and_named(tmp_path):
    model = _model()
    fit(model, _loss(model), CONFIG, tmp_path, seed=1, label="toy")
    for changed, seed, told in (
        (replace(CONFIG, learning_rate=2e-2), 1, "learning_rate = 0.01, not 0.02"),
        (replace(CONFIG, steps=60), 1, "steps = 30, not 60"),
        (CONFIG, 2, "seed = 1, not 2"),
    ):
        with pytest.raises(CheckpointError, match=told):
            fit(model, _loss(model), changed, tmp_path, seed=seed, label="toy")
    often = replace(CONFIG, checkpoint_every=5, log_every=1)
    fit(model, _loss(model), often, tmp_path, seed=1, label="toy")


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    model = _model()

    def loss(step, generator):
        return {"loss": model(torch.ones(1, 2)).sum() * (math.nan if step == 12 else 1.0)}

    with pytest.raises(DivergenceError, match="toy/loss is nan at step 19"):
        fit(model, loss, CONFIG, tmp_path, seed=1, label="toy")
    good = load_tensors(tmp_path / "state.safetensors")
    assert good["step"] == 10
    assert all(v.isfinite().all() for v in good.values())


def test_learning_rate_warms_up_and_falls_to_a_tenth():
    rates = [learning_rate_at(i, FitConfig(steps=1000, warmup_steps=50)) for i in range(1001)]
    assert rates[0] < 0.03 * max(rates)
    assert 40 < rates.index(max(rates)) < 60
    assert math.isclose(rates[1000], 1e-4, rel_tol=1e-6)
    assert all(a >= b for a, b in itertools.pairwise(rates[60:]))
