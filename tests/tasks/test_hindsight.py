"""Hindsight says of every recorded step what the tasks themselves said."""

import numpy as np
import pytest
import torch

from octoworld.core.errors import UnknownNameError
from octoworld.recipes.questions import (
    colours,
    imagined_questions,
    recorded_places,
    tabletop_questions,
)
from octoworld.recipes.rollouts import RolloutConfig, collect
from tasks.language import COLOR_NAMES
from tasks.manipulation.hindsight import SEEN, judge_places, places_read
from tasks.manipulation.objects import object_state
from tasks.suites import SCENES
from worldmodels.dataset import EpisodeDataset
from worldmodels.replay import Replayed

TASKS = SCENES["table"]


@pytest.fixture(scope="module")
def episodes():
    config = RolloutConfig(4, hold_steps=6, noise=0.2)
    return [
        e
        for number, task in enumerate(TASKS)
        for e in collect(
            task, range(700 + 10 * number, 704 + 10 * number), config, policy=None, source="expert"
        )
    ]


def test_success_is_the_recorded_one(episodes):
    for episode in episodes:
        judged = judge_places(episode.info["task"], recorded_places(episode))
        assert np.array_equal(judged.success[1:], episode["next.success"][:-1])
        assert (judged.progress[judged.success] == 1).all() and judged.progress.max() <= 1
        assert (judged.margin[judged.success] >= 0).all()
    assert sum(e.success for e in episodes) >= 8


def test_places_that_were_read_say_nearly_the_same(episodes):
    same = []
    for episode in episodes:
        true = recorded_places(episode)
        told = object_state(episode["observation.state"], episode["observation.environment_state"])
        read = places_read(episode["observation.state"], told, true.zone[0], episode.fps)
        for task in TASKS:
            same.append(judge_places(task, read, SEEN).success == judge_places(task, true).success)
    assert np.mean(np.concatenate(same)) > 0.97


def test_every_task_is_asked_in_right_and_in_wrong_colours(episodes):
    for episode, asked in zip(episodes, tabletop_questions(episodes, TASKS), strict=True):
        own, *others = asked
        assert own.texts == (episode.instruction,) and own.name == episode.info["task"]
        assert np.array_equal(own.success[1:], episode["next.success"][:-1])
        block, zone = colours(episode)
        for question in others:
            absent = [c for c in COLOR_NAMES if c not in (block, zone)]
            if not question.wrong:
                assert not any(c in t for t in question.texts for c in absent)
                continue
            assert question.name != "OpenDrawer", "there is but one drawer"
            right = next(q for q in others if q.name == question.name and not q.wrong)
            assert not question.success.any() and not set(question.texts) & set(right.texts)
            assert np.array_equal(question.near, right.success), "where it tempts"


def test_an_imagined_picture_answers_for_itself(episodes):
    chosen = [e for e in episodes if e.info["task"] == "OpenDrawer" and e.success][:1]
    data = EpisodeDataset.from_episodes(chosen)
    told = [
        object_state(e["observation.state"], e["observation.environment_state"]) for e in chosen
    ]
    objects = torch.from_numpy(np.concatenate(told))
    made = Replayed(data, torch.ones(data.num_rows), [data.rows(0)], np.array([0]))
    true = imagined_questions(made, data, TASKS, objects)[0][0]
    assert np.array_equal(true.success[1:], data.success[1:]) and (true.sure == 1).all()
    objects[:, 5] = 0.02  # clearly shut, whatever truly happened
    shut = imagined_questions(made, data, TASKS, objects)[0][0]
    assert not shut.success.any() and (shut.sure == 1).all()
    objects[:, 5] = 0.095  # a hair from open: where truth says open, nobody knows
    unsure = imagined_questions(made, data, TASKS, objects)[0][0]
    assert np.array_equal(unsure.sure == 0, true.success)


def test_a_task_of_another_scene_is_refused(episodes):
    with pytest.raises(UnknownNameError, match="TurnLever"):
        judge_places("TurnLever", recorded_places(episodes[0]))
