"""Tasks: every choice of every family; an instance puts one into a home with a start."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

from octoworld.core.errors import UnknownNameError

from . import finding, reasoning, routine  # noqa: F401 - they add their families
from .family import FAMILIES, Family


@dataclass(frozen=True)
class Task:
    """One choice of a family's parameters; it can be done in every home."""

    family_name: str
    parameters: tuple[str, ...]

    @property
    def name(self) -> str:
        """As `put_away:mug:cabinet`."""
        return ":".join((self.family_name, *self.parameters))

    @property
    def family(self) -> Family:
        """Where it comes from."""
        return FAMILIES[self.family_name]

    @property
    def category(self) -> str:
        """`routine` or `reasoning`."""
        return self.family.category


@dataclass(frozen=True)
class Instance:
    """A task in one home, from one start, in one wording: all that an episode depends on."""

    task_name: str
    layout: int
    """Seed of the home."""
    start: int = 0
    """Seed of where things are."""
    wording: int = 0
    """Number of the paraphrase."""
    any_clutter: bool = True
    """False: things of kinds that are held out of training never lie about."""

    @cached_property
    def task(self) -> Task:
        """The task."""
        return task_named(self.task_name)

    @property
    def key(self) -> str:
        """A name that tells it from all others."""
        return f"{self.task_name}/{self.layout}/{self.start}/{self.wording}"


@cache
def all_tasks() -> tuple[Task, ...]:
    """Every task, family after family."""
    return tuple(Task(f.name, choice) for f in FAMILIES.values() for choice in f.choices)


@cache
def _by_name() -> dict[str, Task]:
    return {task.name: task for task in all_tasks()}


def task_named(name: str) -> Task:
    """The task `name`; UnknownNameError lists a near one."""
    if name not in _by_name():
        raise UnknownNameError("household task", name, _by_name())
    return _by_name()[name]
