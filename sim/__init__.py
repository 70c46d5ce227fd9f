"""Simulation: scenes, worlds of many backends, and the environment contract."""

__suite__ = "octoworld"
