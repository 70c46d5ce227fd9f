"""Curves of an episode as SVG that needs no script, with a cursor that a script may move."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .plots import Curve, value_range

WIDTH, HEIGHT = 640, 170
"""Of the drawing, in its own units; the page scales it."""
LEFT, RIGHT, TOP, BOTTOM = 46, 630, 8, 148
"""Sides of the plot area."""


def svg_plot(curves: Sequence[Curve], fps: int) -> str:
    """One plot over time [s]; the line of class `cursor` stands at the first step."""
    low, high = value_range(list(curves))
    pad = 0.05 * (high - low)
    low, high = low - pad, high + pad
    end = max(len(curves[0].values) - 1, 1) / fps
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">']
    for value in ticks(low, high):
        y = BOTTOM - (value - low) / (high - low) * (BOTTOM - TOP)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value in ticks(0.0, end):
        x = LEFT + value / end * (RIGHT - LEFT)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{BOTTOM}"/>')
        label = f'<text x="{x:.1f}" y="{BOTTOM + 16}" text-anchor="middle">{value:g} s</text>'
        parts.append(label)
    for curve in curves:
        y = BOTTOM - (curve.values - low) / (high - low) * (BOTTOM - TOP)
        dash = ' stroke-dasharray="6 4"' if curve.dashed else ""
        parts.append(f'<path d="{_path(y)}" stroke="{curve.color}"{dash}/>')
    parts.append(f'<line class="cursor" x1="{LEFT}" x2="{LEFT}" y1="{TOP}" y2="{BOTTOM}"/></svg>')
    return "".join(parts)


def legend(curves: Sequence[Curve]) -> str:
    """Names in the colours of their curves, each with room for a value."""
    return " ".join(
        f'<span style="color:{curve.color}">{html.escape(curve.name)} <b></b></span>'
        for curve in curves
    )


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers in [low, high], at most `most`, spaced by 1, 2 or 5 times a power of ten."""
    raw = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    space = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / space - 1e-9), math.floor(high / space + 1e-9)
    return [round(k * space, 12) for k in range(first, last + 1)]


def _path(y: NDArray[np.float64]) -> str:
    """Points over the plot's width; a value that is not finite breaks the line."""
    x = np.linspace(LEFT, RIGHT, len(y)) if len(y) > 1 else np.array([LEFT])
    words, pen = [], "M"
    for a, b in zip(x, y, strict=True):
        if math.isfinite(b):
            words.append(f"{pen}{a:.1f} {b:.1f}")
            pen = "L"
        else:
            pen = "M"
    return "".join(words)
