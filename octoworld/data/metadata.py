"""The metadata files of a dataset that go with the episode table: info, tasks, statistics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

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
    stats = _dataset_stats(root, features)
    write_json(
        root / "meta/stats.json",
        {k: {name: v.tolist() for name, v in s.items()} for k, s in stats.items()},
    )


def _dataset_stats(root: Path, features: layout.Features) -> dict[str, Stats]:
    """Of the whole dataset: exact for columns; for images, aggregated over episodes."""
    images = [k for k, f in features.items() if f["dtype"] in ("video", "image")]
    parts: dict[str, list[NDArray]] = {k: [] for k in features if k not in images}
    for file in sorted((root / "data").rglob("*.parquet")):
        table = pq.read_table(file, columns=list(parts))  # each of maybe many files once
        for key, arrays in parts.items():
            arrays.append(layout.to_numpy(table[key], features[key]))
    return {
        key: aggregate(read_episode_stats(root, key))
        if key in images
        else column_stats(np.concatenate(parts.pop(key)))
        for key in features
    }


def plain(value: Any) -> Any:
    """What json cannot write by itself."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise DatasetError(
        f"facts of a dataset must be JSON-able, got {value!r} ({type(value).__name__})"
    )
