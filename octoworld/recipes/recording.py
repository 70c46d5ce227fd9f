"""Episodes to data sets on disk, with counts and success rates."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from octoworld.core.errors import DatasetError
from octoworld.data.episode import Episode
from octoworld.data.reader import Dataset
from octoworld.data.writer import DatasetWriter


def write_dataset(
    folder: Path,
    episodes: Iterable[Episode],
    *,
    video: bool = True,
    append: bool = False,
    commit_each: bool = False,
) -> dict[str, Any]:
    """Write `episodes` to `folder`; returns counts and the success rate by task of all in it.

    A folder that is there already is complete, since data sets appear whole: it is kept as it is,
    or with `append` grows. With `commit_each` every episode is safe on disk before the next one is
    asked for, in files of its own; otherwise all of them appear at the end. Of no episodes at all
    nothing is written.
    """
    if append or not folder.exists():
        writer: DatasetWriter | None = None
        for episode in episodes:
            if writer is None:
                writer = _open(folder, episode, video)
            writer.add(episode)
            if commit_each:
                writer.commit()
        if writer is not None:
            writer.close()
    facts: dict[str, Any] = {"episodes": 0, "steps": 0}
    hits: dict[str, list[bool]] = {}
    for meta in Dataset(folder).episodes if folder.exists() else []:
        facts["episodes"] += 1
        facts["steps"] += meta.length
        hits.setdefault(meta.info["task"], []).append(meta.info.get("first_success", -1) >= 0)
    return facts | {f"success/{task}": sum(h) / len(h) for task, h in hits.items()}


def check_fits(folder: Path, robot: str, control_mode: str) -> None:
    """Whether episodes of `robot` under `control_mode` can be appended to `folder`, if it is there.

    Raises:
        DatasetError: the folder is no data set, or one of another robot or control mode.
    """
    if not folder.exists():
        return
    recorded = Dataset(folder, expect_robot=robot).extra_meta.get("control_mode", control_mode)
    if recorded != control_mode:
        raise DatasetError(
            f"{folder} was recorded with control mode {recorded!r}, expected {control_mode!r}"
        )


def next_seed(folder: Path, task: str, first: int) -> int:
    """The start seed after the last one of `task` in the data set at `folder`; `first` if none."""
    metas = Dataset(folder).episodes if folder.exists() else []
    used = [m.info["seed"] for m in metas if m.info.get("task") == task and "seed" in m.info]
    return max(used) + 1 if used else first


def _open(folder: Path, episode: Episode, video: bool) -> DatasetWriter:
    if folder.exists():
        return DatasetWriter.append(folder)
    return DatasetWriter(
        folder,
        episode.fps,
        str(episode.info["robot"]),
        extra_meta={"control_mode": episode.info["control_mode"]},
        video=video,
    )
