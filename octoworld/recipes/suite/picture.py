"""Learning curves: success over demonstrations, one panel a task, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from octoworld.bench.intervals import bootstrap_mean
from tasks.suites import SCENES

COLORS = {"tiny": "#1f77b4", "act": "#d95f02", "diffusion": "#1b9e77"}
COLUMNS = 5


def draw_curves(
    found: Mapping[str, Mapping[str, Mapping[int, list[list[float]]]]], path: Path
) -> None:
    """One panel a task and one for their mean; bars are 95 % intervals over seeds and starts."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import NullLocator, ScalarFormatter

    tasks = ["all", *(t for tasks in SCENES.values() for t in tasks if t in found)]
    rows = -(-len(tasks) // COLUMNS)
    figure, axes = pyplot.subplots(
        rows, COLUMNS, figsize=(2.6 * COLUMNS, 2.1 * rows), sharey=True, squeeze=False
    )
    for axis in axes.flat[len(tasks) :]:
        axis.axis("off")
    for axis, task in zip(axes.flat, tasks, strict=False):
        for kind, by in found.get(task, {}).items():
            counts = sorted(by)
            low, middle, high = np.array([percent(by[n]) for n in counts]).T
            axis.errorbar(
                counts, middle, (middle - low, high - middle), color=COLORS.get(kind), label=kind,
                marker="o", markersize=3, linewidth=1.2, capsize=2,
            )  # fmt: skip
        axis.set_xscale("log")
        # a kind may have been measured at few of them
        axis.set_xticks(sorted({n for by in found.get(task, {}).values() for n in by}))
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_title("mean of all tasks" if task == "all" else task, fontsize=9)
        axis.set_ylim(-3, 103)
        axis.grid(alpha=0.25)
        axis.tick_params(labelsize=7)
    axes[0, 0].legend(fontsize=7, loc="upper left")
    for axis in axes[:, 0]:
        axis.set_ylabel("success [%]", fontsize=8)
    figure.supxlabel("demonstrations of each task", fontsize=9)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def percent(outcomes: list[list[float]]) -> tuple[float, float, float]:
    """Low end, mean and high end of the 95 % interval over seeds and starts [%]."""
    found = bootstrap_mean(np.array(outcomes), shared_starts=True)
    # among few seeds the interval is symmetric, and may reach beyond what is possible
    return 100 * max(found.low, 0.0), 100 * found.estimate, 100 * min(found.high, 1.0)
