"""The tiny vision-language-action policy: two to three million weights, trained from nothing."""

from .config import TinyConfig
from .model import TinyPolicy

__all__ = ["TinyConfig", "TinyPolicy"]
