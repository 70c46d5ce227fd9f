"""Live: a task that runs in the browser, acted by a policy, an expert, chance or a person."""

from .job import LiveConfig, play_live

__all__ = ["LiveConfig", "play_live"]
