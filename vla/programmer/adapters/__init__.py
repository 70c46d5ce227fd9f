"""Adapters: other people's trainers on our scenes, unchanged: TRL, OpenEnv, verl.

All of them stand on `ProgramEnv`: a scene that takes texts with programs and tells what they did.
"""

from .program_env import ProgramEnv, Told

__all__ = ["ProgramEnv", "Told"]
__suite__ = "octoworld"
