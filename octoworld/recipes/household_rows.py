"""Household episodes as rows of a data set, for trainers that know nothing of homes."""

from __future__ import annotations

from typing import Any

from octoworld.core.errors import ConfigError
from tasks.household import Household, Instance, household_split


def household_scene(
    split: str = "",
    index: int = 0,
    task: str = "",
    layout: int = 0,
    start: int = 0,
    wording: int = 0,
    packing: str = "text",
    fidelity: str = "kinematic",
    **others: Any,
) -> Household:
    """The scene of a row: instance `index` of a split, or a task, a layout and a start.

    Raises:
        ConfigError: the row names no episode.
        UnknownNameError: no such split or task.
    """
    del others  # columns of the trainer's own
    if split:
        instance = household_split(split).instance(int(index))
    elif task:
        instance = Instance(task, int(layout), int(start), int(wording))
    else:
        raise ConfigError("a row of household needs `split` and `index`, or `task` and `layout`")
    return Household(instance, packing=packing, fidelity=fidelity)


def household_rows(split: str, count: int, first: int = 0) -> list[dict[str, Any]]:
    """Rows of a split, each with the message that TRL and verl extend."""
    prompt = [{"role": "user", "content": ""}]
    return [
        {"prompt": prompt, "split": split, "index": index} for index in range(first, first + count)
    ]
