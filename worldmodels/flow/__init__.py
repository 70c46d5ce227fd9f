"""The flow-matching world model."""

from ..carry import Sight
from ..latent_model import LatentClip
from .config import FlowConfig
from .model import FlowWorldModel
from .train import FlowTrainConfig, train_flow

__all__ = [
    "FlowConfig",
    "FlowTrainConfig",
    "FlowWorldModel",
    "LatentClip",
    "Sight",
    "train_flow",
]
