"""Still pictures for grounding: what they show is what they tell, in every scene."""

from __future__ import annotations

import numpy as np
import pytest

from octoworld.recipes.scenes import still_scenes
from tasks.env import task_env
from tasks.suites import SCENES


@pytest.mark.parametrize("scene", [s for s in SCENES if s != "reach"])
def test_tasks_of_a_scene_tell_the_same_things(scene):
    widths = set()
    for task in SCENES[scene]:
        (episode,) = still_scenes(task, [3], (), "train")
        widths.add(episode["observation.environment_state"].shape)
    assert len(widths) == 1, "one policy is grounded on all of them"


def test_stills_are_a_function_of_their_seed():
    one, two = still_scenes("SortByColor", [4, 5], ("front",), "train")
    again = still_scenes("SortByColor", [4, 5], ("front",), "train")[1]
    for name, values in two.columns.items():
        np.testing.assert_array_equal(values, again[name], err_msg=name)
    name = "observation.images.front"
    assert (one[name] != two[name]).any()


@pytest.mark.parametrize("task", ["SortByColor", "StoreBlock"])
def test_blocks_are_held_laid_away_and_fixtures_moved_in_their_shares(task):
    stills = still_scenes(task, range(200), ())
    told = np.concatenate([e["observation.environment_state"] for e in stills])
    env = task_env(task)
    things, graspable = env.task.things, env.task.graspable  # type: ignore[attr-defined]
    count, held = len(things), len(graspable)
    from_tool = {n: told[:, 3 * i : 3 * i + 3] for i, n in enumerate(things)}
    in_hand = np.any([np.linalg.norm(from_tool[n], axis=1) < 0.012 for n in graspable], axis=0)
    assert 0.15 < in_hand.mean() < 0.35
    after = 3 * count + 5 * held
    fixtures = told[:, after : after + len(env.task.fixtures)]  # type: ignore[attr-defined]
    moved = (np.abs(fixtures - np.median(fixtures, axis=0)) > 1e-3).mean(axis=0)
    assert (moved > 0.15).all()
    env.close()


def test_reach_has_stills_too():
    (episode,) = still_scenes("Reach", [0], ("front", "wrist"), "train")
    assert episode["observation.images.wrist"].shape == (1, 64, 64, 3)
    assert np.abs(episode["observation.environment_state"]).max() < 1.0
