"""Guards our generic package names (`sim`, `tasks`, ...) against foreign packages."""

from __future__ import annotations

import importlib.util
from pathlib import Path

SUITE = ("sim", "robots", "tasks", "worldmodels", "vla")
MARKER = '__suite__ = "octoworld"'


def find_shadows() -> dict[str, str]:
    """Package name -> the file that Python finds instead of ours; empty when all is well.

    Nothing is imported, so foreign code does not run.
    """
    root = Path(__file__).resolve().parents[2]
    shadows = {}
    for name in SUITE:
        found = _origin(name)
        ours = root / name / "__init__.py"
        # the place catches a foreign package found first, the marker one installed over ours
        if found is None or found.resolve() != ours or MARKER not in ours.read_text():
            shadows[name] = str(found or "nothing")
    return shadows


def check_shadows() -> None:
    """Raise ImportError, naming file and remedy, if a package of ours is not what Python finds."""
    for name, path in find_shadows().items():
        raise ImportError(
            f"octoworld needs its own package {name!r}, but Python finds {path}. Rename or move "
            f"that file, start Python from another folder, or uninstall the distribution that "
            f"brought it (`pip uninstall {name}`) and install octoworld again.",
            name=name,
            path=path,
        )


def _origin(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # a hand-made module without a spec is already imported
        return None
    if spec is None:
        return None
    if spec.origin is None:  # a folder without __init__.py
        return Path(next(iter(spec.submodule_search_locations or ["nothing"])))
    return Path(spec.origin)
