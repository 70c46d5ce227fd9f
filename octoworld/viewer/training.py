"""Training curves of a run: every metric of its metrics.jsonl files, one at a time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import viser
from numpy.typing import NDArray

from .plots import AXIS, HEIGHT

SEARCHES = 8
"""New files are looked for at every so-many-th reading: folders of runs can be large."""
Curves = dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]


def read_curves(folder: Path) -> Curves:
    """Metric name -> (steps, values), from every metrics.jsonl of the run; finite values only."""
    reader = CurveReader(folder)
    reader.read()
    return reader.curves()


class CurveReader:
    """Metrics of a run that may still be running: only what was appended is read."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._reads = folder, 0
        self._ends: dict[Path, int] = {}
        """Bytes of each file that are read."""
        self._points: dict[Path, dict[str, list[tuple[float, float]]]] = {}

    def read(self) -> bool:
        """Read what is new; whether there was any."""
        if self._reads % SEARCHES == 0:
            for path in self._folder.rglob("metrics.jsonl"):
                self._ends.setdefault(path, 0)
        self._reads += 1
        return any([self._read(path) for path in self._ends])

    def curves(self) -> Curves:
        """Metric name -> (steps, values), sorted by step."""
        points: dict[str, list[tuple[float, float]]] = {}
        for path in sorted(self._points):
            for name, pairs in self._points[path].items():
                points.setdefault(name, []).extend(pairs)
        curves = {}
        for name, pairs in sorted(points.items()):
            steps, values = np.array(sorted(pairs), float).T
            if len(steps) > 1:  # a single point is no curve
                curves[name] = (steps, values)
        return curves

    def _read(self, path: Path) -> bool:
        try:
            size = path.stat().st_size
            if size == self._ends[path]:
                return False
            if size < self._ends[path]:  # a resumed run has cut what comes again
                self._ends[path] = 0
                self._points.pop(path, None)
            with path.open("rb") as file:
                file.seek(self._ends[path])
                text = file.read()
        except OSError:  # gone since it was found
            return False
        whole = text.rfind(b"\n") + 1
        if _row(text[whole:]) is not None:  # a last line without its end is whole as well
            whole = len(text)
        self._ends[path] += whole
        points = self._points.setdefault(path, {})
        for row in filter(None, map(_row, text[:whole].splitlines())):
            for name, value in row.items():
                if name != "step" and isinstance(value, int | float) and np.isfinite(value):
                    points.setdefault(name, []).append((row["step"], value))
        return whole > 0


class TrainingTab:
    """A chooser of metrics and the plot of the chosen one."""

    def __init__(self, gui: viser.GuiApi, curves: Curves) -> None:
        """Add both to the GUI container that is open; `curves` is not empty."""
        self._curves = curves
        names = tuple(curves)
        self.choice: viser.GuiDropdownHandle[str] = gui.add_dropdown(
            "Metric", names, initial_value=names[0]
        )
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

    def update(self, curves: Curves) -> None:
        """The run has gone on."""
        self._curves, chosen = curves, self.choice.value
        names = tuple(curves)
        if names != tuple(self.choice.options):
            self.choice.options = names
            self.choice.value = chosen if chosen in names else names[0]
        self._show()

    def _show(self) -> None:
        self.plot.data = self._curves[self.choice.value]


def _row(line: bytes) -> dict[str, float] | None:
    try:
        row = json.loads(line)
    except ValueError:  # cut by a kill
        return None
    return row if isinstance(row, dict) and "step" in row else None
