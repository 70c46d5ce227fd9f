"""The whole job of a household: its page in the browser, and a data set to record into."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from octoworld.core.errors import ConfigError
from octoworld.core.io import write_text
from octoworld.viewer.homepage import HomeOffer, HomePage
from octoworld.viewer.server import announce, check_port
from tasks.household import Instance, task_named
from vla.programmer import make_runner

from ..program_recording import home_scene
from ..teleop.actor import Clock
from .cast import YOU
from .home_cast import PLANS
from .home_recorder import HomeRecorder, check_home
from .home_session import HomeSession
from .steering import Steering

FIRST = "go_to"
"""Skill that the page offers first: without it there is little to do."""


@dataclass(frozen=True)
class HomeConfig:
    """How a household runs live."""

    layout: int = 0
    """Seed of the home."""
    first_seed: int = 5_000_000
    """Of the first start; the next ones follow."""
    driver: str = YOU
    """Who acts first: you, expert (the oracle), programmer (the shipped
    network), teacher (who forgets) or random."""
    pace: float = 2.0
    """Calls a second of programs and drivers."""
    port: int = 8080
    """First port to try for the page."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets other machines in, with a token."""
    theme: str = "dark"
    """Colours of the page."""

    def __post_init__(self) -> None:
        if self.pace <= 0 or self.first_seed < 0 or self.layout < 0:
            raise ConfigError(
                f"pace {self.pace} must be above 0, first_seed {self.first_seed} and layout "
                f"{self.layout} at least 0"
            )
        check_port(self.port)


def play_home(
    task: str,
    out: Path,
    config: HomeConfig,
    *,
    clock: Clock | None = None,
    on_open: Callable[[HomePage, HomeSession], None] | None = None,
    most_rounds: int | None = None,
) -> dict[str, Any]:
    """Run a household task in the browser until the person there finishes, or Ctrl-C.

    A person calls skills one by one or runs whole programs; the oracle, a teacher who forgets and
    chance act as well. What is recorded is on disk call by call, in the form that
    `program_recording` gives to agents' work.

    Args:
        task: household task, as `put_away:mug:cabinet`.
        out: folder of the data set that the page's button records into; new, or one that grows.
        config: how it runs.
        clock: when the next call is due; None is `config.pace` in real time.
        on_open: told page and session once they stand.
        most_rounds: ends the session by itself.

    Returns:
        `episodes` saved, and the data set's folder (`dataset`).

    Raises:
        UnknownNameError: there is no such task or driver.
        DatasetError: `out` holds something else than programs in this home.
    """
    instance = Instance(task_named(task).name, config.layout, config.first_seed)
    check_home(out, config.layout)
    scene, steering = home_scene(instance), Steering(None)
    recorder = HomeRecorder(out, scene)
    recorder.keeper.recover()
    session = HomeSession(
        instance, make_runner(), steering, recorder, driver=config.driver, pace=config.pace,
        clock=clock,
    )  # fmt: skip
    offer = HomeOffer(
        drivers=tuple(PLANS), driver=session.driver, seed=config.first_seed,
        skills={FIRST: "", **session.house.skills}, pace=config.pace, record_to=str(out),
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        path = Path(folder) / "scene.xml"
        write_text(path, scene)
        page = HomePage(
            path, offer, steering.tell, port=config.port, host=config.host, theme=config.theme
        )
        try:
            announce(f"live {task}", page.server, config.host, config.port)
            if on_open is not None:
                on_open(page, session)
            with contextlib.suppress(KeyboardInterrupt):  # as good as `finish`
                session.run(page, most_rounds)
        finally:
            page.close()
    return {"episodes": recorder.keeper.saved, "dataset": str(out)}
