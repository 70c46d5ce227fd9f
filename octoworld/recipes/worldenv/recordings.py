"""Stages that record: still scenes, demonstrations, exploration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from octoworld.core.errors import DatasetError
from octoworld.core.io import write_text
from octoworld.data.episode import Episode
from octoworld.data.reader import Dataset
from sim.backends.mjcf import scene_xml
from tasks.env import task_env
from vla.policy import Policy

from ..play import PlayActor
from ..recording import write_dataset
from ..rollouts import RolloutConfig, collect
from ..scenes import still_scenes
from ..stages import Run
from .config import WorldEnvConfig, split_manifest, split_seeds

SCENES_AT_ONCE = 100
MOTION_AT_ONCE = 250
ROBOT = "panda"
"""Robot of every task of the job."""


def record_scenes(run: Run) -> dict[str, Any]:
    """Still pictures of every task's scene, and the run's manifest and scene file."""
    config: WorldEnvConfig = run.config
    split_manifest(config).save(run.path("splits.json"))
    env = task_env(config.tasks[0])
    write_text(run.path("scene.xml"), scene_xml(env.task.scene()))
    env.close()

    def episodes() -> Iterable[Episode]:
        for task in config.tasks:
            seeds = split_seeds(config, "grounding", task, config.data.scenes_per_task)
            for first in range(0, len(seeds), SCENES_AT_ONCE):
                yield from still_scenes(task, seeds[first : first + SCENES_AT_ONCE], config.cameras)

    # stills of different scenes have nothing in common from frame to frame: PNG, not video
    return {"scenes": write(run, "grounding", episodes(), video=False)["episodes"]}


def record_demonstrations(run: Run) -> dict[str, Any]:
    """A few expert episodes of every task."""
    config: WorldEnvConfig = run.config
    rollouts = RolloutConfig(config.data.num_envs, config.data.hold_steps, cameras=config.cameras)

    def episodes() -> Iterable[Episode]:
        for task in config.tasks:
            count = config.data.demonstrations_per_task
            seeds = split_seeds(config, "demonstrations", task, 4 * count)
            good = [
                e for e in collect(task, seeds, rollouts, policy=None, source="expert") if e.success
            ]
            if len(good) < count:
                raise DatasetError(
                    f"{task}: the expert succeeded in {len(good)} of {len(seeds)} starts, "
                    f"{count} demonstrations are wanted; look at its failures"
                )
            # a demonstration that fails is no demonstration; the expert fails in few of a hundred
            yield from good[:count]

    return write(run, "demonstrations", episodes())


def record_exploration(run: Run, policy: Policy) -> dict[str, Any]:
    """The fine-tuned policy with its noise, in true physics; successes and failures alike."""
    config: WorldEnvConfig = run.config
    temperatures = config.data.exploration_temperatures

    def episodes() -> Iterable[Episode]:
        for task in config.tasks:
            seeds = split_seeds(config, "exploration", task, config.data.exploration_per_task)
            for index, temperature in enumerate(temperatures):
                rollouts = RolloutConfig(
                    config.data.num_envs, config.data.hold_steps, temperature, config.cameras
                )
                share = seeds[index :: len(temperatures)]
                if share:
                    yield from collect(task, share, rollouts, policy=policy, source="exploration")

    return write(run, "exploration", episodes())


def record_play(run: Run) -> dict[str, Any]:
    """Aimless handling of things, for the world model and the reflector; no policy imitates it."""
    data = run.config.data
    return _played(run, "play", data.play_per_task, data.num_envs, run.config.cameras)


def record_motion(run: Run) -> dict[str, Any]:
    """More of such handling without pictures, for the world model's state model."""
    count = run.config.data.motion_per_task
    return _played(run, "motion", count, MOTION_AT_ONCE, ()) if count else {"episodes": 0}


def _played(
    run: Run, name: str, count: int, num_envs: int, cameras: tuple[str, ...]
) -> dict[str, Any]:
    # to the clock, whatever happens: what is done can be undone
    rollouts = RolloutConfig(num_envs, 10**6, cameras=cameras)

    def episodes() -> Iterable[Episode]:
        for task in run.config.tasks:
            seeds = split_seeds(run.config, name, task, count)
            yield from collect(
                task, seeds, rollouts, policy=None, source="play", make_actor=PlayActor
            )

    return write(run, name, episodes())


def true_episodes(run: Run) -> int:
    """Episodes of true physics that the job has spent."""
    return sum(run.record(stage)["episodes"] for stage in ("exploration", "play", "motion"))


def write(run: Run, name: str, episodes: Iterable[Episode], video: bool = True) -> dict[str, Any]:
    """Write `episodes/<name>`; returns counts and the success rate by task."""
    return write_dataset(run.path("episodes", name), episodes, video=video)


def load(run: Run, name: str) -> list[Episode]:
    """All episodes of `episodes/<name>`, images decoded."""
    return Dataset(run.path("episodes", name), expect_robot=ROBOT).load_all()
