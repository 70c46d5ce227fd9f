"""Teleoperation: a person drives the arm in the browser, and what they keep is recorded."""

from .job import TeleopConfig, teleoperate

__all__ = ["TeleopConfig", "teleoperate"]
