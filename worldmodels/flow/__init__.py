"""The flow-matching world model."""

from .carry import Sight
from .config import FlowConfig
from .model import FlowHistory, FlowWorldModel, LatentClip
from .train import FlowTrainConfig, train_flow

__all__ = [
    "FlowConfig",
    "FlowHistory",
    "FlowTrainConfig",
    "FlowWorldModel",
    "LatentClip",
    "Sight",
    "train_flow",
]
