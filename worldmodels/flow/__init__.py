"""The flow-matching world model."""

from ..carry import Sight
from ..latent_model import LatentClip
from .config import FlowConfig
from .distill import DistillConfig, distill_flow, with_steps
from .model import FlowWorldModel
from .train import FlowTrainConfig, train_flow

__all__ = [
    "DistillConfig",
    "FlowConfig",
    "FlowTrainConfig",
    "FlowWorldModel",
    "LatentClip",
    "Sight",
    "distill_flow",
    "train_flow",
    "with_steps",
]
