"""The parts of both action heads, without a vision-language model."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from octoworld.core.errors import CheckpointError, ConfigError
from vla.hf import HfConfig
from vla.hf.flow import FlowExpert, denoise, flow_loss
from vla.hf.prompt import resize, tell
from vla.hf.statistics import ActionRange, HfStatistics

from .families import seeded

EXPERT = HfConfig(
    head="flow", state_dim=2, action_dim=2, chunk_size=2, width=32, heads=2, depth=1
)  # fmt: skip


@given(
    low=st.floats(-2, 1), width=st.floats(0.01, 3), bins=st.integers(2, 1024), data=st.data()
)  # fmt: skip
def test_the_middle_of_a_bin_is_of_that_bin(low, width, bins, data):
    limits = ActionRange((low,), (low + width,))
    index = torch.tensor([[data.draw(st.integers(0, bins - 1))]])
    action = limits.to_actions(index, bins)
    assert torch.equal(limits.to_bins(action, bins), index)
    assert low <= float(action) <= low + width


def test_bins_lie_between_percentiles_and_outliers_fall_into_the_last():
    actions = np.linspace(-1, 1, 10_001)[:, None].repeat(2, axis=1)
    actions[0] = 50
    actions[:, 1] = 0.25
    limits = ActionRange.of(actions)
    np.testing.assert_allclose([limits.low[0], limits.high[0]], [-0.98, 0.98], atol=1e-3)
    index = limits.to_bins(torch.tensor([[50.0, 0.25], [-50.0, 0.25], [0.001, 0.25]]), 256)
    assert index[:, 0].tolist() == [255, 0, 128]
    # a dimension that stood still keeps a range, and is told to within its bin
    back = limits.to_actions(index, 256)[:, 1]
    torch.testing.assert_close(back, torch.full((3,), 0.25), atol=1e-4, rtol=0)


def test_expert_learns_two_ways_to_act_and_draws_both():
    """From one and the same observation half of the demonstrations go left, half go right."""
    torch.manual_seed(0)
    expert = FlowExpert(EXPERT, hidden_size=8)
    optimizer = torch.optim.Adam(expert.parameters(), 3e-3)
    hidden, known, state = torch.randn(1, 5, 8), torch.ones(1, 5, dtype=torch.bool), torch.zeros(2)

    def inputs(n):
        return hidden.expand(n, -1, -1), known.expand(n, -1), state.expand(n, -1)

    for step in range(150):
        side = torch.where(torch.arange(64) % 2 == 0, 1.0, -1.0)[:, None, None].expand(-1, 2, 2)
        loss = flow_loss(expert, *inputs(64), side, torch.ones(64, 2).bool(), seeded(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    noise = torch.randn(64, 2, 2, generator=seeded())
    drawn = denoise(expert, *inputs(64), noise, steps=10).detach()
    assert (drawn.abs() - 1).abs().mean() < 0.35
    right = (drawn > 0).float().mean()
    assert 0.25 < right < 0.75
    agree = (drawn.sign().mean(dim=(1, 2)).abs() == 1).float().mean()
    assert agree > 0.8  # a chunk goes one way as a whole


def test_padding_and_actions_past_the_end_have_no_influence():
    torch.manual_seed(0)
    expert = FlowExpert(EXPERT, hidden_size=8)
    hidden, known = torch.randn(3, 5, 8), torch.ones(3, 5, dtype=torch.bool)
    known[:, 0] = False
    actions, mask = torch.randn(3, 2, 2), torch.tensor([[1, 0]] * 3).bool()
    state = torch.randn(3, 2)
    # a masked action is noised, which its neighbours see: the same garbage, other target
    losses = []
    for garbage in (0.0, 7.0):
        seen = hidden.masked_fill(~known.unsqueeze(-1), garbage)
        losses.append(flow_loss(expert, seen, known, state, actions, mask, seeded()))
    assert torch.equal(losses[0], losses[1])
    with torch.no_grad():
        expert.velocity.weight.zero_()
    told = []
    for garbage in (0.0, 7.0):
        target = actions.masked_fill(~mask.unsqueeze(-1), garbage)
        told.append(flow_loss(expert, hidden, known, state, target, mask, seeded()))
    assert torch.equal(told[0], told[1])


def test_state_as_words():
    assert tell([0.0, -9.0, 9.0, 1.5]) == "128 0 255 192"


def test_resize():
    images = torch.zeros(2, 40, 60, 3, dtype=torch.uint8)
    images[..., 0] = 200
    resized = resize(images, 16)
    assert resized.shape == (2, 16, 16, 3) and resized.dtype == torch.uint8
    assert torch.equal(resized, images[:, :16, :16])
    assert resize(images, 0) is images


def test_statistics_are_saved_to_the_bit(tmp_path):
    rng = np.random.default_rng(0)
    kept = HfStatistics.fit(rng.normal(size=(9, 3)), rng.normal(size=(9, 2)))
    kept.save(tmp_path / "s.json")
    assert HfStatistics.load(tmp_path / "s.json") == kept
    (tmp_path / "s.json").write_text('{"state": {"mean": [0], "std": [0]}}')
    with pytest.raises(CheckpointError, match="damaged"):
        HfStatistics.load(tmp_path / "s.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cameras": ()}, "cameras"),
        ({"bins": 1}, "bins = 1: expected at least 2"),
        ({"width": 36, "heads": 8}, "a multiple of 2 . heads = 16"),
        ({"tune": "frozen"}, "which has no weights of its own"),
        ({"tune": "full", "dtype": "bfloat16"}, "rounded away"),
        ({"prompt": "do {task}"}, "expected a template with {instruction}"),
        ({"prompt": "go"}, "expected a template with {instruction}"),
        ({"lora_dropout": 1.0}, "lora_dropout"),
    ],
)
def test_wrong_config(change, message):
    with pytest.raises(ConfigError, match=message):
        HfConfig(**change)
