"""What a test split shows, training never shows; on all other axes it is like training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from octoworld.core.errors import ConfigError, UnknownNameError
from tasks.env import task_env
from tasks.splits import CELL, SPLITS

TABLETOP = ("PushToZone", "PickUp", "PlaceInBin", "OpenDrawer")
STARTS = 200


def shown(task: str, split: str, seed: int = 0) -> dict[str, set]:
    """Squares of the table, colour pairs and sentences of many starts."""
    env = task_env(task, STARTS, task_options={"split": split})
    env.reset(seed=seed)
    thing = {"OpenDrawer": "cabinet", "Reach": "goal"}.get(task, "block")
    cells = np.floor(env.world.pose(thing)[:, :2] / CELL).astype(int)
    memory = env.task.memory
    names = ("color",) if task == "Reach" else ("block_color", "zone_color")
    seen = {
        "positions": {tuple(c) for c in cells},
        "pairs": set(zip(*(memory[name] for name in names), strict=True)),
        "paraphrases": set(memory["wording"]),
    }
    env.close()
    return seen


@pytest.mark.parametrize("task", [*TABLETOP, "Reach"])
def test_test_splits_and_training_share_nothing_on_their_axis(task):
    train = shown(task, "train")
    for axis in ("positions", "pairs", "paraphrases"):
        test = shown(task, axis, seed=10_000)
        assert not train[axis] & test[axis]
        assert len(test[axis]) >= 1
        for other in {"positions", "pairs", "paraphrases"} - {axis}:
            # squares at the rim are rare, so that few starts may not have shown all of them
            assert len(test[other] - train[other]) <= 0.1 * len(train[other])


def test_without_a_split_everything_is_drawn():
    whole, train = shown("PickUp", ""), shown("PickUp", "train")
    assert whole["pairs"] > train["pairs"] and whole["paraphrases"] > train["paraphrases"]


def test_distractors_stand_apart_from_what_is_asked_for():
    env = task_env("PushToZone", 100, task_options={"split": "distractors"})
    env.reset(seed=3)
    block, zone = (env.world.pose(n)[:, :2] for n in ("block", "zone"))
    for i in range(SPLITS["distractors"].distractors):
        place = env.world.pose(f"distractor{i}")[:, :2]
        assert np.linalg.norm(place - block, axis=1).min() > 0.08
        assert np.linalg.norm(place - zone, axis=1).min() > 0.10
    env.close()


@pytest.mark.parametrize("split", ["camera", "light", "physics"])
def test_axes_of_looks_and_physics_change_parameters(split):
    env = task_env("PickUp", 8, task_options={"split": split})
    env.reset(seed=1)
    task: Any = env.task
    drawn = task.randomizer.sampled()
    assert all(len(set(values[:, 0])) == 8 for values in drawn.values())
    env.close()


def test_bad_splits_are_told():
    with pytest.raises(UnknownNameError, match=r"tests.*positions"):
        task_env("PickUp", 1, task_options={"split": "tests"})
    with pytest.raises(ConfigError, match="Reach has no distractors"):
        task_env("Reach", 1, task_options={"split": "distractors"})
