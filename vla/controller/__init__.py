"""Trained state-based controllers: small networks from what is felt to what is done."""

from .config import ControllerConfig
from .model import Controller

__all__ = ["Controller", "ControllerConfig"]
