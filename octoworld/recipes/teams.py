"""Tasks of several agents as PettingZoo environments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gymnasium.vector import AutoresetMode

from octoworld.core.errors import DependencyError
from octoworld.core.registry import TASKS
from tasks.drones.multi import TeamTask
from tasks.env import task_env

if TYPE_CHECKING:
    from octoworld.rl.adapters.pettingzoo import TeamParallelEnv

ENVIRONMENT = ("control_mode", "backend", "max_episode_length", "num_threads")
"""Options of the environment; all others are the task's."""


def parallel_env(
    task: str, *, render_mode: str | None = None, camera: str | None = None, **options: Any
) -> TeamParallelEnv:
    """One world of a team task as a PettingZoo `ParallelEnv`, where agents leave one by one.

    Args:
        task: registered, e.g. "MultiHover".
        render_mode: "rgb_array" or None.
        camera: what `render` looks through; None is the task's choice.
        options: of the task, e.g. `num_drones=5`; and `control_mode`, `backend` and
            `max_episode_length` of the environment.

    Raises:
        DependencyError: pettingzoo is not installed.
        ConfigError: an option is unknown or out of range.
    """
    try:
        from octoworld.rl.adapters.pettingzoo import TeamParallelEnv
    except ImportError:
        raise DependencyError(
            "parallel_env needs pettingzoo: pip install 'octoworld[marl]'"
        ) from None
    ours = {k: options.pop(k) for k in ENVIRONMENT if k in options}
    if issubclass(TASKS.get(task), TeamTask):
        options.setdefault("ends_with", "last")
    worlds = task_env(task, 1, autoreset_mode=AutoresetMode.DISABLED, task_options=options, **ours)
    return TeamParallelEnv(worlds, render_mode=render_mode, camera=camera)
