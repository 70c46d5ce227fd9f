"""Where things are: the shipped assets, the run folders."""

from __future__ import annotations

from pathlib import Path

from .errors import UnknownNameError

PACKAGE = Path(__file__).resolve().parent.parent
ASSETS = PACKAGE / "_assets"
"""In a checkout a link to `assets/`; in a wheel the files themselves."""


def asset(*parts: str) -> Path:
    """Path of a shipped file, as in `asset("robots", "panda", "scene.xml")`.

    Raises:
        UnknownNameError: there is no such file; the message lists what lies beside it.
    """
    path = ASSETS.joinpath(*parts)
    if not path.exists():
        folder = path.parent
        beside = [p.name for p in folder.iterdir()] if folder.is_dir() else []
        raise UnknownNameError("asset", "/".join(parts), beside)
    return path
