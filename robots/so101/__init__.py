"""SO-101, the hobby arm of LeRobot's users, registered as `so101`."""

from .spec import so101

__all__ = ["so101"]
__suite__ = "octoworld"
