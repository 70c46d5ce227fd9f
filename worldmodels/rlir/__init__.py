"""RLIR: rewards by which world models learn to show the actions that they are given."""

from .clips import ClipEnv, Dreamer, PromptConfig, Reward, Video
from .rewards import (
    FollowingReward,
    MustMove,
    PixelReward,
    ThingsStay,
    ThingsWhereTheyWere,
    Veto,
)
from .sampler import FlowSampler, Sampler, TokenSampler, sampler_of
from .train import RlirConfig, rlir
from .watch import Watch, WatchConfig

__all__ = [
    "ClipEnv",
    "Dreamer",
    "FlowSampler",
    "FollowingReward",
    "MustMove",
    "PixelReward",
    "PromptConfig",
    "Reward",
    "RlirConfig",
    "Sampler",
    "ThingsStay",
    "ThingsWhereTheyWere",
    "TokenSampler",
    "Veto",
    "Video",
    "Watch",
    "WatchConfig",
    "rlir",
    "sampler_of",
]
