"""Franka Emika Panda, registered as `panda`."""

from .spec import panda

__all__ = ["panda"]
__suite__ = "octoworld"
