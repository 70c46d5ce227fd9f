"""Signals: the camera pictures and plots of the shown episode, or of two beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import viser
from numpy.typing import NDArray

from octoworld.data.episode import Episode

from .films import beside_picture, picture
from .plots import Curve, add_plot, curves_of, plot_data, thinned
from .recording import cameras


@dataclass(frozen=True)
class Plot:
    """A plot on the page."""

    handle: viser.GuiUplotHandle
    curves: list[Curve]
    points: NDArray[np.intp]
    """Steps that are drawn."""


class Signals:
    """The tab of pictures and plots."""

    def __init__(self, gui: viser.GuiApi, tab: viser.GuiTabHandle, theme: str) -> None:
        self._gui, self._tab, self._theme = gui, tab, theme
        self.images: dict[str, NDArray[np.uint8]] = {}
        """What each camera's panel shows now, (H, W, 3)."""
        self.plots: list[Plot] = []
        self._panels: dict[str, viser.GuiImageHandle] = {}
        self._shown: Sequence[tuple[str, Episode]] = ()

    def open(self, shown: Sequence[tuple[str, Episode]]) -> None:
        """Build the panels of one episode, or of two, each with a name.

        Raises:
            DatasetError: a video is damaged; then there are no panels.
        """
        self.clear()
        self._shown = shown
        (_, episode), others = shown[0], shown[1:]
        names = dict.fromkeys(camera for _, e in shown for camera in cameras(e))
        first = {camera: self._picture(camera, 0) for camera in names}
        other = {"other": others[0][1], "name": others[0][0]} if others else {}
        with self._tab:
            for camera, image in first.items():
                label = f"camera {camera}"
                self._panels[camera] = self._gui.add_image(image, label=label, format="png")
            for title, curves in curves_of(episode, **other):
                points = thinned(curves)
                handle = add_plot(self._gui, title, curves, points, episode.fps)
                self.plots.append(Plot(handle, curves, points))

    def show(self, step: int) -> None:
        """Draw a step; raises DatasetError when a video is damaged there."""
        for camera, panel in self._panels.items():
            self.images[camera] = panel.image = self._picture(camera, step)
        for plot in self.plots:
            fps = self._shown[0][1].fps
            plot.handle.data = plot_data(plot.curves, step, fps, plot.points)

    def clear(self) -> None:
        """Remove all panels."""
        for handle in [*self._panels.values(), *(plot.handle for plot in self.plots)]:
            handle.remove()
        self._panels, self.plots, self.images = {}, [], {}

    def _picture(self, camera: str, step: int) -> NDArray[np.uint8]:
        if len(self._shown) == 1:
            return picture(self._shown[0][1], camera, step, self._theme)
        return beside_picture(self._shown, camera, step, self._theme)
