"""Figures of flights: motion, attitude and RPM over time, a view from above, films.

With matplotlib's object interface: no display, no global state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.io import atomic_file
from octoworld.data.flightlog import FlightLog
from octoworld.data.video import write_mp4

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999", "#000000")
"""Drones by colour: Okabe and Ito 2008, told apart by colour-blind people too."""
ROTOR_STYLES = ("-", "--", "-.", ":")
PANELS: tuple[tuple[str, tuple[str, str, str], str], ...] = (
    ("position", ("x", "y", "z"), "m"),
    ("velocity", ("vx", "vy", "vz"), "m/s"),
    ("rpy", ("roll", "pitch", "yaw"), "deg"),
    ("omega_body", ("p", "q", "r"), "deg/s"),
)
"""Columns of the figure: array of the log, names of its rows, unit."""


def plot_flight(
    log: FlightLog, *, reference: ArrayLike | None = None, drones: Sequence[int] | None = None
) -> Figure:
    """Twelve curves a drone over time, and its RPM: three rows of panels and one of motors.

    Args:
        log: what was flown.
        reference: positions asked for, (T, A, 3), (A, 3) or (3,) [m], drawn dotted.
        drones: which ones; default all.

    Raises:
        ConfigError: a drone is not in the log, or `reference` has another shape.
    """
    chosen, target = _choose(log, drones), _reference(log, reference)
    figure = Figure(figsize=(14, 9), layout="constrained")
    grid = figure.add_gridspec(4, len(PANELS))
    for column, (name, parts, unit) in enumerate(PANELS):
        values = getattr(log, name)
        if unit.startswith("deg"):
            values = np.rad2deg(np.unwrap(values, axis=0) if name == "rpy" else values)
        for row, part in enumerate(parts):
            axes = figure.add_subplot(grid[row, column])
            for k, i in enumerate(chosen):
                axes.plot(log.time, values[:, i, row], color=_color(k), label=log.names[i])
                if name == "position" and target is not None:
                    axes.plot(log.time, target[:, i, row], ":", color=_color(k))
            _dress(axes, f"{part} [{unit}]")
    motors = figure.add_subplot(grid[3, :])
    for k, i in enumerate(chosen):
        for j in range(log.rpm.shape[-1]):
            style, label = ROTOR_STYLES[j % len(ROTOR_STYLES)], f"{log.names[i]} rotor {j}"
            motors.plot(log.time, log.rpm[:, i, j], style, color=_color(k), label=label)
    _dress(motors, "rotors [rpm]")
    motors.set_xlabel("time [s]")
    if len(chosen) * log.rpm.shape[-1] <= 16:
        motors.legend(fontsize="x-small", ncols=4, loc="upper right")
    if len(chosen) > 1:
        figure.axes[0].legend(fontsize="x-small")
    title = " ".join(part for part in (log.model, log.physics) if part)
    figure.suptitle(title or "flight")
    return figure


def plot_top_view(
    log: FlightLog, *, reference: ArrayLike | None = None, drones: Sequence[int] | None = None
) -> Figure:
    """Paths in the plane x-y, to scale: starts as circles, ends as crosses.

    Arguments and errors as in `plot_flight`.
    """
    chosen, target = _choose(log, drones), _reference(log, reference)
    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.add_subplot()
    for k, i in enumerate(chosen):
        path = np.concatenate([log.init_xyz[i, None], log.position[:, i]])
        axes.plot(path[:, 0], path[:, 1], color=_color(k), label=log.names[i])
        axes.plot(*path[0, :2], "o", color=_color(k), fillstyle="none")
        axes.plot(*path[-1, :2], "x", color=_color(k))
        if target is not None:
            axes.plot(target[:, i, 0], target[:, i, 1], ":", color=_color(k))
    _dress(axes, "y [m]")
    axes.set_xlabel("x [m]")
    axes.set_aspect("equal", adjustable="datalim")
    if len(chosen) <= 16:
        axes.legend(fontsize="small")
    return figure


def save_figure(figure: Figure, path: Path | str, dpi: int = 120) -> Path:
    """Write a figure atomically, in the format of the ending: png, pdf or svg.

    Raises:
        ConfigError: another ending.
    """
    path = Path(path)
    kind = path.suffix.lstrip(".").lower()
    if kind not in ("png", "pdf", "svg"):
        raise ConfigError(f"figure {path.name!r}: expected an ending of png, pdf, svg")
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=dpi)
    return path


class Filmed(Protocol):
    """What a FlightFilm records: any World."""

    def render(
        self, camera: str, worlds: ArrayLike | None = None, size: tuple[int, int] | None = None
    ) -> NDArray[np.uint8]:
        """(n, H, W, 3)."""
        ...


class FlightFilm:
    """Frames of one camera of one world at a steady rate, written as mp4."""

    def __init__(
        self, world: Filmed, camera: str, dt: float, *, fps: int = 30,
        size: tuple[int, int] | None = None, index: int = 0,
    ) -> None:  # fmt: skip
        """Film world number `index`, which is looked at every `dt` [s], at `fps` [Hz].

        The first look gives the first frame; looks between frames cost nothing. `size` is (H, W).

        Raises:
            ConfigError: there are fewer looks than frames.
        """
        if not 0 < fps * dt <= 1 + 1e-9:
            raise ConfigError(
                f"film of {fps} Hz, a look every {dt:g} s: expected at most {1 / fps:g}"
            )
        self._look: Callable[[], NDArray[np.uint8]] = lambda: world.render(camera, [index], size)[0]
        self.fps, self._per_look, self._looks = fps, fps * dt, 0
        self.frames: list[NDArray[np.uint8]] = []

    def look(self) -> None:
        """Call once every `dt`, after the world's step."""
        # counted from the start, so that rates that do not divide do not drift
        if self._looks * self._per_look >= len(self.frames) - 1e-9:
            self.frames.append(self._look())
        self._looks += 1

    def save(self, path: Path | str) -> Path:
        """Write what was filmed; see `write_mp4`."""
        return write_mp4(path, self.frames, self.fps)


def _choose(log: FlightLog, drones: Sequence[int] | None) -> list[int]:
    chosen = list(range(log.num_drones)) if drones is None else list(drones)
    for i in chosen:
        if not 0 <= i < log.num_drones:
            raise ConfigError(f"drone {i} is not in the log: expected 0 to {log.num_drones - 1}")
    return chosen


def _reference(log: FlightLog, reference: ArrayLike | None) -> NDArray[np.float64] | None:
    if reference is None:
        return None
    value = np.asarray(reference, float)
    try:
        return np.broadcast_to(value, log.position.shape)
    except ValueError:
        raise ConfigError(
            f"reference of shape {value.shape}: expected {log.position.shape} or what broadcasts "
            "to it"
        ) from None


def _color(k: int) -> str:
    return PALETTE[k % len(PALETTE)]


def _dress(axes: Axes, label: str) -> None:
    axes.set_ylabel(label)
    axes.grid(True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.02)
