"""Panda on a round holonomic base, registered as `mobile_panda`."""

from .spec import mobile_panda

__all__ = ["mobile_panda"]
__suite__ = "octoworld"
