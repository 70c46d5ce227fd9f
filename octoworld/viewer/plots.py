"""Curves of an episode over time for uPlot, with a cursor that stands at the current step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import viser
from numpy.typing import NDArray
from viser import uplot

from octoworld.data.episode import Episode

from .recording import (
    ACTION,
    ADVANTAGE,
    EXPERT_ACTION,
    IS_READ,
    PROBABILITY,
    PROGRESS,
    RECOVERED_ACTION,
    REWARD,
    STOP,
    SUCCESS,
    THRESHOLD,
    VALUE,
    signal,
)

AXIS_INK = "#8b909a"
"""Grey that is legible on the dark and on the light theme."""
GRID_INK = "rgba(139, 144, 154, 0.22)"
CURSOR_INK = "#f59f00"
HEIGHT = 165
"""Height of a plot [px]."""
AXIS: uplot.Axis = {
    "stroke": AXIS_INK,
    "grid": {"stroke": GRID_INK, "width": 1},
    "ticks": {"stroke": GRID_INK, "width": 1},
    "font": "11px sans-serif",
}


COLORS = ("#4dabf7", "#ff922b", "#51cf66", "#f06595", "#b197fc", "#22b8cf", "#adb57d", "#ff8787")
"""Of curves that have no meaning of their own; legible on both themes."""
MOST_ACTIONS = 16
"""Elements of an action that are drawn; more lines than that cannot be told apart."""

BINS = 250
"""Parts of a long episode of which the extremes are drawn."""


@dataclass(frozen=True)
class Curve:
    """One line of a plot."""

    name: str
    values: NDArray[np.float64]
    """(T,)."""
    color: str
    dashed: bool = False


def reward_curves(episode: Episode) -> list[Curve]:
    """Reward and success, as far as recorded."""
    styles = ((REWARD, "reward", "#4dabf7"), (SUCCESS, "success", "#51cf66"))
    found = ((name, signal(episode, column), color) for column, name, color in styles)
    return [Curve(name, values, color) for name, values, color in found if values is not None]


def reflector_curves(episode: Episode) -> list[Curve]:
    """The reflector's probability, progress and stop, with the threshold at which it stops."""
    styles = (
        (PROBABILITY, "probability", "#b197fc"),
        (PROGRESS, "progress", "#63e6be"),
        (STOP, "stop", "#ff8787"),
    )
    found = ((name, signal(episode, column), color) for column, name, color in styles)
    curves = [Curve(name, values, color) for name, values, color in found if values is not None]
    threshold = episode.info.get(THRESHOLD)
    if curves and threshold is not None:
        level = np.full(len(episode), float(threshold))
        curves.append(Curve("stop threshold", level, "#ff8787", dashed=True))
    return curves


def action_curves(episode: Episode) -> list[Curve]:
    """Every element of what was commanded.

    Dashed, in the colour of the same element: what the expert would have done, and what was read
    off the imagined frames.
    """
    curves = []
    for column, suffix in ((ACTION, ""), (EXPERT_ACTION, " (expert)")):
        values = episode.columns.get(column)
        if values is None:
            continue
        flat = np.asarray(values, np.float64).reshape(len(episode), -1)
        told = episode.names.get(column, episode.names.get(ACTION, ()))
        count = min(flat.shape[1], MOST_ACTIONS)
        names = told if len(told) == flat.shape[1] else [f"action {i}" for i in range(count)]
        curves += [
            Curve(f"{names[i]}{suffix}", flat[:, i], COLORS[i % len(COLORS)], bool(suffix))
            for i in range(count)
        ]
    return curves + recovered_curves(episode)


def recovered_curves(episode: Episode) -> list[Curve]:
    """What an inverse-dynamics model read off imagined frames; gaps where it could read nothing."""
    values = episode.columns.get(RECOVERED_ACTION)
    if values is None:
        return []
    flat = np.asarray(values, np.float64).reshape(len(episode), -1)
    is_read = signal(episode, IS_READ)
    if is_read is not None:
        flat = np.where(is_read[:, None] > 0, flat, np.nan)
    commanded = list(episode.names.get(ACTION, ()))
    told = episode.names.get(RECOVERED_ACTION, ())
    count = min(flat.shape[1], MOST_ACTIONS)
    names = told if len(told) == flat.shape[1] else [f"action {i}" for i in range(count)]
    places = [commanded.index(n) if n in commanded else i for i, n in enumerate(names[:count])]
    return [
        Curve(f"{name} (read off frames)", flat[:, i], COLORS[place % len(COLORS)], dashed=True)
        for i, (name, place) in enumerate(zip(names[:count], places, strict=True))
    ]


def value_curves(episode: Episode) -> list[Curve]:
    """What the policy's critic expected, and how much better each action turned out."""
    styles = ((VALUE, "value", "#ffd43b"), (ADVANTAGE, "advantage", "#22b8cf"))
    found = ((name, signal(episode, column), color) for column, name, color in styles)
    return [Curve(name, values, color) for name, values, color in found if values is not None]


def curves_of(
    episode: Episode, other: Episode | None = None, name: str = "other"
) -> list[tuple[str, list[Curve]]]:
    """Title and curves of every plot that this episode has something for.

    With another episode beside it, rewards, reflector and value of that one are drawn dashed,
    under `name`; the shorter of the two ends in gaps.
    """
    plots = [
        ("reward and success", reward_curves(episode)),
        ("reflector", reflector_curves(episode)),
        ("value and advantage", value_curves(episode)),
        ("actions", action_curves(episode)),
    ]
    if other is not None:
        length = max(len(episode), len(other))
        theirs = [reward_curves(other), reflector_curves(other), value_curves(other), []]
        plots = [
            (title, [_stretched(c, length) for c in ours]
             + [_stretched(replace(c, name=f"{c.name} ({name})", dashed=True), length)
                for c in others if "threshold" not in c.name])
            for (title, ours), others in zip(plots, theirs, strict=True)
        ]  # fmt: skip
    return [(title, curves) for title, curves in plots if curves]


def _stretched(curve: Curve, length: int) -> Curve:
    gap = np.full(length - len(curve.values), np.nan)
    return replace(curve, values=np.concatenate([curve.values, gap]))


def thinned(curves: list[Curve], bins: int = BINS) -> NDArray[np.intp]:
    """Steps that are drawn: all of a short episode; of a long one the extremes in each bin.

    A browser takes all points of all plots anew at every step of the timeline.
    """
    length = len(curves[0].values)
    if length <= 4 * bins:
        return np.arange(length)
    edges = np.linspace(0, length, bins + 1).astype(int)
    kept = [np.array([0, length - 1])]
    for curve in curves:
        low = np.where(np.isfinite(curve.values), curve.values, np.inf)
        high = np.where(np.isfinite(curve.values), curve.values, -np.inf)
        for start, stop in pairwise(edges):
            kept.append(start + np.array([low[start:stop].argmin(), high[start:stop].argmax()]))
    return np.unique(np.concatenate(kept))


def plot_data(
    curves: list[Curve], step: int, fps: int, points: NDArray[np.intp] | None = None
) -> tuple[NDArray[np.float64], ...]:
    """Time [s], every curve at `points` (None: all steps), and the cursor: a line at `step`.

    uPlot joins points in order, so the line is made of three points at one time, of which the
    middle one stands at the top; each array is therefore two longer than the curves. Its foot is
    far below the plot, so that the rest of it is out of sight.
    """
    if points is None:
        points = np.arange(len(curves[0].values))
    low, high = value_range([replace(c, values=c.values[points]) for c in curves])
    at = int(np.searchsorted(points, step))
    is_there = at < len(points) and points[at] == step
    index = np.insert(points, at, [step] * (2 if is_there else 3))
    cursor = np.full(len(index), low - 1e3 * (high - low))
    cursor[at + 1] = high
    return (index / fps, *(c.values[index] for c in curves), cursor)


def value_range(curves: list[Curve]) -> tuple[float, float]:
    """The y range of a plot: [0, 1], widened to hold every finite value."""
    values = np.concatenate([c.values for c in curves])
    values = values[np.isfinite(values)]
    return float(values.min(initial=0.0)), float(values.max(initial=1.0))


def add_plot(
    gui: viser.GuiApi, title: str, curves: list[Curve], points: NDArray[np.intp], fps: int
) -> viser.GuiUplotHandle:
    """Add the plot to the GUI container that is open."""
    series: list[uplot.Series] = [{"label": "time [s]"}]
    for curve in curves:
        one: uplot.Series = {"label": curve.name, "stroke": curve.color, "width": 2}
        if curve.dashed:
            one["dash"] = (6, 4)
        series.append(one | {"points": {"show": False}})  # type: ignore[arg-type]
    series.append({"label": "now", "stroke": CURSOR_INK, "width": 1.5, "points": {"show": False}})
    low, high = value_range(curves)
    pad = 0.05 * (high - low)
    return gui.add_uplot(
        data=plot_data(curves, 0, fps, points),
        series=tuple(series),
        title=title,
        scales={
            "x": {"time": False, "range": (0.0, max(len(curves[0].values) - 1, 1) / fps)},
            "y": {"auto": False, "range": (low - pad, high + pad)},
        },
        axes=(AXIS, AXIS),
        legend={"show": True},
        height=HEIGHT,
    )
