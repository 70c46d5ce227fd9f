"""Universal Robots UR5e with a parallel gripper, registered as `ur5e`."""

from .spec import ur5e

__all__ = ["ur5e"]
__suite__ = "octoworld"
