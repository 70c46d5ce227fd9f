"""Play a policy: episodes as a data set that the viewer opens, and a film of each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from octoworld.core.errors import ConfigError
from octoworld.core.io import write_text
from octoworld.core.registry import TASKS
from octoworld.data.episode import Episode
from octoworld.data.video import write_mp4
from sim.backends.mjcf import scene_xml
from vla.policy import Policy

from ..recording import write_dataset
from ..rollouts import RolloutConfig, collect

SHOWN = 10**6
"""`hold_steps`: films go on to the clock."""


def play(
    policy: Policy,
    folder: Path,
    *,
    task: str | None = None,
    episodes: int = 4,
    first_seed: int = 5_000_000,
    cameras: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Record episodes of `policy` into FOLDER/episodes/play-K and FOLDER/videos.

    Args:
        policy: what acts.
        folder: a run folder, or a new one.
        task: registered task; None is the one a controller was trained in.
        episodes: how many, from seeds first_seed, first_seed + 1, ...
        first_seed: of the first start state.
        cameras: recorded; none named means all of the task's. Films show the first.

    Returns:
        Number of episodes and of steps, success rate, and where data set and films are.

    Raises:
        ConfigError: no task is known, or no episode is asked for.
    """
    task = task or getattr(getattr(policy, "config", None), "task", "")
    if not task:
        raise ConfigError("play: this policy names no task; say which with --task")
    if episodes < 1:
        raise ConfigError(f"episodes: expected at least 1, got {episodes}")
    kind = TASKS.get(task)
    cameras = cameras or tuple(kind.cameras)
    if not cameras:
        raise ConfigError(f"play: task {task!r} has no camera to film with")
    config = RolloutConfig(min(episodes, 16), SHOWN, cameras=cameras)
    seeds = range(first_seed, first_seed + episodes)
    name = _next_name(folder)
    films: list[str] = []
    hits: list[bool] = []

    def filmed() -> Iterable[Episode]:
        for episode in collect(task, seeds, config, policy=policy, source="play"):
            film = folder / "videos" / f"{name}-{episode.info['seed']}.mp4"
            write_mp4(film, episode[f"observation.images.{cameras[0]}"], episode.fps)
            films.append(str(film))
            hits.append(bool(episode["next.success"][-1]))
            yield episode

    facts = write_dataset(folder / "episodes" / name, filmed())
    write_text(folder / "episodes" / name / "scene.xml", scene_xml(kind(1).scene()))
    return {
        "task": task, "episodes": facts["episodes"], "steps": facts["steps"],
        "success_at_end": sum(hits) / len(hits), "dataset": str(folder / "episodes" / name),
        "films": films,
    }  # fmt: skip


def _next_name(folder: Path) -> str:
    """play-0, play-1, ...: the first that is free."""
    found = [re.fullmatch(r"play-(\d+)", p.name) for p in (folder / "episodes").glob("play-*")]
    return f"play-{1 + max((int(m[1]) for m in found if m), default=-1)}"
