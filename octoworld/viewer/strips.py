"""Strip: a plot of the last seconds that grows while a world runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
import viser
from numpy.typing import NDArray
from viser import uplot

from .plots import AXIS, COLORS

SECONDS = 20.0
"""Shown of the past [s]."""
MOST_POINTS = 400
"""Of a curve that are sent; every other one is left out beyond that."""
HEIGHT = 140
"""[px]"""


class Strip:
    """Curves over time; call `add` at every step, and `draw` as often as a page can bear."""

    def __init__(self, gui: viser.GuiApi, title: str, names: Sequence[str]) -> None:
        """Add the plot of `names` to the GUI container that is open."""
        self.names = tuple(names)
        self._rows: deque[tuple[float, ...]] = deque()
        self._is_new = False
        series: list[uplot.Series] = [{"label": "time [s]"}]
        for k, name in enumerate(self.names):
            color = COLORS[k % len(COLORS)]
            series.append({"label": name, "stroke": color, "width": 2, "points": {"show": False}})
        self.handle = gui.add_uplot(
            data=self.data(), series=tuple(series), title=title, scales={"x": {"time": False}},
            axes=(AXIS, AXIS), legend={"show": True}, height=HEIGHT,
        )  # fmt: skip

    def add(self, seconds: float, values: Mapping[str, float]) -> None:
        """A point of every curve at a time [s]; time that runs back starts the plot anew."""
        rows = self._rows
        if rows and seconds < rows[-1][0]:
            rows.clear()
        rows.append((seconds, *(float(values.get(name, np.nan)) for name in self.names)))
        while rows[0][0] < seconds - SECONDS:
            rows.popleft()
        self._is_new = True

    def draw(self) -> None:
        """Send what was added since the last call."""
        if self._is_new:
            self.handle.data, self._is_new = self.data(), False

    def data(self) -> tuple[NDArray[np.float64], ...]:
        """Time [s] and curves, as uPlot takes them: two points at least."""
        rows = np.array(self._rows or [(0.0, *[np.nan] * len(self.names))] * 2, float)
        thin = 1 + (len(rows) - 1) // MOST_POINTS
        return tuple(rows[::-1][::thin][::-1].T.copy())
