"""Pretrained vision-language models of `transformers` as policies, with two action heads."""

from .config import HfConfig
from .model import HfPolicy

__all__ = ["HfConfig", "HfPolicy"]
