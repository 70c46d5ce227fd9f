"""Skills by name: what programs of a household can call."""

from . import furniture, moving, states, talk
from .base import CODES, LONGEST_WAIT, SKILLS, Acting, Done, signature

__all__ = [
    "CODES",
    "LONGEST_WAIT",
    "SKILLS",
    "Acting",
    "Done",
    "furniture",
    "moving",
    "signature",
    "states",
    "talk",
]
__suite__ = "octoworld"
