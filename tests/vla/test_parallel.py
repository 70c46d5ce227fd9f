"""Two processes under torchrun learn what one learns from the same batches."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from octoworld.core.errors import ConfigError
from octoworld.core.log import read_metrics
from octoworld.core.parallel import Share, process_group
from octoworld.core.rng import torch_generator
from vla.augment import AugmentConfig, augment_images, augment_state
from vla.checkpoint import load_policy
from vla.dataset import build_dataset
from vla.imitation import Draws
from vla.sft import make_policy, sft_loss, train_sft

from .seeing import MODELS, episodes, quick

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
import seeing
from octoworld.core.parallel import process_group
from vla.augment import AugmentConfig
from vla.sft import train_sft

with process_group("cpu") as device:
    for name, model in seeing.MODELS.items():
        config = seeing.quick(model, 4, augment=AugmentConfig())
        train_sft(seeing.episodes(length=9), config, Path({out!r}) / name, 0, device)
"""


@pytest.mark.slow
def test_torchrun_gives_what_one_process_gives(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(here=str(Path(__file__).parent), out=str(tmp_path / "two")))
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         str(script)],
        cwd=ROOT, check=True, capture_output=True, timeout=280,
    )  # fmt: skip
    for name, model in MODELS.items():
        config = quick(model, 4, augment=AugmentConfig())
        one = train_sft(episodes(length=9), config, tmp_path / "one" / name, 0)
        two = load_policy(tmp_path / "two" / name / "policy")
        assert isinstance(two, torch.nn.Module)
        for (key, a), b in zip(one.state_dict().items(), two.state_dict().values(), strict=True):
            # Adam divides by the size of the gradient, so rounding of small ones shows
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4, msg=lambda m, k=key: f"{k}: {m}")
        rows = [read_metrics(tmp_path / part / name / "metrics.jsonl") for part in ("one", "two")]
        assert [r["step"] for r in rows[1]] == [0, 1, 2, 3]
        for a, b in zip(*rows, strict=True):
            assert b == pytest.approx(a, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_gradients_of_the_shares_average_to_that_of_the_batch(name):
    """Near the episodes' ends, where the shares hold different numbers of actions."""
    model = MODELS[name]
    data = build_dataset(episodes(), model.horizon)
    policy = make_policy(episodes(), data, model, seed=0)
    config = quick(model, augment=AugmentConfig())
    rows = torch.tensor([36, 37, 38, 39, 1, 2, 3, 4])

    def gradient(share):
        policy.zero_grad()
        losses = sft_loss(policy, data, rows, torch_generator(0), config, share)
        losses["loss"].backward()
        return {n: p.grad.clone() for n, p in policy.named_parameters() if p.grad is not None}

    whole, left, right = (gradient(s) for s in (Share(), Share(0, 2), Share(1, 2)))
    for key, value in whole.items():
        torch.testing.assert_close((left[key] + right[key]) / 2, value, rtol=1e-3, atol=1e-5)


def test_disturbances_of_a_row_do_not_depend_on_the_number_of_processes():
    images = torch.randint(0, 256, (4, 2, 16, 16, 3), dtype=torch.uint8)
    state, std = torch.randn(4, 2, 3), torch.ones(3)

    def disturbed(share):
        mine, generator = share.rows(4), torch_generator(0)
        return (
            augment_images(images[mine], AugmentConfig(), generator, share),
            augment_state(state[mine], std, AugmentConfig(), generator, share),
            Draws(generator, 4, share=share).normal(2),
        )

    whole = disturbed(Share())
    for parts in zip(whole, *(disturbed(Share(rank, 2)) for rank in (0, 1)), strict=True):
        assert torch.equal(torch.cat(parts[1:]), parts[0])


def test_frames_of_a_history_are_shifted_and_lit_alike():
    image = torch.randint(0, 256, (3, 1, 16, 16, 3), dtype=torch.uint8)
    moved = augment_images(image.expand(-1, 2, -1, -1, -1), AugmentConfig(), torch_generator(0))
    assert torch.equal(moved[:, 0], moved[:, 1])
    assert not torch.equal(moved[:, :1], image)


def test_bad_input(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="batch_size = 5: expected a multiple of 2 processes"):
        Share(0, 2).rows(5)
    with pytest.raises(ConfigError, match="'bfloat16' needs a CUDA device, not cpu"):
        train_sft(episodes(), replace(quick(), precision="bfloat16"), tmp_path, seed=0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="no CUDA device"), process_group("cuda"):
        pass
