"""ACT: Action Chunking with Transformers, small enough to train from nothing on a CPU."""

from .config import ActConfig
from .model import ActPolicy

__all__ = ["ActConfig", "ActPolicy"]
