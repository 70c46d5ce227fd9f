"""RLIR: rewards by which world models learn to show the actions that they are given."""

from .clips import ClipEnv, Dreamer, PromptConfig, Reward, Video
from .sampler import FlowSampler, Sampler
from .train import RlirConfig, rlir

__all__ = [
    "ClipEnv",
    "Dreamer",
    "FlowSampler",
    "PromptConfig",
    "Reward",
    "RlirConfig",
    "Sampler",
    "Video",
    "rlir",
]
