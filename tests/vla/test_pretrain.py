"""Grounding on stills, and fine-tuning that leaves the eyes alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from octoworld.core.errors import DatasetError
from octoworld.core.fit import FitConfig
from octoworld.data.episode import Episode
from vla.augment import AugmentConfig
from vla.freeze import PERCEPTION
from vla.imitation import known_loss
from vla.pretrain import POINTS, UNSEEN, GroundingConfig, pointing_loss, pretrain_grounding
from vla.processors import STATE_FLOOR
from vla.sft import SftConfig, train_sft
from vla.tiny import TinyConfig

MODEL = TinyConfig(
    image_size=32, width=24, depth=2, heads=2, stem_channels=8, num_keypoints=4, keypoint_tokens=1,
    text_width=8, text_depth=1,
)  # fmt: skip
PLAIN = AugmentConfig(shift_pixels=0, brightness=0, contrast=0, color=0, state_noise=0)


def scene(rng: np.random.Generator, rows: int = 1, known: bool = True) -> Episode:
    """A white square somewhere; the true state is where."""
    place = rng.integers(4, 28, size=(rows, 2))
    images = np.zeros((rows, 32, 32, 3), np.uint8)
    for image, (x, y) in zip(images, place, strict=True):
        image[y - 3 : y + 3, x - 3 : x + 3] = 255
    columns = {
        "observation.images.front": images,
        "observation.state": rng.normal(size=(rows, 3)).astype(np.float32),
        "action": (place / 16 - 1).astype(np.float32),
        "next.success": np.zeros(rows, bool),
    }
    if known:
        still = np.zeros((rows, 1))  # a speed: nothing moves in a still picture
        columns["observation.environment_state"] = np.c_[place, still].astype(np.float32)
    return Episode(columns, "touch the square", 10, {"robot": "toy", "control_mode": "xy"})


def test_grounding_finds_the_square(tmp_path):
    rng = np.random.default_rng(0)
    fit = FitConfig(steps=150, batch_size=32, learning_rate=3e-3, log_every=150)
    config = GroundingConfig(model=MODEL, fit=fit, augment=PLAIN)
    policy = pretrain_grounding([scene(rng) for _ in range(300)], config, tmp_path, seed=0).eval()
    fresh = [scene(rng) for _ in range(64)]
    images = torch.from_numpy(np.concatenate([e["observation.images.front"] for e in fresh]))
    state = torch.from_numpy(np.concatenate([e["observation.state"] for e in fresh]))
    truth = np.concatenate([e["observation.environment_state"] for e in fresh])[:, :2]
    obs = {"observation.images.front": images, "observation.state": state}
    with torch.no_grad():
        guess = policy.run(obs, ["touch the square"] * 64).privileged
    assert guess is not None and policy.processor.privileged is not None
    mean, std = policy.processor.privileged.tensors()
    places = (guess * std + mean).numpy()[:, :2]
    # always saying the middle would be off by 6 px on average
    assert np.abs(places - truth).mean() < 2.5


def test_grounding_needs_the_true_state(tmp_path):
    rng = np.random.default_rng(0)
    with pytest.raises(DatasetError, match="environment_state"):
        scenes = [scene(rng, known=False)]
        pretrain_grounding(scenes, GroundingConfig(model=MODEL), tmp_path, seed=0)


def test_fine_tuning_leaves_frozen_parts_alone(tmp_path):
    rng = np.random.default_rng(0)
    few = FitConfig(steps=3, batch_size=4, log_every=3)
    grounded = pretrain_grounding(
        [scene(rng) for _ in range(8)],
        GroundingConfig(model=MODEL, fit=few, augment=PLAIN),
        tmp_path / "grounding",
        seed=0,
    )
    config = SftConfig(fit=few, augment=PLAIN, frozen=PERCEPTION, privileged_weight=0.0)
    tuned = train_sft([scene(rng, 6)], config, tmp_path / "sft", 0, initial=grounded)
    before, after = grounded.state_dict(), tuned.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and not {name for name in changed if name.split(".")[0] in PERCEPTION}
    assert any(name.startswith("mean_head") for name in changed)


def test_values_that_never_varied_are_left_out_of_the_loss():
    std = torch.tensor([0.1, STATE_FLOOR])
    near, far = torch.zeros(4, 2), torch.tensor([[0.0, 300.0]]).expand(4, 2)
    assert known_loss(near, far, std) == 0
    assert known_loss(near, torch.ones(4, 2), std) == pytest.approx(0.5)


def two_squares(rng: np.random.Generator, pointed: bool = True) -> Episode:
    """A red and a green square, one of which is meant; the true state is where neither is."""
    x, y = rng.integers(4, 28, size=2), np.array([8, 24])
    image = np.zeros((1, 32, 32, 3), np.uint8)
    colors = rng.permutation(2)
    for color, a, b in zip(colors, x, y, strict=True):
        image[0, b - 3 : b + 3, a - 3 : a + 3, color] = 255
    wanted = rng.integers(2)
    at = int(np.flatnonzero(colors == wanted)[0])
    columns = {
        "observation.images.front": image,
        "observation.state": rng.normal(size=(1, 3)).astype(np.float32),
        "observation.environment_state": rng.normal(size=(1, 1)).astype(np.float32),
        "action": np.zeros((1, 2), np.float32),
        "next.success": np.zeros(1, bool),
    }
    if pointed:
        there = np.array([x[at], y[at]]) / 16 - 1
        columns[f"{POINTS}front"] = np.array([[*there, UNSEEN, UNSEEN]], np.float32)
    words = ("touch the red square", "touch the green square")[wanted]
    return Episode(columns, words, 10, {"robot": "toy", "control_mode": "xy"})


@pytest.mark.slow
def test_the_first_keypoint_learns_to_lie_on_what_is_named(tmp_path):
    rng = np.random.default_rng(0)
    fit = FitConfig(steps=250, batch_size=32, learning_rate=4e-3, log_every=250)
    config = GroundingConfig(model=MODEL, fit=fit, augment=PLAIN)
    policy = pretrain_grounding([two_squares(rng) for _ in range(400)], config, tmp_path, 0).eval()
    fresh = [two_squares(rng) for _ in range(64)]
    names = ("observation.images.front", "observation.state")
    obs = {k: torch.from_numpy(np.concatenate([e[k] for e in fresh])) for k in names}
    with torch.no_grad():
        found = policy.run(obs, [e.instruction for e in fresh]).keypoints[:, 0, 0]
    wanted = torch.from_numpy(np.concatenate([e[f"{POINTS}front"][:, :2] for e in fresh]))
    pixels = 16 * (found - wanted).abs().max(dim=1).values
    assert pixels.median() < 3  # the squares' middles are 16 px apart


def test_what_a_camera_does_not_see_does_not_count():
    keypoints = torch.zeros(2, 1, 4, 2)
    points = torch.tensor([[[0.5, 0.5], [UNSEEN, 0.0]], [[0.1, -1.2], [0.3, 0.1]]])
    loss = pointing_loss(keypoints, points[:, None])
    assert loss.item() == pytest.approx((0.5 + 0.5 + 0.3 + 0.1) / 4)
    assert pointing_loss(keypoints, torch.zeros(2, 1, 0, 2)).item() == 0
