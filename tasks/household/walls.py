"""Walls: the rectangles that rooms' edges leave when the doorways are cut out."""

from __future__ import annotations

from collections import defaultdict

from .furniture import Rect
from .rooms import DOORWAY, WALL, Plan

Interval = tuple[float, float]


def wall_rects(plan: Plan) -> tuple[Rect, ...]:
    """Footprints of all walls [m]."""
    half, found = WALL / 2, []
    for along_x in (True, False):
        lines: dict[float, list[Interval]] = defaultdict(list)
        for room in plan.rooms:
            x0, y0, x1, y1 = room.rect
            for fixed in (y0, y1) if along_x else (x0, x1):
                lines[fixed].append((x0, x1) if along_x else (y0, y1))
        for fixed, intervals in sorted(lines.items()):
            cuts = []
            for door in plan.doorways:
                at, line = door.center if along_x else door.center[::-1]
                if door.along_x == along_x and abs(line - fixed) < 0.02:
                    cuts.append((at - DOORWAY / 2, at + DOORWAY / 2))
            for low, high in _without(_merged(intervals), cuts):
                # ends reach over the corner, but not into a doorway
                low = low - half if _is_end(low, intervals) else low
                high = high + half if _is_end(high, intervals) else high
                rect = (low, fixed - half, high, fixed + half)
                found.append(rect if along_x else (rect[1], rect[0], rect[3], rect[2]))
    return tuple(found)


def _is_end(value: float, intervals: list[Interval]) -> bool:
    return any(value in pair for pair in intervals)


def _merged(intervals: list[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for low, high in sorted(intervals):
        if merged and low <= merged[-1][1] + 1e-6:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _without(intervals: list[Interval], cuts: list[Interval]) -> list[Interval]:
    for cut in cuts:
        rest = []
        for low, high in intervals:
            if cut[1] <= low or cut[0] >= high:
                rest.append((low, high))
                continue
            rest += [(a, b) for a, b in ((low, cut[0]), (cut[1], high)) if b - a > 1e-6]
        intervals = rest
    return intervals
