"""The ids `octoworld/<Task>-v0` in gymnasium's registry.

Importing the tasks would bring the engines, beyond the budget of `import octoworld`: their names
are read from their source, and a task is imported when an environment of it is made.
"""

from __future__ import annotations

import re
from pathlib import Path

from sim.registration import register_gymnasium

TASKS_FOLDER = Path(__file__).resolve().parents[1] / "tasks"
_DECORATOR = re.compile(r"^@register_task\(\s*[\"'](\w+)[\"']", re.MULTILINE)


def declared_tasks(folder: Path = TASKS_FOLDER) -> list[str]:
    """Names in the `@register_task("Name")` lines of the files under `folder`, sorted."""
    sources = (path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    return sorted({name for source in sources for name in _DECORATOR.findall(source)})


def register_ids() -> None:
    """Make every task known to `gymnasium.make` and `gymnasium.make_vec`."""
    register_gymnasium(declared_tasks(), "octoworld.facade:make", "octoworld.facade:make_vec")
