"""Diffusion Policy: chunks of actions drawn by denoising, small enough to train on a CPU."""

from .config import DiffusionConfig
from .model import DiffusionPolicy

__all__ = ["DiffusionConfig", "DiffusionPolicy"]
