"""OpenEnv: our scenes behind its server (openenv 0.10), which verifiers, SkyRL and ART speak too.

    app = openenv_app(make_scene, tasks={"train": [{"index": 0}, {"index": 1}]})
    uvicorn.run(app, port=8000)

An episode is named by `reset(split=..., index=...)`, or by the row's own fields; an action is a
program. `openenv.yaml` for `openenv push` is in `MANIFEST`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from octoworld.core.errors import ConfigError, DependencyError

from .program_env import MakeScene, ProgramEnv, Told

MANIFEST = {
    "spec_version": 1, "name": "octoworld", "version": "0.1.0", "type": "space",
    "runtime": "fastapi", "app": "server.app:app", "port": 8000,
    "validation": {"reward": {"range": [0.0, 1.0]}},
}  # fmt: skip
Tasks = Mapping[str, Sequence[Mapping[str, Any]]]
"""Split -> rows that `make_scene` takes."""


def openenv_environment(make_scene: MakeScene, tasks: Tasks, **settings: Any) -> Any:
    """(Environment class, action class, observation class) for `create_app`.

    Raises:
        DependencyError: openenv is not installed.
    """
    try:
        from openenv.core.env_server.interfaces import (  # pyright: ignore[reportMissingImports]
            Environment,
        )
        from openenv.core.env_server.types import (  # pyright: ignore[reportMissingImports]
            Action,
            Observation,
            State,
        )
    except ImportError as error:
        raise DependencyError(
            "the OpenEnv server needs the package openenv; pip install 'octoworld[openenv]'"
        ) from error

    class ProgramAction(Action):
        """A program, or a model's whole answer."""

        program: str

    class ProgramObservation(Observation):
        """What is told and seen."""

        text: str
        images: dict[str, str] = {}  # noqa: RUF012 - a pydantic field
        """Camera -> PNG as a data URL."""

    class ProgramState(State):
        """How much of the episode is used up."""

        turns: int = 0
        calls: int = 0
        seconds: float = 0.0

    class ProgramEnvironment(Environment):
        """One session's episodes."""

        SUPPORTS_CONCURRENT_SESSIONS = True
        REQUIRES_SINGLE_THREAD_EXECUTOR = True  # an OpenGL context belongs to its thread

        def __init__(self) -> None:
            super().__init__()
            self._env = ProgramEnv(make_scene, **settings)
            self._state = ProgramState()

        def reset(
            self, seed: int | None = None, episode_id: str | None = None, **options: Any
        ) -> Any:
            """Start an episode: a row of a split, or fields of a row."""
            split, index = options.pop("split", None), options.pop("index", None)
            if split is None and not options:
                split, index = next(iter(tasks)), seed or 0
            row = dict(options) if split is None else dict(self.get_task(split, index or 0))
            told = self._env.reset(**row)
            self._state = ProgramState(episode_id=episode_id)
            return self._observation(Told(f"{self._env.briefing()}\n\n{told.text}", told.images))

        def step(self, action: Any, timeout_s: float | None = None, **options: Any) -> Any:
            """Run a program."""
            text = action.program
            told = self._env.step(text) if "```" in text else self._env.run(text)
            env = self._env
            self._state.step_count += 1
            self._state.turns, self._state.calls = env.turns, env.calls
            self._state.seconds = env.seconds
            return self._observation(told)

        @property
        def state(self) -> Any:
            """See `ProgramState`."""
            return self._state

        def list_splits(self) -> list[str]:
            """Names of the splits."""
            return list(tasks)

        def num_tasks(self, split: str) -> int:
            """Rows of a split."""
            return len(_rows(tasks, split))

        def list_tasks(self, split: str) -> list[Any]:
            """All rows of a split."""
            return [dict(row) for row in _rows(tasks, split)]

        def get_task(self, split: str, index: int) -> Any:
            """One row; IndexError beyond the last."""
            return dict(_rows(tasks, split)[index])

        def get_task_range(
            self, split: str, start: int | None = None, stop: int | None = None
        ) -> list[Any]:
            """Rows as a slice."""
            return [dict(row) for row in _rows(tasks, split)[start:stop]]

        def _observation(self, told: Told) -> Any:
            from ..pictures import data_url

            images = {name: data_url(image) for name, image in told.images.items()}
            info = dict(told.info)
            return ProgramObservation(
                text=told.text, images=images, done=told.done, reward=told.reward, metadata=info
            )

    return ProgramEnvironment, ProgramAction, ProgramObservation


def openenv_app(
    make_scene: MakeScene, tasks: Tasks, *, max_sessions: int = 16, **settings: Any
) -> Any:
    """The FastAPI application, for `max_sessions` at a time; DependencyError without openenv."""
    environment, action, observation = openenv_environment(make_scene, tasks, **settings)
    from openenv.core.env_server.http_server import (  # pyright: ignore[reportMissingImports]
        create_app,
    )

    return create_app(
        environment, action, observation, env_name="octoworld", max_concurrent_envs=max_sessions
    )


def _rows(tasks: Tasks, split: str) -> Sequence[Mapping[str, Any]]:
    if split not in tasks:
        raise ConfigError(f"split {split!r}: expected one of {', '.join(tasks)}")
    return tasks[split]
