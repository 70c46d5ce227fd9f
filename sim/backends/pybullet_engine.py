"""The pybullet package, loaded when a world first uses it.

So that the backend can be listed without its half second of loading, and on machines without it.
"""

from __future__ import annotations

import importlib
from typing import Any

from octoworld.core.errors import DependencyError


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    try:
        module = importlib.import_module("pybullet")
    except ImportError:
        raise DependencyError(
            "the pybullet backend needs the package pybullet: pip install pybullet "
            "(it has wheels up to Python 3.11)"
        ) from None
    # later look-ups find the names here at once
    globals().update({k: v for k, v in vars(module).items() if not k.startswith("__")})
    return getattr(module, name)
