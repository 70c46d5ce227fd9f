"""The metadata files of a dataset that go with the episode table: info, tasks, statistics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from octoworld.core.errors import DatasetError
from octoworld.core.io import write_json

from . import layout
from .reader import read_episode_stats
from .stats import Stats, aggregate, column_stats


def write_meta(
    root: Path,
    facts: dict[str, Any],
    features: layout.Features,
    tasks: list[str],
    extras: dict[str, Any],
) -> None:
    """Write `meta/info.json`, `tasks.parquet`, `stats.json` and our `octoworld.json`.

    Args:
        root: the dataset, whose tables and episode table are finished.
        facts: robot_type, fps, totals and file sizes of `info.json`.
        features: feature table.
        tasks: instructions by index.
        extras: what goes into `octoworld.json`.
    """
    has_video = any(f["dtype"] == "video" for f in features.values())
    info = {
        "codebase_version": layout.VERSION,
        **facts,
        "total_tasks": len(tasks),
        "chunks_size": layout.CHUNK_SIZE,
        "splits": {"train": f"0:{facts['total_episodes']}"},
        "data_path": layout.DATA_PATH,
        "video_path": layout.VIDEO_PATH if has_video else None,
        "features": features,
    }
    write_json(root / "meta/info.json", info)
    pq.write_table(layout.tasks_table(tasks), root / "meta/tasks.parquet")
    write_json(root / layout.EXTRAS_PATH, json.loads(json.dumps(extras, default=plain)))
    stats = {k: _feature_stats(root, k, f) for k, f in features.items()}
    write_json(
        root / "meta/stats.json",
        {k: {name: v.tolist() for name, v in s.items()} for k, s in stats.items()},
    )


def _feature_stats(root: Path, key: str, feature: dict[str, Any]) -> Stats:
    """Of the whole dataset: exact for columns; for images, aggregated over episodes."""
    if feature["dtype"] in ("video", "image"):
        return aggregate(read_episode_stats(root, key))
    files = sorted((root / "data").rglob("*.parquet"))
    parts = [layout.to_numpy(pq.read_table(f, columns=[key])[key], feature) for f in files]
    return column_stats(np.concatenate(parts))


def plain(value: Any) -> Any:
    """What json cannot write by itself."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise DatasetError(
        f"facts of a dataset must be JSON-able, got {value!r} ({type(value).__name__})"
    )
