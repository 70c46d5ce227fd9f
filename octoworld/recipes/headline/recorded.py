"""What the headline bench records: demonstrations, pictures of starts, exploration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from octoworld.core.errors import DatasetError
from octoworld.data.episode import Episode
from octoworld.data.reader import Dataset
from vla.policy import Policy

from ..recording import write_dataset
from ..rollouts import RolloutConfig, collect
from ..scenes import start_scenes
from .config import CAMERAS, FEW, HeadlineConfig


def place_of(folder: Path, seed: int, *parts: str) -> Path:
    """Where a training seed's files are."""
    return folder.joinpath(f"seed-{seed}", *parts)


def record_demonstrations(config: HeadlineConfig, seed: int, folder: Path) -> None:
    """Expert episodes of every task, as many as any arm is shown."""
    wanted = max(FEW, *config.demonstrations)

    def episodes() -> Iterator[Episode]:
        rollouts = RolloutConfig(config.num_envs, 0, cameras=CAMERAS)
        for task in config.tasks:
            # the expert fails in few of a hundred
            seeds = config.start_seeds("demonstrations", task, seed, wanted + wanted // 5 + 5)
            found = (
                e for e in collect(task, seeds, rollouts, policy=None, source="expert") if e.success
            )
            count = 0
            for episode in found:
                yield episode
                count += 1
                if count == wanted:
                    break
            if count < wanted:
                raise DatasetError(f"{task}: the expert succeeded in {count} of {len(seeds)}")

    write_dataset(place_of(folder, seed, "demonstrations"), episodes(), video=False)


def record_starts(config: HeadlineConfig, seed: int, folder: Path) -> None:
    """Pictures of starts from which episodes are imagined, and of those that choose."""
    for purpose, count in (("starts", config.stills), ("choice", config.choice)):

        def episodes(purpose: str = purpose, count: int = count) -> Iterator[Episode]:
            for task in config.tasks:
                yield from start_scenes(
                    task, config.start_seeds(purpose, task, seed, count), CAMERAS
                )

        write_dataset(place_of(folder, seed, purpose), episodes(), video=False)


def record_exploration(config: HeadlineConfig, seed: int, folder: Path, policy: Policy) -> None:
    """Episodes of a policy with its noise in true physics, as many as the largest budget.

    They stand task after task; `explored` takes the first of each.
    """
    most = -(-max(config.budgets) // len(config.tasks))
    if not most:
        return

    def episodes() -> Iterator[Episode]:
        for task in config.tasks:
            seeds = config.start_seeds("exploration", task, seed, most)
            found: dict[int, Episode] = {}
            for index, temperature in enumerate(config.temperatures):
                share = seeds[index :: len(config.temperatures)]
                rollouts = RolloutConfig(config.num_envs, 4, temperature, CAMERAS)
                if share:
                    made = collect(task, share, rollouts, policy=policy, source="exploration")
                    found |= {int(e.info["seed"]): e for e in made}
            yield from (found[s] for s in seeds)

    write_dataset(place_of(folder, seed, "exploration"), episodes(), video=False)


def demonstrations(config: HeadlineConfig, seed: int, folder: Path, count: int) -> list[Episode]:
    """The first `count` of each task."""
    data = Dataset(place_of(folder, seed, "demonstrations"))
    each = len(data.episodes) // len(config.tasks)
    return [data.episode(t * each + i) for t in range(len(config.tasks)) for i in range(count)]


def explored(config: HeadlineConfig, seed: int, folder: Path, budget: int) -> list[Episode]:
    """The first episodes of exploration, evenly of all tasks; larger budgets hold smaller ones."""
    if not budget:
        return []
    data, tasks = Dataset(place_of(folder, seed, "exploration")), len(config.tasks)
    each = len(data.episodes) // tasks
    rows = [t * each + i for i in range(each) for t in range(tasks)][:budget]
    return [data.episode(row) for row in sorted(rows)]
