"""Episodes to data sets on disk, with counts and success rates."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from octoworld.data.episode import Episode
from octoworld.data.reader import Dataset
from octoworld.data.writer import DatasetWriter


def write_dataset(
    folder: Path, episodes: Iterable[Episode], *, video: bool = True, append: bool = False
) -> dict[str, Any]:
    """Write `episodes` to `folder`; returns counts and the success rate by task of all in it.

    A folder that is there already is complete, since data sets appear whole: it is kept as it is,
    or with `append` grows.
    """
    if append or not folder.exists():
        writer: DatasetWriter | None = None
        for episode in episodes:
            if writer is None:
                writer = _open(folder, episode, video)
            writer.add(episode)
        if writer is not None:
            writer.close()
    facts: dict[str, Any] = {"episodes": 0, "steps": 0}
    hits: dict[str, list[bool]] = {}
    for meta in Dataset(folder).episodes:
        facts["episodes"] += 1
        facts["steps"] += meta.length
        hits.setdefault(meta.info["task"], []).append(meta.info.get("first_success", -1) >= 0)
    return facts | {f"success/{task}": sum(h) / len(h) for task, h in hits.items()}


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
