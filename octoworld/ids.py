"""The ids `octoworld/<Task>-v0` in gymnasium's registry.

Importing the tasks would bring the engines, beyond the budget of `import octoworld`: their names
are read from their source, and a task is imported when an environment of it is made.
"""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from sim.registration import register_gymnasium

from .core.registry import PLUGIN_GROUP

TASKS_FOLDER = Path(__file__).resolve().parents[1] / "tasks"
_DECORATOR = re.compile(r"^@register_task\(\s*[\"'](\w+)[\"']", re.MULTILINE)


def declared_tasks(folder: Path = TASKS_FOLDER) -> list[str]:
    """Names in the `@register_task("Name")` lines of the files under `folder`, sorted."""
    sources = (path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    return sorted({name for source in sources for name in _DECORATOR.findall(source)})


def plugin_tasks() -> list[str]:
    """Names declared in the modules of the entry point group `octoworld.plugins`, none imported."""
    names: set[str] = set()
    for point in entry_points(group=PLUGIN_GROUP):
        try:
            found = find_spec(point.module)
        except (ImportError, ValueError):
            continue  # told when plugins are loaded, by the error itself
        if found is None or found.origin is None:
            continue
        origin = Path(found.origin)
        if origin.name == "__init__.py":
            names.update(declared_tasks(origin.parent))
        elif origin.suffix == ".py":
            names.update(_DECORATOR.findall(origin.read_text(encoding="utf-8")))
    return sorted(names)


def register_ids() -> None:
    """Make every task known to `gymnasium.make` and `gymnasium.make_vec`."""
    names = [*declared_tasks(), *plugin_tasks()]
    register_gymnasium(names, "octoworld.facade:make", "octoworld.facade:make_vec")
