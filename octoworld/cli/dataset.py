"""`octoworld dataset check|stats|recover`: is it sound, what is in it, what a kill has left."""

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


def stats(
    folder: Annotated[Path, tyro.conf.Positional],
    out: Path | None = None,
    episodes: int = 12,
    pictures: bool = True,
) -> int:
    """Print what a dataset holds: tasks, success, lengths, and how its actions are spread.

    Writes stats.json, and as pictures a contact sheet and histograms of actions and proprioception.

    Args:
        folder: the dataset.
        out: folder for stats.json and the pictures; default: NAME-stats beside the dataset.
        episodes: how many episodes the contact sheet shows.
        pictures: draw them.
    """
    from octoworld.core.errors import ConfigError
    from octoworld.core.io import write_json
    from octoworld.data.reader import Dataset
    from octoworld.data.summary import load_columns, summary, table

    if episodes < 1:
        raise ConfigError(f"episodes {episodes}: expected 1 or more")
    dataset = Dataset(folder)
    columns = load_columns(dataset)
    facts = summary(dataset, columns)
    print(table(facts))
    place = out or folder.resolve().parent / f"{folder.resolve().name}-stats"
    if place.resolve() == folder.resolve():
        raise ConfigError(f"--out {place} is the dataset itself; name another folder")
    write_json(place / "stats.json", facts)
    written = [place / "stats.json"]
    if pictures:
        from octoworld.data.pictures import write_pictures

        written += write_pictures(dataset, columns, place, episodes)
    print()
    for path in written:
        print(path)
    return 0


def recover(folder: Annotated[Path, tyro.conf.Positional]) -> int:
    """Bring in recordings that a killed `play` or `collect --teleop` has left unfinished.

    They lie beside a dataset, in NAME.unfinished, and join it by themselves when it is recorded
    into again.

    Args:
        folder: the dataset, which may not be there yet, or a run with datasets.
    """
    from octoworld.recipes.unfinished import RECOVERED, recover_all

    lines = recover_all(folder)
    print("\n".join(lines or [f"{folder}: nothing is unfinished"]))
    return int(any(not line.startswith(RECOVERED) for line in lines))


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    with plain_errors("octoworld dataset"):
        return tyro.extras.subcommand_cli_from_dict(
            {"check": check, "stats": stats, "recover": recover},
            prog="octoworld dataset",
            description="Check a dataset, show what is in it, or bring in what a kill has left.",
            args=argv,
        )
