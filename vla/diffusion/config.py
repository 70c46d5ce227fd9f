"""Config of the diffusion policy: shape of the network, noise schedule, receding horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..vision_policy import VisionConfig


@dataclass(frozen=True)
class DiffusionConfig(VisionConfig):
    """Chi et al. 2023 (arXiv 2303.04137) for small images; values in () are the paper's."""

    prediction_horizon: int = 8
    """Actions denoised together, of which the first `chunk_size` are carried out (16, of which 8);
    a multiple of 2 to the number of `channels` less one."""
    n_obs_steps: int = 1
    """1: acts on the present observation; 2: also on the one before (2). A policy sees the world
    once a call, so the one before is `chunk_size` steps old (the paper: one step)."""
    stem_channels: int = 48
    """Channels of the convolutional feature map."""
    num_keypoints: int = 16
    """Language-conditioned keypoints a camera."""
    token_width: int = 64
    """Width of the image tokens beside the keypoints."""
    condition_width: int = 192
    """Width of the condition: image, words, proprioception and diffusion step in one vector."""
    channels: tuple[int, ...] = (128, 256)
    """Channels of the U-Net at full, half, quarter, ... time resolution (256, 512, 1024)."""
    train_steps: int = 100
    """Diffusion steps in training (100)."""
    inference_steps: int = 10
    """DDIM steps of `act` (16 on their robots); at most `train_steps`."""
    beta_schedule: Literal["squaredcos_cap_v2", "linear", "scaled_linear", "sigmoid"] = (
        "squaredcos_cap_v2"
    )
    """Noise schedule, by its name in diffusers (squaredcos_cap_v2)."""
    prediction: Literal["sample", "epsilon", "v_prediction"] = "sample"
    """What the network predicts (epsilon). The clean actions themselves: with few steps, small
    errors of a predicted noise are large errors of an action at the noisiest step."""
    clip_range: float = 5.0
    """The clean actions are cut here while denoising [standard deviations of the data]."""
    draws: int = 4
    """Noisy copies of each chunk in a training step: looking at the images costs most."""

    @property
    def horizon(self) -> int:
        """Actions denoised together."""
        return self.prediction_horizon

    def checks(self) -> tuple[tuple[bool, str, str], ...]:
        """As the base's, and those of its own fields."""
        fold = 2 ** (len(self.channels) - 1) if self.channels else 1
        return (
            *super().checks(),
            (self.prediction_horizon >= self.chunk_size, "prediction_horizon",
             f"at least chunk_size = {self.chunk_size}, the actions carried out"),
            (self.prediction_horizon % fold == 0, "prediction_horizon", f"a multiple of {fold}"),
            (self.n_obs_steps in (1, 2), "n_obs_steps", "1 or 2"),
            (self.stem_channels % 8 == 0, "stem_channels", "a multiple of 8"),
            (len(self.channels) > 0 and all(c % 8 == 0 for c in self.channels), "channels",
             "multiples of 8"),
            (self.condition_width % 2 == 0, "condition_width", "an even number"),
            (0 < self.inference_steps <= self.train_steps, "inference_steps",
             f"1 to train_steps = {self.train_steps}"),
            (self.clip_range > 0, "clip_range", "above 0"),
            (self.draws > 0, "draws", "at least 1"),
        )  # fmt: skip
