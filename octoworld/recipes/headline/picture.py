"""Success over the budget of true episodes: what each way of spending them buys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from octoworld.bench import bootstrap_mean

KINDS = {
    "imagined": "#1f77b4", "physics": "#1b9e77", "filtered": "#d95f02",
}  # fmt: skip
"""Arms that have a budget, by the beginning of their names."""


GAP = 4.0
"""Least distance of two lines' names [%]."""


def draw_budgets(found: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Curves of the arms with a budget, lines for those with demonstrations alone; 95 % bars."""
    if not found:
        return
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7, 4.2))
    budgets: list[str] = []
    for arm in found:
        kind, _, budget = arm.partition(", ")
        if kind in KINDS and budget.isdigit() and budget not in budgets:
            budgets.append(budget)
    budgets.sort(key=int)
    for shift, (kind, color) in enumerate(KINDS.items()):
        own = [b for b in budgets if f"{kind}, {b}" in found]
        if not own:
            continue
        low, middle, high = np.array([_percent(found[f"{kind}, {b}"]) for b in own]).T
        places = [budgets.index(b) + 0.06 * (shift - 1) for b in own]
        axis.errorbar(
            places, middle, (middle - low, high - middle), color=color, label=kind, marker="o",
            markersize=4, linewidth=1.4, capsize=2,
        )  # fmt: skip
    lines = {
        arm: _percent(rows)[1]
        for arm, rows in found.items()
        if arm.startswith("sft") or arm.endswith("demonstrations")
    }
    label = -GAP
    for arm, middle in sorted(lines.items(), key=lambda line: line[1]):
        axis.axhline(middle, color="0.6", linewidth=0.8, linestyle="--" if "," in arm else "-")
        label = max(middle, label + GAP)
        place = {"xy": (1.005, label), "xycoords": ("axes fraction", "data")}
        axis.annotate(arm, fontsize=7, va="center", **place)
    axis.set_ylim(0, 100)
    axis.set_xticks(range(len(budgets)), budgets)
    axis.set_xlabel("episodes of true physics beside five demonstrations a task")
    axis.set_ylabel("success in true physics [%]")
    axis.grid(alpha=0.25)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _percent(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float, float]:
    """Low end, mean and high end of success over seeds and starts [%]."""
    found = bootstrap_mean(np.array([r["outcomes"]["success"] for r in rows], np.float64))
    return 100 * max(found.low, 0.0), 100 * found.estimate, 100 * min(found.high, 1.0)
