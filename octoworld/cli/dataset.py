"""`octoworld dataset check|stats`: is a dataset sound, and what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from .parse import plain_errors


def check(folder: Annotated[Path, tyro.conf.Positional]) -> int:
    """Look for damage in a LeRobot v3.0 dataset; exit code 1 when there is any.

    Args:
        folder: the dataset.
    """
    from octoworld.data.check import check as find_problems
    from octoworld.data.reader import Dataset

    problems = find_problems(folder)
    for problem in problems:
        print(problem)
    if problems:
        print(f"{folder}: {len(problems)} problem{'s' * (len(problems) > 1)}")
        return 1
    dataset = Dataset(folder)
    print(f"{folder}: sound ({len(dataset)} episodes, {dataset.num_frames} frames)")
    return 0


def stats(folder: Annotated[Path, tyro.conf.Positional]) -> int:
    """Print what a dataset holds, and the statistics of its columns.

    Args:
        folder: the dataset.
    """
    from octoworld.data.reader import Dataset

    dataset = Dataset(folder)
    print(
        f"{folder}: robot {dataset.robot}, {len(dataset)} episodes, {dataset.num_frames} frames at "
        f"{dataset.fps} Hz, cameras {', '.join(dataset.cameras) or 'none'}"
    )
    counts = dict.fromkeys(dataset.tasks, 0)
    for episode in dataset.episodes:
        counts[episode.instruction] = counts.get(episode.instruction, 0) + 1
    for task, count in counts.items():
        print(f"{count:6d} x {task!r}")
    names = ("min", "max", "mean", "std", "q01", "q50", "q99")
    width = max(map(len, dataset.features))
    print(f"{'feature':{width}} {'shape':>10}" + "".join(f"{n:>10}" for n in names))
    for key, values in dataset.stats.items():
        shape = "x".join(map(str, dataset.features[key]["shape"]))
        # a vector or an image is shown by the mean over its elements
        cells = [f"{float(values[n].mean()):10.4g}" if n in values else f"{'-':>10}" for n in names]
        print(f"{key:{width}} {shape:>10}" + "".join(cells))
    return 0


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    with plain_errors("octoworld dataset"):
        return tyro.extras.subcommand_cli_from_dict(
            {"check": check, "stats": stats},
            prog="octoworld dataset",
            description="Check a dataset, or show what is in it.",
            args=argv,
        )
