"""check: every way a dataset folder can be damaged, found and named."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from octoworld.core.errors import DatasetError

from . import layout
from .check_video import check_videos
from .problem import Problem
from .reader import Dataset, read_episode_stats
from .stats import STATISTICS, Stats, aggregate, column_stats

__all__ = ["Problem", "check"]


def check(folder: Path | str) -> list[Problem]:
    """Problems of a dataset, none when it is sound. Reads every file once.

    Damage of the metadata that keeps the rest from being found is reported alone.
    """
    try:
        dataset = Dataset(folder)
        rows = dataset.episode_rows()
        problems = [*_check_features(dataset), *_check_episodes(dataset, rows)]
        problems += _check_files(dataset)
        if problems:
            return [*problems, *check_videos(dataset)]
        tables = [*_check_tables(dataset, rows)]
        problems += tables
        if not tables:
            problems += _check_stats(dataset, rows)
    except DatasetError as error:
        what, _, mend = str(error).rpartition("; ")
        return [Problem(str(folder), what or mend, mend if what else "restore it")]
    return [*problems, *check_videos(dataset)]


def _check_features(dataset: Dataset) -> Iterator[Problem]:
    where = "meta/info.json"
    for key, feature in layout.AUTOMATIC.items():
        found = dataset.features.get(key, {}).get("dtype")
        if found != feature["dtype"]:
            yield Problem(
                where, f"feature {key!r} is {found}, not {feature['dtype']}", "restore it"
            )
    if dataset.info.get("total_tasks") != len(dataset.tasks):
        yield Problem(
            where,
            f"total_tasks is {dataset.info.get('total_tasks')}, tasks.parquet has "
            f"{len(dataset.tasks)}",
            f"set it to {len(dataset.tasks)}, or restore meta/tasks.parquet",
        )
    for key in dataset.features.keys() - dataset.stats.keys():
        yield Problem("meta/stats.json", f"feature {key!r} is missing", "compute it again")


def _check_episodes(dataset: Dataset, rows: list[dict[str, Any]]) -> Iterator[Problem]:
    where, mend = "meta/episodes", "restore meta/episodes or collect the dataset again"
    total, clocks = 0, dict[tuple[str, str], float]()
    for i, (row, episode) in enumerate(zip(rows, dataset.episodes, strict=True)):
        name = f"{where}, episode {i}"
        if row["episode_index"] != i:
            yield Problem(name, f"episode_index is {row['episode_index']}", mend)
        span = (row["dataset_from_index"], row["dataset_to_index"])
        if span != (total, total + row["length"]):
            yield Problem(
                name,
                f"holds frames {span[0]}..{span[1]} with length {row['length']}, expected to "
                f"begin at {total}",
                mend,
            )
        total += row["length"]
        for text in row["tasks"]:
            if text not in dataset.tasks:
                yield Problem(name, f"task {text!r} is not in meta/tasks.parquet", mend)
        for key, (path, start) in episode.videos.items():
            end = row[f"videos/{key}/to_timestamp"]
            expected = clocks.get((key, path), 0.0)
            length = row["length"] / dataset.fps
            if not (
                math.isclose(start, expected, abs_tol=1e-4)
                and math.isclose(end - start, length, abs_tol=1e-4)
            ):
                yield Problem(
                    name,
                    f"{key} spans {start:.4f}..{end:.4f} s of {path}, expected {expected:.4f}.."
                    f"{expected + length:.4f} s",
                    "set its from_timestamp and to_timestamp again, from the episodes' lengths",
                )
            clocks[key, path] = expected + length
    if total != dataset.num_frames:
        yield Problem(
            "meta/info.json",
            f"total_frames is {dataset.num_frames}, the episodes have {total}",
            f"set it to {total}, if the tables agree",
        )


def _check_files(dataset: Dataset) -> Iterator[Problem]:
    known = {e.data_file for e in dataset.episodes}
    known |= {path for e in dataset.episodes for path, _ in e.videos.values()}
    for path in sorted(known):
        if not (dataset.folder / path).is_file():
            yield Problem(path, "the file is missing", "restore it or collect the dataset again")
    for pattern in ("data/*/*", "videos/*/*/*"):
        for path in sorted(dataset.folder.glob(pattern)):
            name = str(path.relative_to(dataset.folder))
            if path.is_file() and name not in known:
                yield Problem(name, "no episode lies in this file", "remove it")


def _check_tables(dataset: Dataset, rows: list[dict[str, Any]]) -> Iterator[Problem]:
    schema = layout.data_schema(dataset.features)
    task_of = {text: i for i, text in enumerate(dataset.tasks)}
    for path in dict.fromkeys(e.data_file for e in dataset.episodes):
        try:
            table = dataset.table(path)
        except DatasetError as error:
            yield Problem(path, str(error), "restore it or collect the dataset again")
            continue
        wrong = [*_check_schema(path, table.schema, schema)]
        yield from wrong
        here = [e for e in dataset.episodes if e.data_file == path]
        first, count = here[0].first_frame, sum(e.length for e in here)
        if len(table) != count:
            yield Problem(
                path,
                f"has {len(table)} rows, its episodes have {count}",
                "restore it or meta/episodes",
            )
        if wrong or len(table) < count:
            continue
        for episode in here:
            part = table.slice(episode.first_frame - first, episode.length)
            tasks = {task_of[t] for t in rows[episode.index]["tasks"]}
            for what, mend in _check_rows(dataset, part, episode.index, episode.first_frame, tasks):
                yield Problem(f"{path}, episode {episode.index}", what, mend)


def _check_schema(path: str, found: pa.Schema, expected: pa.Schema) -> Iterator[Problem]:
    for name in expected.names:
        if name not in found.names:
            yield Problem(path, f"column {name!r} is missing", "restore the file")
            continue
        kind, wanted = found.field(name).type, expected.field(name).type
        # other writers store vectors as lists of any size
        if kind != wanted and not (pa.types.is_list(kind) and pa.types.is_fixed_size_list(wanted)):
            yield Problem(path, f"column {name!r} is {kind}, expected {wanted}", "restore the file")


def _check_rows(
    dataset: Dataset, table: pa.Table, index: int, first: int, tasks: set[int]
) -> Iterator[tuple[str, str]]:
    frame = np.arange(len(table))
    expected = {
        "episode_index": np.full(len(table), index),
        "frame_index": frame,
        "index": first + frame,
        "timestamp": frame / dataset.fps,
    }
    for name, values in expected.items():
        found = table[name].to_numpy()
        wrong = np.flatnonzero(np.abs(found - values) > (1e-4 if name == "timestamp" else 0))
        if len(wrong):
            t = wrong[0]
            yield (
                f"{name} is {found[t]:.6g} at frame {t}, expected {values[t]:.6g} "
                f"({len(wrong)} wrong)",
                f"write {name} again from the frame numbers",
            )
    found = table["task_index"].to_numpy()
    outside = np.flatnonzero((found < 0) | (found >= len(dataset.tasks)))
    if len(outside):
        t = outside[0]
        yield (
            f"task_index {found[t]} at frame {t} is not in 0..{len(dataset.tasks) - 1}",
            "set it to the index of its instruction in meta/tasks.parquet",
        )
    elif not set(found.tolist()) <= tasks:
        yield (
            f"task_index {sorted(set(found.tolist()))}, but meta/episodes says {sorted(tasks)}",
            "restore the file or meta/episodes",
        )
    for name, feature in dataset.features.items():
        if not feature["dtype"].startswith("float") or name == "timestamp":
            continue
        values = layout.to_numpy(table[name], feature)
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            yield (
                f"{name} is not finite at frame {bad[0][0]} ({len(bad)} values)",
                "leave the episode out or collect it again",
            )


def _check_stats(dataset: Dataset, rows: list[dict[str, Any]]) -> Iterator[Problem]:
    files = list(dict.fromkeys(e.data_file for e in dataset.episodes))
    # other writers' quantiles are averages over episodes, and their images are sampled differently
    names = STATISTICS if dataset.is_ours else ("min", "max", "mean", "std")
    for key, feature in dataset.features.items():
        if feature["dtype"] not in ("video", "image"):
            tables = [dataset.table(path, [key])[key] for path in files]
            values = np.concatenate([layout.to_numpy(t, feature) for t in tables])
            expected = column_stats(values)
        elif dataset.is_ours:
            expected = aggregate(read_episode_stats(dataset.folder, key))
        else:
            continue
        yield from _compare_stats("meta/stats.json", key, dataset.stats[key], expected, names)
        if feature["dtype"] in ("video", "image") or not dataset.is_ours:
            continue
        for episode, stats in zip(
            dataset.episodes, read_episode_stats(dataset.folder, key), strict=True
        ):
            part = values[episode.first_frame : episode.first_frame + episode.length]
            where = f"meta/episodes, episode {episode.index}"
            yield from _compare_stats(where, key, stats, column_stats(part), names)


def _compare_stats(
    where: str, key: str, found: Stats, expected: Stats, names: tuple[str, ...]
) -> Iterator[Problem]:
    for name in names:
        value, truth = found.get(name), expected[name]
        scale = 1e-5 + 1e-4 * np.abs(truth)
        if value is None or value.shape != truth.shape or (np.abs(value - truth) > scale).any():
            yield Problem(
                where,
                f"{name} of {key} is {_short(value)}, the data say {_short(truth)}",
                "compute the statistics again, or restore the file",
            )


def _short(value: np.ndarray | None) -> str:
    if value is None:
        return "missing"
    return np.array2string(value.ravel(), precision=4, threshold=6, max_line_width=1000)
