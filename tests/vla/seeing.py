"""A task that must be seen and heard, for every policy that learns from demonstrations."""

import numpy as np
import torch

from octoworld.core.fit import FitConfig
from octoworld.data.episode import Episode
from vla.act import ActConfig
from vla.augment import AugmentConfig
from vla.diffusion import DiffusionConfig
from vla.sft import SftConfig
from vla.tiny import TinyConfig

TINY = TinyConfig(
    image_size=32, width=48, depth=2, heads=4, text_width=16, text_depth=2, max_words=4,
    stem_channels=16, num_keypoints=4, keypoint_tokens=2,
)  # fmt: skip
ACT = ActConfig(
    image_size=32, chunk_size=4, width=48, heads=4, text_width=16, text_depth=2, max_words=4,
    encoder_depth=2, latent_dim=4, latent_depth=1, channels=(16, 32, 48),
)  # fmt: skip
DIFFUSION = DiffusionConfig(
    image_size=32, chunk_size=2, prediction_horizon=4, text_width=16, text_depth=2, max_words=4,
    stem_channels=16, num_keypoints=4, token_width=16, condition_width=64, channels=(32, 64),
)  # fmt: skip
Model = TinyConfig | ActConfig | DiffusionConfig
MODELS: dict[str, Model] = {"tiny": TINY, "act": ACT, "diffusion": DIFFUSION}
STILL = AugmentConfig(shift_pixels=0, brightness=0, contrast=0, color=0, state_noise=0)
COLUMNS = ("observation.images.front", "observation.state")


def make_episode(sign, seed, length=40, actions=2, cameras=("front",)):
    """A red square's place is the action; the instruction says with which sign."""
    rng = np.random.default_rng(seed)
    images = np.full((length, 32, 32, 3), 90, np.uint8)
    places = rng.integers(4, 28, (length, 2))
    for image, (x, y) in zip(images, places, strict=True):
        image[y - 3 : y + 3, x - 3 : x + 3] = (220, 30, 30)
    values = np.zeros((length, actions), np.float32)
    values[:, :2] = sign * (places - 16) / 12
    columns = {f"observation.images.{camera}": images for camera in cameras}
    state = rng.normal(size=(length, 3)).astype(np.float32)
    return Episode(
        columns | {"observation.state": state, "action": values},
        "go there" if sign > 0 else "go away",
        10,
        {"robot": "panda", "control_mode": "ee_delta_pos"},
    )


def episodes(**options):
    return [make_episode(1, 0, **options), make_episode(-1, 1, **options)]


def observations(demos):
    """All frames of the episodes as one observation of so many worlds."""
    return {c: torch.from_numpy(np.concatenate([d[c] for d in demos])) for c in COLUMNS}


def quick(model: Model = TINY, steps=3, **changes):
    """A config that trains in moments."""
    fit = FitConfig(steps=steps, batch_size=16, warmup_steps=5, log_every=1, checkpoint_every=2)
    return SftConfig(**({"model": model, "fit": fit, "augment": STILL} | changes))
