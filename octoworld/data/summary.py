"""What is in a dataset, in numbers: tasks, success, lengths, and how actions are spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layout import IMAGE_PREFIX
from .reader import Dataset, EpisodeMeta
from .stats import column_stats

SUCCESS = "next.success"
SPREAD = ("action", "observation.state")
"""Columns whose elements are told one by one."""
SHOWN = ("min", "q01", "q10", "q50", "q90", "q99", "max", "mean", "std")
"""Statistics of an element, in the order of the table."""
MOST_SENTENCES = 20
"""Printed; the JSON has all."""


def load_columns(dataset: Dataset) -> dict[str, list[NDArray]]:
    """Column of `SPREAD` or `SUCCESS` -> its values in each episode, as far as they are there."""
    names = [name for name in (*SPREAD, SUCCESS) if name in dataset.features]
    if not names or not len(dataset):
        return {}
    episodes = dataset.load_all(names, cameras=[])
    return {name: [episode[name] for episode in episodes] for name in names}


def summary(dataset: Dataset, columns: dict[str, list[NDArray]]) -> dict[str, Any]:
    """Facts of a dataset, JSON-able.

    `tasks` goes by the task that episodes name, else by what was said; `success` is the share of
    episodes that came to success at some step, None where it was not recorded. `columns` are the
    values of `load_columns`; quantiles of their elements are exact.
    """
    succeeded = [bool(np.any(values)) for values in columns.get(SUCCESS, [])]
    lengths = [episode.length for episode in dataset.episodes]
    groups: dict[str, list[EpisodeMeta]] = {}
    for episode in dataset.episodes:
        groups.setdefault(task_of(episode), []).append(episode)
    return {
        "folder": str(dataset.folder),
        "robot": dataset.robot,
        "control_mode": dataset.extra_meta.get("control_mode"),
        "fps": dataset.fps,
        "cameras": {
            name: dataset.features[IMAGE_PREFIX + name]["shape"] for name in dataset.cameras
        },
        "episodes": len(dataset),
        "steps": dataset.num_frames,
        "seconds": dataset.num_frames / dataset.fps,
        "success": _mean(succeeded),
        "lengths": _lengths(lengths),
        "splits": _counts([str(e.info.get("split", "")) for e in dataset.episodes]),
        "instructions": _counts([e.instruction for e in dataset.episodes]),
        "tasks": {
            task: {
                "episodes": len(group),
                "steps": sum(e.length for e in group),
                "success": _mean([succeeded[e.index] for e in group] if succeeded else []),
                "lengths": _lengths([e.length for e in group]),
                "instructions": len({e.instruction for e in group}),
            }
            for task, group in groups.items()
        },
        "columns": {
            name: elements(name, np.concatenate(values), dataset)
            for name, values in columns.items()
            if name in SPREAD
        },
    }


def task_of(episode: EpisodeMeta) -> str:
    """The registered task of an episode of ours, else what the robot was told."""
    return str(episode.info.get("task") or episode.instruction)


def elements(name: str, values: NDArray, dataset: Dataset) -> dict[str, Any]:
    """Names of the elements of a column (T, D), and for each statistic their D values."""
    found = column_stats(values)
    count = found["mean"].size
    return {
        "names": dataset.names.get(name) or [str(i) for i in range(count)],
        **{statistic: found[statistic].tolist() for statistic in SHOWN},
    }


def table(facts: dict[str, Any]) -> str:
    """The facts as lines of text for a terminal."""
    cameras = [f"{name} {h}x{w}" for name, (h, w, *_) in facts["cameras"].items()]
    control = f", {facts['control_mode']}" if facts["control_mode"] else ""
    lines = [
        f"{facts['folder']}: robot {facts['robot']}{control}, {facts['episodes']} episodes, "
        f"{facts['steps']} steps at {facts['fps']} Hz ({facts['seconds']:.0f} s), "
        f"cameras {', '.join(cameras) or 'none'}"
    ]
    splits = {name: count for name, count in facts["splits"].items() if name}
    if splits:
        lines.append("splits: " + ", ".join(f"{name} {n}" for name, n in splits.items()))
    rows: list[tuple[str, ...]] = [
        ("task", "episodes", "steps", "success", "shortest", "median", "longest", "sentences")
    ]
    for task, found in [*facts["tasks"].items(), ("all", facts)]:
        length, sentences = found["lengths"], found["instructions"]
        share = found["success"]
        rows.append(
            (
                task, str(found["episodes"]), str(found["steps"]),
                "-" if share is None else f"{100 * share:.1f} %",
                *(f"{length[k]:g}" for k in ("min", "median", "max")),
                str(sentences if isinstance(sentences, int) else len(sentences)),
            )
        )  # fmt: skip
    lines += ["", *_aligned(rows)]
    lines += ["", *_said(facts["instructions"])]
    for name, column in facts["columns"].items():
        rows = [(name, *SHOWN)]
        for i, element in enumerate(column["names"]):
            rows.append((element, *(f"{column[statistic][i]:.4g}" for statistic in SHOWN)))
        lines += ["", *_aligned(rows)]
    return "\n".join(lines)


def _said(instructions: dict[str, int]) -> list[str]:
    """How often each sentence was said; the commonest, where there are many."""
    ranked = sorted(instructions.items(), key=lambda item: -item[1])
    lines = [f"{count:6d} x {sentence!r}" for sentence, count in ranked[:MOST_SENTENCES]]
    left = ranked[MOST_SENTENCES:]
    return [*lines, f"{sum(n for _, n in left):6d} x {len(left)} others"] if left else lines


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _counts(names: Sequence[str]) -> dict[str, int]:
    return {name: names.count(name) for name in dict.fromkeys(names)}


def _mean(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _lengths(lengths: Sequence[int]) -> dict[str, float]:
    if not lengths:
        return dict.fromkeys(("min", "median", "mean", "max"), 0.0)
    return {
        "min": min(lengths), "median": float(np.median(lengths)),
        "mean": float(np.mean(lengths)), "max": max(lengths),
    }  # fmt: skip
