"""Tasks: what a robot is asked to do, how it is judged, and how a scripted expert does it."""

__suite__ = "octoworld"
