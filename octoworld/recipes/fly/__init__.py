"""Training of state-based controllers with Stable-Baselines3: train, resume, evaluate, play."""

from .config import TrainConfig, default_config
from .training import train

__all__ = ["TrainConfig", "default_config", "train"]
