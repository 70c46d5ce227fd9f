"""Config of the tiny policy: what it is made for, how large it is, how it explores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..vision_policy import VisionConfig


@dataclass(frozen=True)
class TinyConfig(VisionConfig):
    """Shape of the network and of its action noise."""

    width: int = 192
    """Width of a token."""
    depth: int = 4
    """Layers of the transformer, half for perceiving and half for acting; at least 2."""
    heads: int = 6
    """Attention heads of the fusion transformer."""
    stem_channels: int = 48
    """Channels of the convolutional feature map."""
    num_keypoints: int = 16
    """Language-conditioned keypoints a camera."""
    keypoint_tokens: int = 4
    """Tokens that a camera's keypoints are packed into; divides `num_keypoints`."""
    noise: Literal["laplace", "gaussian"] = "laplace"
    """Family of the action noise (Laplace as in World-Env and RIPT-VLA)."""
    noise_correlation: float = 0.5
    """rho in [0, 1): lag-1 correlation of the noise along a chunk; 0 is white. White noise
    averages itself out over a chunk, so rollouts from one start hardly differ."""
    scale_range: tuple[float, float] = (0.05, 0.5)
    """Least and largest scale of the noise [action units, of 2 from end to end]. The floor keeps
    variance inside groups of rollouts however sure of itself imitation made the policy."""
    privileged_dim: int = 0
    """D, true-state values that are estimated and acted on; 0: from the data, or none."""

    def checks(self) -> tuple[tuple[bool, str, str], ...]:
        """As the base's, and those of its own fields."""
        low, high = self.scale_range
        return (
            *super().checks(),
            (self.depth >= 2, "depth", "at least 2"),
            (self.width % self.heads == 0, "width", f"a multiple of heads = {self.heads}"),
            (self.num_keypoints % self.keypoint_tokens == 0, "num_keypoints",
             f"a multiple of keypoint_tokens = {self.keypoint_tokens}"),
            (self.stem_channels % 8 == 0, "stem_channels", "a multiple of 8"),
            (0 <= self.noise_correlation < 1, "noise_correlation", "in [0, 1)"),
            (0 < low < high, "scale_range", "0 < least < largest"),
        )  # fmt: skip
