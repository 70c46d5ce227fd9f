"""The watch keeps the best, stops at the ceiling of recorded video, and where pictures decay."""

import copy
from dataclasses import replace

import pytest
import torch

from octoworld.core.io import read_json
from worldmodels.flow.chain import ChainConfig
from worldmodels.rlir import FlowSampler, Video, rlir
from worldmodels.rlir.watch import Watch, WatchConfig, looks

from .test_rlir import SHORT, redness

FAST = replace(SHORT, rl=replace(SHORT.rl, iterations=30, learning_rate=3e-3))
OFTEN = WatchConfig(every=1, clips=16, patience=2)


def darkness(video: Video) -> torch.Tensor:
    """A reward that is had by spoiling pictures."""
    return 1 - video.frames["front"][:, 1:].float().div(255).mean((2, 3, 4))


@pytest.fixture
def sampler(trained):
    return FlowSampler(copy.deepcopy(trained["model"]), ChainConfig(steps=2, fresh=1.0, floor=0.1))


def test_a_reward_that_spoils_pictures_is_stopped(sampler, trained, tmp_path):
    watch = Watch(sampler, trained["held_out"], darkness, OFTEN)
    watch.ceiling = 9.0  # out of reach: that of recorded video would be the first reason to stop
    history = rlir(sampler, darkness, trained["dataset"], FAST, tmp_path, 0, hooks=[watch])
    outcome = read_json(tmp_path / "outcome.json")
    assert "pictures decay" in outcome["stopped"] and len(history) < 30
    assert {"initial_watch/psnr", "watch/sharpness", "watch/motion"} <= set(history[0])


def test_it_stops_where_the_reward_is_that_of_recorded_video(sampler, trained, tmp_path):
    watch = Watch(sampler, trained["held_out"], redness, OFTEN)
    watch.ceiling = -9.0
    rlir(sampler, redness, trained["dataset"], FAST, tmp_path, 0, hooks=[watch])
    outcome = read_json(tmp_path / "outcome.json")
    assert outcome["iterations"] == 1 and "is that of recorded video" in outcome["stopped"]


def test_recorded_clips_look_as_they_do(trained):
    frames = {"front": trained["dataset"].frames["front"][:20].unflatten(0, (2, 10))}
    found = looks(frames, frames)
    assert found["motion"] == found["object_recall"] == 1 and found["psnr"] == 99
    assert found["sharpness"] == pytest.approx(1)
    dim = {"front": (frames["front"].float() * 0.5).to(torch.uint8)}
    spoiled = looks(dim, frames)
    assert spoiled["luminance"] < found["luminance"] and spoiled["sharpness"] < 0.5
