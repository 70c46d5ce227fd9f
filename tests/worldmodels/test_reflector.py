"""The reflector learns success, listens to the instruction, and is calibrated."""

import numpy as np
import pytest
import torch

from octoworld.core.errors import DatasetError
from octoworld.core.fit import FitConfig
from octoworld.data.episode import Episode
from worldmodels.reflector import (
    Question,
    Reflector,
    ReflectorConfig,
    ReflectorTrainConfig,
    WindowConfig,
    card_of,
    evaluate_reflector,
    first_stop,
    judge_episode,
    recorded_questions,
    score_episodes,
    train_reflector,
)
from worldmodels.reflector.card import calibration_gaps, expected_calibration_error
from worldmodels.reflector.questions import (
    GoalConfig,
    check_questions,
    goal_of,
    near_success,
    progress_labels,
    smooth_labels,
)
from worldmodels.reflector.sampler import WindowSampler
from worldmodels.reflector.train import look_at
from worldmodels.replay import ReplayConfig, objects_seen, replay


def question(success, sure=None, **more) -> Question:
    """What an episode answers, where all is known."""
    success = np.array(success, bool)
    known = np.ones(len(success), np.float32) if sure is None else np.array(sure, np.float32)
    progress = np.zeros(len(success), np.float32)
    return Question("Push", ("push it",), success, progress, success, known, **more)


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


def test_borrowed_eyes_see_what_the_world_model_sees(trained):
    model, data = trained["model"], trained["held_out"].subset([0, 1])
    config = ReflectorTrainConfig(
        model=ReflectorConfig(dim=16, heads=2, text_layers=1, width=8, blocks=1, points=2),
        fit=FitConfig(steps=2, batch_size=4),
    )
    judge, _ = train_reflector(
        data, trained["autoencoder"], config, trained["folder"] / "borrowing", seed=0, lender=model
    )
    found = look_at(judge, data) * model.state_std[2:] + model.state_mean[2:]
    torch.testing.assert_close(found, objects_seen(model, data), atol=1e-5, rtol=1e-5)
    before = [judge.score_latents(data.latents[:6][None], data.proprio[:6][None], ["push"])]
    before.append(
        judge.score_latents(
            data.latents[:6][None], data.proprio[:6][None], ["push"], data.latents[-1:]
        )
    )
    assert not torch.equal(*(v.success for v in before)), "another first frame is another memory"


def test_replay_labels_generated_rows(trained):
    config = ReplayConfig(clips=12, chunks=2)
    data = trained["held_out"]
    made = replay(trained["model"], data, config, torch.Generator().manual_seed(0))
    assert len(made.rows) == 12 and made.dataset.num_rows == len(made.trust) <= 12 * 9
    first = torch.from_numpy(made.dataset.starts)
    assert (made.trust[first] > 0.99).all()  # the recorded start itself
    assert ((made.trust == 0) | (made.trust >= config.min_trust)).all()
    assert made.dataset.success.any()
    for number, rows in enumerate(made.rows):
        mine = made.dataset.rows(number)
        assert np.array_equal(made.dataset.success[mine], data.success[rows])
        assert set(rows) <= set(data.rows(int(made.episode[number])))
    assert (
        sum(rows[0] == data.starts[e] for rows, e in zip(made.rows, made.episode, strict=True)) >= 6
    )


def test_a_replay_to_the_end_of_an_episode_is_cut_there(trained):
    data = trained["held_out"]
    starts = np.array([0, 1]), np.array([20, 0])
    generator = torch.Generator().manual_seed(0)
    made = replay(trained["model"], data, ReplayConfig(chunks=3), generator, starts=starts)
    assert made.dataset.lengths.tolist() == [4, 13]
    assert made.rows[0].tolist() == [20, 21, 22, 23]


def test_debounced_stop():
    score = torch.tensor([[0.9, 0.1, 0.9, 0.9, 0.2], [0.9, 0.1, 0.9, 0.1, 0.9]])
    assert first_stop(score, 0.5, 2).tolist() == [3, -1]
    assert first_stop(score, 0.5, 1).tolist() == [0, 0]


def test_card_counts():
    yes, no = torch.full((6,), 0.9), torch.full((6,), 0.1)
    late = torch.tensor([0.1, 0.1, 0.1, 0.9, 0.9, 0.9])
    true, never = question([0, 0, 0, 1, 1, 1]), question([0] * 6)
    scores, asked = [late, yes, no, no], [true, never, true, never]
    judged = [judge_episode(s, q, 0.5, 2) for s, q in zip(scores, asked, strict=True)]
    card = card_of(judged, scores, asked)
    assert (card.precision, card.recall, card.f1, card.missed) == (0.5, 0.5, 0.5, 0.5)
    assert (card.false_success, card.false_termination) == (0.5, 0.25)
    assert card.crossing_error_median == 0


def test_a_stop_where_nobody_is_sure_is_neither_right_nor_false():
    yes = torch.full((6,), 0.9)
    unsure = judge_episode(yes, question([0] * 6, sure=[0] * 6), 0.5, 2)
    assert not (unsure.right or unsure.false or unsure.missed or unsure.happened)
    moment = judge_episode(1 - yes, question([0, 0, 1, 0, 0, 0]), 0.5, 2)
    assert not moment.happened, "the stop rule waits for two steps in a row"


def test_what_fits_no_episode_is_refused(encoded):
    data = encoded["held_out"].subset([0, 1])
    right = recorded_questions(data)
    check_questions(data, right)
    with pytest.raises(DatasetError, match="2 episodes but questions for 1"):
        check_questions(data, right[:1])
    with pytest.raises(DatasetError, match="has 3 answers"):
        check_questions(data, [[question([0, 0, 1])], right[1]])


def test_windows_show_what_is_asked_and_what_is_wrong(encoded):
    data = encoded["held_out"]
    told = [
        [Question(**{**vars(q), "told": np.repeat(q.success[:, None], 2, 1).astype(np.float32)})
         for q in asked]
        for asked in recorded_questions(data)
    ]  # fmt: skip
    config = WindowConfig(length=2, positive_share=0.5, near_share=0.0, wrong_share=0.5)
    sampler = WindowSampler([(data, told)], config, told_dim=2)
    windows = sampler.draw(40, torch.Generator().manual_seed(0))
    assert windows.latents.shape[:2] == (40, 2) and windows.told.shape == (40, 2, 2)
    assert (windows.target[:20, -1] > 0.5).all() and (windows.target[20:] == 0).all()
    assert windows.told[:20, -1].min() == 1


def test_expected_calibration_error():
    assert expected_calibration_error(np.full(10, 0.75), np.r_[np.ones(5), np.zeros(5)]) == 0.25


def test_calibration_error_is_a_mean_over_steps():
    rng = np.random.default_rng(0)
    probability, label = rng.random(500), rng.random(500) < 0.4
    gaps = calibration_gaps(probability, label)
    assert expected_calibration_error(probability, label) == pytest.approx(np.abs(gaps).mean())


def test_labels():
    success = np.array([False, False, True, True])
    np.testing.assert_allclose(smooth_labels(success, 0.1), [0, 0.1, 0.9, 1], atol=1e-6)
    np.testing.assert_allclose(progress_labels(success), [0, 0.5, 1, 1])
    assert np.isnan(progress_labels(np.zeros(3, bool))).all()
    assert near_success(np.array([0, 0, 0, 1, 0], bool), 2).tolist() == [0, 1, 1, 0, 1]


@pytest.mark.parametrize(
    ("text", "same"), [("lift the red cube", True), ("pick up the blue block", False)]
)
def test_goal_ignores_wording_but_not_colour(text, same):
    columns = {"action": np.zeros((1, 2))}
    told = Episode(columns, "pick up the red block", 10, {"task": "PickUp"})
    other = Episode(columns, text, 10, {"task": "PickUp"})
    goals = GoalConfig()
    assert (goal_of(told, goals) == goal_of(other, goals)) is same
