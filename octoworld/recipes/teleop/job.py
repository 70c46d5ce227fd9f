"""The whole job: a world, a page in the browser, a data set that grows with each episode kept."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from octoworld.core.errors import ConfigError
from octoworld.core.io import write_text
from octoworld.core.registry import TASKS
from octoworld.data.episode import Episode
from octoworld.data.journal import Journal
from octoworld.viewer.driving import DrivingPage
from octoworld.viewer.server import announce, check_port
from sim.backends.mjcf import scene_xml

from ..recording import write_dataset
from ..rollouts import RolloutConfig, origin, recording_env
from ..unfinished import SCENE, recover
from .actor import Clock, RealTime
from .commands import Commands
from .session import Session


@dataclass(frozen=True)
class TeleopConfig:
    """How a person drives."""

    episodes: int = 10
    """Episodes after which the session ends by itself."""
    first_seed: int = 1_000_000
    """Start seeds are first_seed, first_seed + 1, ..., whatever becomes of an episode."""
    seconds: float = 60.0
    """Length of an episode at most [s]; people need longer than scripts."""
    port: int = 8080
    """First port to try for the page."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    theme: str = "dark"
    """Colours of the page."""

    def __post_init__(self) -> None:
        if self.episodes < 1 or self.seconds <= 0:
            raise ConfigError(
                f"episodes {self.episodes} must be at least 1, seconds {self.seconds} above 0"
            )
        check_port(self.port)


def teleoperate(
    task: str,
    out: Path,
    rollouts: RolloutConfig,
    config: TeleopConfig,
    *,
    split: str = "",
    task_options: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
    on_open: Callable[[DrivingPage, Commands], None] | None = None,
) -> dict[str, Any]:
    """Open `task` in the browser and record what a person does; blocks until they finish.

    Every episode that they keep is recorded as `roll_out` records all others, and is on disk in
    `out` (a new data set, or one that grows) before the next one starts. The one in progress is in
    a journal beside it: what a session that was killed has left there joins the data set when the
    next one opens. Ctrl-C ends the session as `finish` does.

    Args:
        task: registered task of an arm.
        out: folder of the data set.
        rollouts: cameras, and steps recorded after success; one world is driven whatever it says.
        config: how the person drives.
        split: what starts are drawn from, see `tasks.splits`.
        task_options: further ones of the task, such as `robot`.
        options: further ones of the environment: `backend`, `control_mode`.
        clock: when actions are due; None is the task's rate in real time.
        on_open: told the page and its commands once it is open.

    Returns:
        What `write_dataset` does, of all that is in `out`; nothing but zeros if there is nothing.

    Raises:
        ConfigError: the task's control mode cannot be driven by hand.
    """
    given = dict(options or {})
    length = {"max_episode_length": max(1, round(config.seconds * TASKS.get(task).fps))}
    env = recording_env(
        task, 1, rollouts, split=split, task_options=task_options, options=length | given
    )
    try:
        commands = Commands(env.drive.name)
        scene = scene_xml(env.task.scene())
        for line in recover(out, scene):
            print(line, flush=True)
        with _page(commands, scene, config) as page:
            announce(f"drive {task}", page.server, config.host, config.port)
            if on_open is not None:
                on_open(page, commands)
            facts = origin(rollouts, "teleop", split, given)
            session = Session(
                env, commands, clock or RealTime(1 / env.fps), page, facts,
                lambda header: Journal(out, {**header, SCENE: scene}),
            )  # fmt: skip
            seeds = itertools.count(config.first_seed)
            driven = session.episodes(seeds, rollouts.hold_steps, config.episodes)
            kept = _kept(driven, out / "scene.xml", scene)
            return write_dataset(out, kept, append=True, commit_each=True)
    finally:
        env.close()


@contextlib.contextmanager
def _page(commands: Commands, scene: str, config: TeleopConfig) -> Iterator[DrivingPage]:
    """The open page of a scene (MJCF), which writes `commands`."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "scene.xml"
        write_text(path, scene)
        page = DrivingPage(
            path, commands.keys, commands.legend(), commands, port=config.port, host=config.host,
            theme=config.theme,
        )  # fmt: skip
        try:
            yield page
        finally:
            page.close()


def _kept(driven: Iterator[Episode], scene_path: Path, scene: str) -> Iterator[Episode]:
    """The episodes, and the scene beside the data set."""
    with contextlib.suppress(KeyboardInterrupt):  # as good as `finish`
        for episode in driven:
            yield episode
            # it is on disk now, and so the folder is there
            write_text(scene_path, scene)
