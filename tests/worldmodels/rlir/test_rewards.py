"""Rewards: nothing is earned where things vanish, stand elsewhere, or nothing moves."""

import numpy as np
import pytest
import torch

from octoworld.core.config import to_dict
from octoworld.core.errors import ConfigError
from worldmodels.dataset import EpisodeDataset
from worldmodels.inverse_dynamics import (
    InverseDynamics,
    InverseDynamicsConfig,
    InverseReward,
)
from worldmodels.inverse_dynamics.gate import BROKEN, GateConfig, GateReport
from worldmodels.rlir import FollowingReward, MustMove, PixelReward, ThingsStay, Video
from worldmodels.rlir.rewards import HUES, colour_pixels

from ..conftest import make_episodes


@pytest.fixture(scope="module")
def data() -> EpisodeDataset:
    return EpisodeDataset.from_episodes(make_episodes(6, 24, seed=3))


def recorded(data, count=3, steps=4) -> Video:
    """What happened, as if it had been imagined."""
    rows = torch.from_numpy(data.starts[:count])[:, None] + 2 + torch.arange(steps + 1)
    return Video(
        {"front": data.frames["front"][rows].clone()},
        data.actions[rows[:, :-1]],
        rows,
        torch.ones(count, dtype=torch.bool),
        {"front": data.frames["front"][rows[:, 0]]},
    )


def reader() -> InverseReward:
    """An untrained network with a report that lets it pass: what it reads does not matter here."""
    settings = InverseDynamicsConfig(
        image_size=32, action_names=("x", "y"), num_bins=3, width=16, num_points=4, hidden=16
    )
    torch.manual_seed(0)
    model = InverseDynamics(to_dict(settings), "reward", 0, ["a"], 0).eval()
    bias = model.doubt.tell[-1].bias
    assert isinstance(bias, torch.Tensor)
    torch.nn.init.constant_(bias, -9.0)  # never in doubt
    joint = {"real": 1.0} | {kind: 0.0 for kind in BROKEN}
    parts = {kind: (value, value) for kind, value in joint.items()}
    return InverseReward(
        model, GateReport(model.fingerprint(), ("x", "y"), joint, parts, 0.0, GateConfig()), reach=2
    )


def test_colours_are_counted_by_hue():
    image = torch.zeros(4, 4, 3, dtype=torch.uint8)
    image[0, 0], image[1], image[2, :2] = (
        torch.tensor(x, dtype=torch.uint8) for x in ((200, 0, 0), (0, 0, 200), (90, 90, 90))
    )
    counts = colour_pixels(image)
    assert counts.shape == (HUES,) and sorted(counts.tolist()) == [0, 0, 0, 0, 1, 4]


def test_a_block_that_vanishes_is_vetoed_from_then_on(data):
    video = recorded(data)
    assert not ThingsStay()(video).any()
    grey = torch.tensor([70, 70, 70], dtype=torch.uint8)
    picture = video.frames["front"][1, 3:]
    picture[(picture.max(-1).values.int() - picture.min(-1).values.int() > 90)] = grey
    gone = ThingsStay()(video)
    assert gone.tolist() == [[False] * 4, [False, False, True, True], [False] * 4]


def test_a_frozen_clip_is_vetoed_only_where_the_recording_moves_and_is_known(data):
    video = recorded(data)
    veto = MustMove(data)
    assert not veto(video).any()
    video.frames["front"] = video.frames["front"][:, :1].expand(-1, 5, -1, -1, -1)
    assert veto(video).all()
    video.is_recorded[0] = False
    assert veto(video).tolist() == [[False] * 4, [True] * 4, [True] * 4]


def test_what_is_vetoed_earns_nothing(data):
    video = recorded(data)
    plain = FollowingReward(reader(), soft_share=1.0)(video)
    assert plain.shape == (3, 4) and bool((plain > 0).all())

    def second_clip(video: Video) -> torch.Tensor:
        return torch.tensor([[False], [True], [False]]).expand(3, 4)

    reward = FollowingReward(reader(), 1.0, [second_clip, ThingsStay()])(video)
    assert not reward[1].any() and torch.equal(reward[[0, 2]], plain[[0, 2]])
    with pytest.raises(ConfigError, match="soft_share must be in"):
        FollowingReward(reader(), 2.0)


def test_pixels_reward_likeness_alone(data):
    video, reward = recorded(data), PixelReward(data)
    assert torch.equal(reward(video), torch.ones(3, 4))
    video.frames["front"][0, 2:] = 0
    video.is_recorded[1] = False
    earned = reward(video)
    assert earned[0, 0] == 1 and bool((earned[0, 1:] < 0.8).all()) and not earned[1].any()
    assert np.isclose(float(earned[2].mean()), 1)
