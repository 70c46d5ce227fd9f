"""Controllers of robots: inverse kinematics and control modes."""

__suite__ = "octoworld"
