"""Training curves are gathered from the whole run, in order, without what cannot be drawn."""

import shutil

import numpy as np

from octoworld.viewer.app import ViewerApp
from octoworld.viewer.recording import open_recording
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


def test_a_training_that_goes_on_is_followed(tmp_path, run_folder):
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text('{"step": 0, "rl/reward": 0.0}\n{"step": 1, "rl/reward": 1.0}\n')
    app = ViewerApp(open_recording(tmp_path), port=18180)
    try:
        assert "Nothing is recorded" in app.instruction.content and app.timeline.disabled
        app.toggle()
        app.like()
        assert app.training is not None
        with metrics.open("a") as file:
            file.write('{"step": 2, "rl/reward": 4.0, "rl/kl": 0.1}\n{"step": 3, "rl/re')
        app.look_again()
        np.testing.assert_array_equal(app.training.plot.data, [[0, 1, 2], [0.0, 1.0, 4.0]])
        with metrics.open("a") as file:
            file.write('ward": 9.0, "rl/kl": 0.2}\n')
        shutil.copytree(run_folder / "episodes/after", tmp_path / "episodes/eval-0")
        app.look_again()
        np.testing.assert_array_equal(app.training.plot.data[1], [0.0, 1.0, 4.0, 9.0])
        assert "rl/kl" in app.training.choice.options
        assert app.dataset == "eval-0" and app.index == 1 and not app.timeline.disabled
        # what a resumed run does again is cut first
        metrics.write_text('{"step": 0, "rl/reward": 5.0}\n{"step": 1, "rl/reward": 6.0}\n')
        app.look_again()
        np.testing.assert_array_equal(app.training.plot.data, [[0, 1], [5.0, 6.0]])
        assert app.index == 1  # nothing new was recorded
    finally:
        app.close()
