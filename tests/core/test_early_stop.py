"""Early stopping keeps the best weights, and a killed run finds the same."""

import json

import pytest
import torch

from octoworld.core.early_stop import Check
from octoworld.core.errors import ConfigError
from octoworld.core.fit import FitConfig, fit


class Scalar(torch.nn.Module):
    """One number that follows its target."""

    def __init__(self) -> None:
        super().__init__()
        self.x = torch.nn.Parameter(torch.zeros(1))


def learn(folder, steps=60, patience=3, die_at=None):
    """Training draws x from 0 towards 1; validation would have it at 0.3."""
    model = Scalar()

    def loss_fn(step, generator):
        if step == die_at:
            raise KeyboardInterrupt
        return {"loss": (model.x - 1).pow(2).sum()}

    check = Check(lambda: {"score": (float(model.x.detach()) - 0.3) ** 2}, 5, patience)
    config = FitConfig(
        steps=steps, learning_rate=0.02, warmup_steps=1, weight_decay=0.0,
        log_every=10, checkpoint_every=12,
    )  # fmt: skip
    metrics = fit(model, loss_fn, config, folder, seed=0, label="x", check=check)
    return float(model.x.detach()), metrics


def test_training_ends_after_the_best_and_keeps_it(tmp_path):
    found, metrics = learn(tmp_path)
    looks = json.loads((tmp_path / "looks.json").read_text())
    best = min(looks, key=lambda look: look[1])
    assert found == pytest.approx(0.3, abs=0.06)
    assert looks[-1][0] == best[0] + 15 < 60, "three looks without a better one"
    assert metrics["x/score"] == looks[-1][1]
    assert learn(tmp_path)[0] == found, "done is done"


def test_a_killed_run_ends_in_the_same(tmp_path):
    whole = learn(tmp_path / "whole")
    for step in (7, 14, 23):
        with pytest.raises(KeyboardInterrupt):
            learn(tmp_path / "killed", die_at=step)
    assert learn(tmp_path / "killed") == whole
    ours, theirs = ((tmp_path / n / "looks.json").read_text() for n in ("killed", "whole"))
    assert ours == theirs


def test_a_check_that_never_looks_is_refused():
    with pytest.raises(ConfigError, match="at least 1"):
        Check(lambda: {"score": 0.0}, every=0, patience=1)
