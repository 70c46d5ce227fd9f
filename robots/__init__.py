"""Robots as pure data (`spec`), their kinematics, and their controllers."""

__suite__ = "octoworld"
