"""Play: episodes of a policy or an expert, as a data set for the viewer, films and flight logs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from octoworld.core.errors import ConfigError
from octoworld.core.io import write_text
from octoworld.core.registry import ROBOTS, TASKS
from octoworld.data.episode import Episode
from sim.backends.mjcf import scene_xml
from vla.policy import Policy

from ..recording import write_dataset
from ..rollouts import RolloutConfig, collect
from .recorder import Recorder

SHOWN = 10**6
"""`hold_steps`: films go on to the clock."""


def play(
    policy: Policy | None,
    folder: Path,
    *,
    task: str | None = None,
    episodes: int = 4,
    first_seed: int = 5_000_000,
    cameras: tuple[str, ...] = (),
    film_size: tuple[int, int] = (360, 480),
    logs: bool = True,
) -> dict[str, Any]:
    """Record episodes into FOLDER/episodes/play-K, FOLDER/videos and FOLDER/flights.

    Args:
        policy: what acts; None is the task's scripted expert.
        folder: a run folder, or a new one.
        task: registered task; None is the one a controller was trained in.
        episodes: how many, from seeds first_seed, first_seed + 1, ...
        first_seed: of the first start state.
        cameras: recorded; none named means all of the task's. Films show the first.
        film_size: (H, W) of films [px].
        logs: whether to log flights too, with a figure of each.

    Returns:
        Number of episodes and of steps, success rate, where the data set is (`dataset`), and the
        files of each episode (`files`, a list of dicts; see `Recorder.write`).

    Raises:
        ConfigError: no task is known, it is another robot's, or no episode is asked for.
    """
    task = task or getattr(getattr(policy, "config", None), "task", "")
    if not task:
        raise ConfigError("play: this policy names no task; say which with --task")
    if episodes < 1:
        raise ConfigError(f"episodes: expected at least 1, got {episodes}")
    if min(film_size) < 16:
        raise ConfigError(f"film_size {film_size} (H, W): expected at least 16, 16")
    kind = TASKS.get(task)
    robot = getattr(getattr(policy, "config", None), "robot", None)
    if robot is not None and flies(robot) != flies(kind.robot):
        raise ConfigError(f"this policy drives robot {robot!r}; task {task!r} has {kind.robot!r}")
    cameras = cameras or tuple(kind.cameras)
    if not cameras:
        raise ConfigError(f"play: task {task!r} has no camera to film with")
    config = RolloutConfig(min(episodes, 16), SHOWN, cameras=cameras)
    seeds = range(first_seed, first_seed + episodes)
    name = next_name(folder)
    files: list[dict[str, str]] = []
    hits: list[bool] = []
    recorder = Recorder(cameras[0], film_size, logs=logs)
    source = "expert" if policy is None else "play"

    def filmed() -> Iterable[Episode]:
        rolled = collect(task, seeds, config, policy=policy, source=source, look=recorder)
        for k, episode in enumerate(rolled):
            name_of_episode = f"{name}-{episode.info['seed']}"
            files.append(recorder.write(k % config.num_envs, folder, name_of_episode))
            hits.append(bool(episode["next.success"][-1]))
            yield episode

    facts = write_dataset(folder / "episodes" / name, filmed())
    write_text(folder / "episodes" / name / "scene.xml", scene_xml(recorder.scene))
    return {
        "task": task, "episodes": facts["episodes"], "steps": facts["steps"],
        "success_at_end": sum(hits) / len(hits), "dataset": str(folder / "episodes" / name),
        "files": files,
    }  # fmt: skip


def flies(robot: str) -> bool:
    """Whether a registered robot is a rotorcraft."""
    return ROBOTS.get(robot)().rotorcraft is not None


def next_name(folder: Path, stem: str = "play") -> str:
    """<stem>-0, <stem>-1, ...: the first that no data set in FOLDER/episodes has."""
    there = (folder / "episodes").glob(f"{stem}-*")
    found = [re.fullmatch(rf"{stem}-(\d+)", p.name) for p in there]
    return f"{stem}-{1 + max((int(m[1]) for m in found if m), default=-1)}"
