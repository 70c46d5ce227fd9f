"""Pretrained video models of `diffusers` as world models, by an action adapter."""

from .config import PretrainedConfig, Robot
from .family import VideoFamily, register_video_family
from .model import PretrainedWorldModel, VideoHistory
from .train import PretrainedTrainConfig, train_pretrained

__all__ = [
    "PretrainedConfig",
    "PretrainedTrainConfig",
    "PretrainedWorldModel",
    "Robot",
    "VideoFamily",
    "VideoHistory",
    "register_video_family",
    "train_pretrained",
]
