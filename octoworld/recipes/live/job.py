"""The whole job: a world, those who act in it, a page in the browser, a data set to record into."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from octoworld.core.errors import ConfigError
from octoworld.core.io import write_text
from octoworld.core.registry import ROBOTS, TASKS
from octoworld.viewer.live import LivePage, Offer
from octoworld.viewer.server import announce, check_port
from sim.backends.mjcf import scene_xml
from vla.policy import Policy

from ..recording import check_fits
from ..rollouts import RolloutConfig, recording_env
from ..teleop.actor import Clock
from .cast import Cast
from .dream import Dream, load_dream_model
from .hands import DroneHand, hand_of
from .physics import Push, dials_of
from .recorder import LiveRecorder
from .session import LiveSession
from .steering import Steering


@dataclass(frozen=True)
class LiveConfig:
    """How a task runs live."""

    first_seed: int = 5_000_000
    """Of the first start; the next ones follow."""
    seconds: float = 120.0
    """Length of an episode at most [s]."""
    cameras: tuple[str, ...] = ()
    """Shown and recorded; default: all of the task's, and those of policy and world model."""
    temperature: float = 0.0
    """Factor on the policy's noise scale; 0 is its mean action."""
    driver: str | None = None
    """Who acts first: you, policy, expert or random; None: the policy, or else the expert."""
    port: int = 8080
    """First port to try for the page."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets other machines in, with a token."""
    theme: str = "dark"
    """Colours of the page."""

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.first_seed < 0:
            raise ConfigError(
                f"seconds {self.seconds} must be above 0, first_seed {self.first_seed} at least 0"
            )
        check_port(self.port)


Open = Callable[[LivePage, LiveSession], None]


def play_live(
    task: str,
    out: Path,
    config: LiveConfig,
    *,
    policy: Policy | None = None,
    world_model: Path | None = None,
    options: dict[str, Any] | None = None,
    clock: Clock | None = None,
    on_open: Open | None = None,
    most_steps: int | None = None,
) -> dict[str, Any]:
    """Run `task` in the browser until the person there finishes, or Ctrl-C.

    Args:
        task: registered task.
        out: folder of the data set that the page's button records into; new, or one that grows.
        config: how it runs.
        policy: one of those who can act.
        world_model: folder of a world model that dreams along: it sees the start of an episode
            and then the actions alone.
        options: of the environment, such as `backend`.
        clock: when steps are due; None is the task's rate in real time.
        on_open: told page and session once they stand.
        most_steps: ends the session by itself.

    Returns:
        `episodes` saved, and the data set's folder (`dataset`).

    Raises:
        ConfigError: policy or world model is not of this task's robot.
        CheckpointError: there is no world model.
    """
    kind = TASKS.get(task)
    model = None if world_model is None else load_dream_model(world_model)
    drawn = () if model is None else tuple(model.cameras)
    looks = tuple(getattr(getattr(policy, "config", None), "cameras", ()))
    cameras = config.cameras or tuple(dict.fromkeys([*kind.cameras, *looks, *drawn]))
    given: dict[str, Any] = {"max_episode_length": max(1, round(config.seconds * kind.fps))}
    if model is not None:
        given["image_size"] = (model.autoencoder.settings.image_size,) * 2
    _check_robot(policy, kind.robot, task)
    env = recording_env(
        task, 1, RolloutConfig(1, cameras=cameras), policy=policy, options=given | (options or {})
    )
    try:
        check_fits(out, env.task.robot, env.drive.name)
        dream = None if model is None else Dream(model, env)
        hand = hand_of(env)
        cast = Cast(env, hand, policy, config.temperature)
        cast.acts = config.driver or cast.acts
        steering = Steering(None if hand is None else hand.commands)
        scene, push, dials = scene_xml(env.task.scene()), Push(env), dials_of(env)
        recorder = LiveRecorder(env, out, scene)
        recorder.keeper.recover()
        session = LiveSession(
            env, cast, steering, recorder, config.first_seed, push=push, dials=dials, dream=dream,
            clock=clock,
        )  # fmt: skip
        cast.begin(config.first_seed)  # before the page opens: names are checked
        offer = Offer(
            drivers=cast.names, driver=cast.acts, seed=config.first_seed, keys=steering.keys,
            legend=steering.legend, bodies=push.bodies,
            dials={name: (dial.low, dial.high) for name, dial in dials.items()},
            drones=hand.drones if isinstance(hand, DroneHand) and len(hand.drones) > 2 else (),
            plots=session.plots, has_policy=policy is not None, has_dream=dream is not None,
             record_to=str(out),
        )  # fmt: skip
        with TemporaryDirectory() as folder:
            path = Path(folder) / "scene.xml"
            write_text(path, scene)
            page = LivePage(
                path, offer, steering, port=config.port, host=config.host, theme=config.theme
            )
            try:
                announce(f"live {task}", page.server, config.host, config.port)
                if on_open is not None:
                    on_open(page, session)
                with contextlib.suppress(KeyboardInterrupt):  # as good as `finish`
                    session.run(page, most_steps)
            finally:
                page.close()
        return {"episodes": recorder.saved, "dataset": str(out)}
    finally:
        env.close()


def _check_robot(policy: Policy | None, robot: str, task: str) -> None:
    mine = getattr(getattr(policy, "config", None), "robot", None)
    if mine is not None and _flies(mine) != _flies(robot):
        raise ConfigError(f"this policy drives robot {mine!r}; task {task!r} has {robot!r}")


def _flies(robot: str) -> bool:
    return ROBOTS.get(robot)().rotorcraft is not None
