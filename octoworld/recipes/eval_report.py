"""The results of `octoworld eval`: rows by task and split with their intervals, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from octoworld.bench.intervals import Interval, bootstrap_mean, wilson
from octoworld.bench.provenance import code_version, hardware

from .eval_job import Report
from .evaluate import PROTOCOLS, Outcome, to_rows

Row = dict[str, Any]
EVERYTHING = "everything"
"""What tables call starts without a split."""


def rows(report: Report) -> list[Row]:
    """A row for each split, task and policy: shares with their 95 % intervals.

    `success` and, but for the first policy, `difference` to the first one (paired by start) by
    protocol; `stages` and `wrong_object`: shares of episodes, None where they were not looked at.
    Where a split has several tasks, `all` is all their episodes together.
    """
    first = next(iter(report.outcomes))
    found = []
    for split in dict.fromkeys(split for _, split in report.cells):
        tasks = [task for task, of in report.cells if of == split]
        for task in [*(["all"] if len(tasks) > 1 else []), *tasks]:
            base = report.of(first, task, split)
            for arm in report.outcomes:
                outcomes = report.of(arm, task, split)
                row: Row = {"split": split, "task": task, "policy": arm, "episodes": len(outcomes)}
                row["success"] = {p: _share([getattr(o, p) for o in outcomes])
                                  for p in report.protocols}  # fmt: skip
                if arm != first:
                    row["difference"] = {
                        p: _difference(outcomes, base, p) for p in report.protocols
                    }
                found.append(row | _behaviour(outcomes, report, task))
    return found


def _behaviour(outcomes: Sequence[Outcome], report: Report, task: str) -> Row:
    """Stages reached, in the order of the work, and how often the wrong thing was handled."""
    looked_at = any(report.stages.values())
    wrong = _share([o.wrong_object for o in outcomes]) if looked_at else None
    if task == "all":
        return {"stages": None, "wrong_object": wrong}
    reached = {s: _share([s in o.stages for o in outcomes]) for s in report.stages[task]}
    return {"stages": reached or None, "wrong_object": wrong}


def _share(hits: Sequence[bool]) -> dict[str, float]:
    return _plain(wilson(sum(map(bool, hits)), len(hits)))


def _difference(ours: Sequence[Outcome], base: Sequence[Outcome], protocol: str) -> Row:
    pairs = [(getattr(a, protocol), getattr(b, protocol)) for a, b in zip(ours, base, strict=True)]
    return _plain(bootstrap_mean(np.array([float(a) - float(b) for a, b in pairs])))


def _plain(interval: Interval) -> dict[str, float]:
    return {"share": interval.estimate, "low": interval.low, "high": interval.high}


def markdown(report: Report, table: Sequence[Row]) -> str:
    """Tables of success and stages, of paired differences, and of what is not offered."""
    parts = [_success(report, table)]
    if any("difference" in row for row in table):
        parts.append(_differences(report, table))
    if report.refused:
        lines = ["| not offered: task | split | reason |", "|---|---|---|"]
        lines += [f"| {r.task} | {_split(r.split)} | {r.reason} |" for r in report.refused]
        parts.append("\n".join(lines))
    if report.films:
        lines = ["| film of a failure | instruction | stages reached |", "|---|---|---|"]
        lines += [
            f"| {f['file']} | {f['instruction']} | {', '.join(f['stages']) or 'none'} |"
            for f in report.films
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _success(report: Report, table: Sequence[Row]) -> str:
    heads = [f"success, {PROTOCOLS[p]} [95 % CI]" for p in report.protocols]
    lines = _head(
        ["split", "task", "policy", *heads, "stages reached [%]", "wrong object", "episodes"]
    )
    for row in table:
        stages = row["stages"] or {}
        cells = [_split(row["split"]), row["task"], row["policy"]]
        cells += [_percent(row["success"][p]) for p in report.protocols]
        cells.append(", ".join(f"{n} {100 * s['share']:.0f}" for n, s in stages.items()))
        cells.append("" if row["wrong_object"] is None else _percent(row["wrong_object"]))
        lines.append(_line([*cells, str(row["episodes"])]))
    return "\n".join(lines)


def _differences(report: Report, table: Sequence[Row]) -> str:
    first = next(iter(report.outcomes))
    heads = [f"{PROTOCOLS[p]} [95 % CI]" for p in report.protocols]
    lines = _head(["split", "task", "paired difference", *heads])
    for row in table:
        if "difference" in row:
            cells = [_split(row["split"]), row["task"], f"{row['policy']} - {first}"]
            cells += [_points(row["difference"][p]) for p in report.protocols]
            lines.append(_line(cells))
    return "\n".join(lines)


def _head(names: Sequence[str]) -> list[str]:
    return [_line(names), "|" + "---|" * len(names)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _split(name: str) -> str:
    return name or EVERYTHING


def _percent(share: dict[str, float]) -> str:
    value, low, high = (100 * share[k] for k in ("share", "low", "high"))
    return f"{value:.1f} % [{low:.1f}, {high:.1f}]"


def _points(share: dict[str, float]) -> str:
    value, low, high = (100 * share[k] for k in ("share", "low", "high"))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def to_json(report: Report, table: Sequence[Row], policies: dict[str, str]) -> dict[str, Any]:
    """All that was seen, as plain values; `policies` says where each was read."""
    return {
        "policies": policies,
        **report.to_json(),
        "code": code_version(),
        "hardware": hardware(),
        "rows": list(table),
        "outcomes": {arm: to_rows(found) for arm, found in report.outcomes.items()},
    }
