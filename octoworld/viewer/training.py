"""Training curves of a run: every metric of its metrics.jsonl files, one at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import viser
from numpy.typing import NDArray

from octoworld.core.log import read_metrics

from .plots import AXIS, HEIGHT

Curves = dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]


def read_curves(folder: Path) -> Curves:
    """Metric name -> (steps, values), from every metrics.jsonl of the run; finite values only."""
    points: dict[str, list[tuple[float, float]]] = {}
    for path in sorted(folder.rglob("metrics.jsonl")):
        for row in read_metrics(path):
            for name, value in row.items():
                if name != "step" and isinstance(value, int | float) and np.isfinite(value):
                    points.setdefault(name, []).append((row["step"], value))
    curves = {}
    for name, pairs in sorted(points.items()):
        steps, values = np.array(sorted(pairs), float).T
        if len(steps) > 1:  # a single point is no curve
            curves[name] = (steps, values)
    return curves


class TrainingTab:
    """A chooser of metrics and the plot of the chosen one."""

    def __init__(self, gui: viser.GuiApi, curves: Curves) -> None:
        """Add both to the GUI container that is open; `curves` is not empty."""
        self._curves = curves
        names = tuple(curves)
        self.choice = gui.add_dropdown("Metric", names, initial_value=names[0])
        self.plot = gui.add_uplot(
            data=curves[names[0]],
            series=(
                {"label": "step"},
                {"label": "value", "stroke": "#4dabf7", "width": 2, "points": {"show": False}},
            ),
            scales={"x": {"time": False}},
            axes=(AXIS, AXIS),
            height=HEIGHT + 80,
        )
        self.choice.on_update(lambda _: self._show())

    def _show(self) -> None:
        self.plot.data = self._curves[self.choice.value]
