"""Recovered actions: the shipped judge reads off frames what was commanded, where it fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from octoworld.data.episode import Episode
from octoworld.data.reader import Dataset
from octoworld.recipes.recording import write_dataset
from octoworld.recipes.rollouts import RolloutConfig, collect
from octoworld.recipes.wander import WanderActor
from octoworld.recipes.worldenv.readers import shipped_judge
from octoworld.recipes.worldenv.recovered import add_recovered
from worldmodels.inverse_dynamics import GateConfig
from worldmodels.inverse_dynamics.broken import blurred, darkened

READ = ("dx", "dy", "dz")
IMAGINED = "observation.images.imagined.front"


@pytest.fixture(scope="module")
def episode() -> Episode:
    """An arm that wanders over the table, as a perfect world model would imagine it."""
    (made,) = collect(
        "PickUp", [27_000_000], RolloutConfig(1, 10**6), policy=None, source="wander",
        make_actor=WanderActor,
    )  # fmt: skip
    made.columns = {name: x[:40] for name, x in made.columns.items()}
    made.columns[IMAGINED] = made["observation.images.front"]
    return made


def test_what_was_commanded_is_read_off_the_frames(episode, tmp_path):
    judge = shipped_judge(["PickUp", "OpenDrawer"], ["front"])
    assert judge is not None
    told = replace(episode, columns=dict(episode.columns), names=dict(episode.names))
    add_recovered(told, judge)
    write_dataset(tmp_path / "data", [told])
    stored = Dataset(tmp_path / "data").episode(0)
    assert stored.names["recovered.action"] == READ
    read, is_read = stored["recovered.action"], stored["recovered.is_read"]
    assert read.shape == (40, 3) and np.isfinite(read).all() and np.abs(read).max() <= 2 / 3 + 1e-6
    assert not is_read[-1] and is_read[:-1].mean() > 0.8 and np.array_equal(read[-1], read[-2])
    wanted = stored["action"][:, :3]
    for axis in range(3):
        assert np.corrcoef(read[is_read, axis], wanted[is_read, axis])[0, 1] > 0.8
    again = replace(episode, columns=dict(episode.columns), names=dict(episode.names))
    add_recovered(again, judge)
    assert np.array_equal(again["recovered.action"], told["recovered.action"])


def test_faded_and_blurred_frames_are_refused(episode):
    judge = shipped_judge(["PickUp"], ["front"])
    assert judge is not None
    clip = {"front": torch.from_numpy(episode[IMAGINED][None])}
    for worse in (darkened(clip, GateConfig().brightness), blurred(clip, GateConfig().blur * 64)):
        columns = episode.columns | {IMAGINED: worse["front"][0].numpy()}
        spoiled = replace(episode, columns=columns, names=dict(episode.names))
        add_recovered(spoiled, judge)
        assert spoiled["recovered.is_read"].mean() < 0.2
        assert np.isfinite(spoiled["recovered.action"]).all()


def test_where_it_does_not_fit_there_is_no_column(episode):
    assert shipped_judge(["PickUp", "StackTwo"], ["front"]) is None
    assert shipped_judge(["PickUp"], ["wrist"]) is None
    judge = shipped_judge(["PickUp"], ["front"])
    assert judge is not None
    joints = {"action": tuple(f"joint{i}" for i in range(1, 5))}
    small = episode.columns | {IMAGINED: episode[IMAGINED][:, ::2, ::2]}
    blind = {name: x for name, x in episode.columns.items() if name != IMAGINED}
    for other in (
        replace(episode, columns=dict(episode.columns), names=joints),
        replace(episode, columns=small),
        replace(episode, columns=blind),
    ):
        add_recovered(other, judge)
        assert "recovered.action" not in other.columns
