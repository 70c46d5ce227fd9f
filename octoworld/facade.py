"""The functions behind `import octoworld`: make environments, load what was trained, list names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .core import registry
from .core.errors import CheckpointError
from .core.io import read_json

if TYPE_CHECKING:
    import gymnasium

    from sim.vec_env import VecEnv
    from vla.policy import Policy
    from worldmodels.model import WorldModel


def make_vec(task: str, num_envs: int = 1, **options: Any) -> VecEnv:
    """`num_envs` worlds of a task in physics, stepped together.

    Args:
        task: a name of `list_tasks()`.
        num_envs: N, the first axis of every array.
        options: `obs_mode` ("state" or "vision"), `control_mode`, `backend`, `seed`, ... as
            `tasks.env.task_env` describes them.

    Raises:
        UnknownNameError: no such task or backend.
    """
    from tasks.env import task_env

    return task_env(task, num_envs=num_envs, **options)


def make(
    task: str, *, render_mode: str | None = None, camera: str | None = None, **options: Any
) -> gymnasium.Env:
    """One world of a task as a `gymnasium.Env`, in numpy; it is reset by its user only.

    Args:
        task: a name of `list_tasks()`.
        render_mode: "rgb_array" or None.
        camera: what `render` looks through; None is the task's choice.
        options: as for `make_vec`.
    """
    from gymnasium.vector import AutoresetMode

    from sim.gym_env import SingleWorldEnv

    worlds = make_vec(task, 1, autoreset_mode=AutoresetMode.DISABLED, **options)
    return SingleWorldEnv(worlds, render_mode=render_mode, camera=camera)


def load_policy(
    folder: Path | str, *, robot: str | None = None, control_mode: str | None = None
) -> Policy:
    """The policy that `save_pretrained` wrote into `folder`.

    Args:
        folder: holds `config.json` and `model.safetensors`.
        robot: the robot it shall drive; None does not ask.
        control_mode: what the environment takes its actions for; None does not ask.

    Raises:
        CheckpointError: missing, damaged, of an unknown type, for another robot or control mode.
    """
    from vla.checkpoint import load_policy

    return load_policy(folder, robot=robot, control_mode=control_mode)


def load_world_model(folder: Path | str) -> WorldModel:
    """The world model that `save_pretrained` wrote into `folder`.

    Raises:
        CheckpointError: missing, damaged, or of a class that no registered world model has.
    """
    folder = Path(folder)
    wanted = read_json(folder / "config.json").get("_class_name")
    kinds = registry.WORLD_MODELS
    classes = {kinds.get(name).__name__: kinds.get(name) for name in kinds.names()}
    if wanted not in classes:
        raise CheckpointError(
            f"{folder}/config.json is of class {wanted!r}; "
            f"known world models: {', '.join(sorted(classes)) or 'none'}"
        )
    return classes[wanted].from_pretrained(folder)


def list_tasks() -> list[str]:
    """Names for `make` and `make_vec`."""
    return registry.TASKS.names()


def list_robots() -> list[str]:
    """Names of the robots."""
    return registry.ROBOTS.names()


def list_policies() -> list[str]:
    """Names of the kinds of policy."""
    return registry.POLICIES.names()


def list_world_models() -> list[str]:
    """Names of the kinds of world model."""
    return registry.WORLD_MODELS.names()


def list_backends() -> list[str]:
    """Names of the physics engines."""
    return registry.BACKENDS.names()


def list_benches() -> list[str]:
    """Names of the experiments that `octoworld bench` runs."""
    return registry.BENCHES.names()
