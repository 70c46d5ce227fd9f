"""The reflector learns success, listens to the instruction, and is calibrated."""

import numpy as np
import pytest
import torch

from octoworld.data.episode import Episode
from worldmodels.reflector import Reflector, WindowConfig, evaluate_reflector, first_stop
from worldmodels.reflector.calibrate import (
    expected_calibration_error,
    reflector_card,
    score_episodes,
)
from worldmodels.reflector.sampler import goal_of, progress_labels, smooth_labels
from worldmodels.replay import ReplayConfig, replay


def test_success_is_learned(reflector, trained):
    card = evaluate_reflector(reflector, trained["held_out"])
    assert card.f1 > 0.7
    assert card.calibration_error < 0.2
    assert 0.3 <= float(reflector.threshold) <= 0.95


def test_wrong_instruction_is_no_success(reflector, trained):
    data = trained["held_out"]
    told = [data.instruction(i) for i in range(len(data))]
    swapped = [t.replace("red", "#").replace("blue", "red").replace("#", "blue") for t in told]
    right, wrong = (score_episodes(reflector, data, texts) for texts in (told, swapped))
    done = np.split(data.success, data.starts[1:])
    shown = [
        np.mean([s.numpy()[d].mean() for s, d in zip(scores, done, strict=True) if d.any()])
        for scores in (right, wrong)
    ]
    assert shown[0] > shown[1] + 0.25


def test_score_from_images_equals_score_from_latents(reflector, trained):
    data = trained["held_out"]
    rows = torch.from_numpy(np.stack([data.rows(0), data.rows(1)]))
    text = [data.instruction(0), data.instruction(1)]
    images = reflector.score({"front": data.frames["front"][rows]}, data.proprio[rows], text)
    latents = reflector.score_latents(data.latents[rows], data.proprio[rows], text)
    torch.testing.assert_close(images.success, latents.success, atol=1e-4, rtol=1e-4)
    assert images.progress.shape == (2, 24)


def test_save_and_load(reflector, trained, tmp_path):
    reflector.save_pretrained(str(tmp_path))
    again = Reflector.from_pretrained(str(tmp_path)).eval()
    data = trained["held_out"].subset([0])
    assert torch.equal(score_episodes(reflector, data)[0], score_episodes(again, data)[0])
    assert float(again.threshold) == float(reflector.threshold)


def test_replay_labels_generated_rows(trained):
    config = ReplayConfig(clips=12, chunks=2)
    made = replay(trained["model"], trained["held_out"], config, torch.Generator().manual_seed(0))
    assert made.dataset.num_rows == 12 * 9 == len(made.trust)
    first = torch.from_numpy(made.dataset.starts)
    assert (made.trust[first] > 0.99).all()  # the recorded start itself
    assert ((made.trust == 0) | (made.trust >= config.min_trust)).all()
    assert made.dataset.success.any()


def test_debounced_stop():
    score = torch.tensor([[0.9, 0.1, 0.9, 0.9, 0.2], [0.9, 0.1, 0.9, 0.1, 0.9]])
    assert first_stop(score, 0.5, 2).tolist() == [3, -1]
    assert first_stop(score, 0.5, 1).tolist() == [0, 0]


def test_card_counts():
    yes, no = torch.full((6,), 0.9), torch.full((6,), 0.1)
    late = torch.tensor([0.1, 0.1, 0.1, 0.9, 0.9, 0.9])
    true = np.array([0, 0, 0, 1, 1, 1], bool)
    never = np.zeros(6, bool)
    card = reflector_card([late, yes, no, no], [true, never, true, never], 0.5, 2)
    assert (card.precision, card.recall, card.false_success, card.missed) == (0.5, 0.5, 0.25, 0.5)
    assert card.crossing_error_median == 0


def test_expected_calibration_error():
    assert expected_calibration_error(np.full(10, 0.75), np.r_[np.ones(5), np.zeros(5)]) == 0.25


def test_labels():
    success = np.array([False, False, True, True])
    np.testing.assert_allclose(smooth_labels(success, 0.1), [0, 0.1, 0.9, 1], atol=1e-6)
    np.testing.assert_allclose(progress_labels(success), [0, 0.5, 1, 1])
    assert np.isnan(progress_labels(np.zeros(3, bool))).all()


@pytest.mark.parametrize(
    ("text", "same"), [("lift the red cube", True), ("pick up the blue block", False)]
)
def test_goal_ignores_wording_but_not_colour(text, same):
    columns = {"action": np.zeros((1, 2))}
    told = Episode(columns, "pick up the red block", 10, {"task": "PickUp"})
    other = Episode(columns, text, 10, {"task": "PickUp"})
    config = WindowConfig()
    assert (goal_of(told, config) == goal_of(other, config)) is same
