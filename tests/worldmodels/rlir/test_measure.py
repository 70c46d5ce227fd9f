"""Measuring: recorded frames are the ceiling, and the best of several earns more than the first."""

import pytest
import torch

from octoworld.core.config import to_dict
from octoworld.core.errors import ConfigError
from worldmodels.flow.chain import ChainConfig
from worldmodels.inverse_dynamics import InverseDynamics, InverseDynamicsConfig
from worldmodels.probe import ProbeConfig, StateProbe
from worldmodels.rlir import FlowSampler
from worldmodels.rlir.measure import (
    Witnesses,
    draw_clips,
    imagine_clips,
    measure_following,
    recorded_clips,
    redrawn_clips,
)

from .test_rlir import redness


@pytest.fixture(scope="module")
def sampler(trained):
    return FlowSampler(trained["model"], ChainConfig(steps=2, fresh=1.0, floor=0.1))


@pytest.fixture(scope="module")
def witnesses() -> Witnesses:
    """Untrained: what is tested is what they are asked about."""
    settings = InverseDynamicsConfig(
        architecture="correlation", image_size=32, action_names=("x", "y"), num_bins=3, width=16,
        hidden=16, reach=2, layers=1,
    )  # fmt: skip
    judge = InverseDynamics(to_dict(settings), "judge", 1, ["b"], 0).eval()
    probe = StateProbe(
        to_dict(ProbeConfig(width=8, points=4, hidden=16)),
        ["front"],
        32,
        [("tool", 2), ("block", 2)],
    ).eval()
    return Witnesses(judge, probe, {"tool": (slice(0, 2), slice(0, 2))})


def clips_of(trained, sampler, count=12, steps=8):
    context = sampler.model.context_length
    return draw_clips(trained["held_out"], count, steps, context, torch.Generator().manual_seed(0))


def test_recorded_redrawn_and_imagined_are_measured_alike(trained, sampler, witnesses):
    data, clips = trained["held_out"], clips_of(trained, sampler)
    real = recorded_clips(data, clips, ("front",))
    shown = {
        "real": real,
        "redrawn": redrawn_clips(sampler, data, clips),
        "imagined": imagine_clips(sampler, data, clips, torch.Generator().manual_seed(1), 1.0),
    }
    found = {k: measure_following(v, data, clips, witnesses) for k, v in shown.items()}
    for one in found.values():
        assert one.match.shape == (12, 8) and one.psnr.shape == one.gone.shape == (12, 8)
        assert one.errors["tool"].shape == (12, 8) and one.card().actions == 96
    assert all(torch.equal(x["front"][:, 0], real["front"][:, 0]) for x in shown.values())
    quality = {k: float(f.psnr.mean()) for k, f in found.items()}
    assert quality["real"] > 90 > quality["redrawn"] > quality["imagined"] > 15
    assert float(found["real"].gone.float().mean()) < 0.1  # the tool may stand before the block


def test_imagining_is_a_function_of_its_seed(trained, sampler):
    data, clips = trained["held_out"], clips_of(trained, sampler)
    one, two, other = (
        imagine_clips(sampler, data, clips, torch.Generator().manual_seed(s), 1.0)["front"]
        for s in (1, 1, 2)
    )
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_the_best_of_several_earns_more(trained, sampler):
    data, clips = trained["held_out"], clips_of(trained, sampler)

    def earned(**more) -> float:
        frames = imagine_clips(sampler, data, clips, torch.Generator().manual_seed(1), 1.0, **more)[
            "front"
        ][:, 1:].float()
        return float((frames[..., 0] - frames[..., 1]).mean())

    assert earned(best_of=6, reward=redness) > earned() + 0.1
    with pytest.raises(ConfigError, match="best_of = 3 needs a reward"):
        imagine_clips(sampler, data, clips, torch.Generator(), 1.0, best_of=3)
