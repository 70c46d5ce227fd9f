"""Training curves are gathered from the whole run, in order, without what cannot be drawn."""

import numpy as np

from octoworld.viewer.training import read_curves


def test_curves_of_all_stages(tmp_path):
    (tmp_path / "training/sft").mkdir(parents=True)
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 10, "rl/reward": 0.5}\n{"step": 0, "rl/reward": 0.25, "rl/once": 1.0}\n'
    )
    (tmp_path / "training/sft/metrics.jsonl").write_text(
        '{"step": 1, "sft/loss": 2.0}\n{"step": 2, "sft/loss": NaN}\n{"step": 3, "sft/loss": 1.0}\n'
        '{"step": 4, "sft/lo'
    )
    curves = read_curves(tmp_path)
    assert list(curves) == ["rl/reward", "sft/loss"]
    np.testing.assert_array_equal(curves["rl/reward"], [[0, 10], [0.25, 0.5]])
    np.testing.assert_array_equal(curves["sft/loss"], [[1, 3], [2.0, 1.0]])


def test_no_metrics(tmp_path):
    assert read_curves(tmp_path) == {}
