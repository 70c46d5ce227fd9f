"""Primitive shapes between two points, for robots and furniture drawn without meshes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

from .spec import GeomSpec, Quat, Vec3


def quat_from_z(direction: Vec3) -> Quat:
    """Shortest rotation that takes +z to `direction` (need not be a unit vector), wxyz."""
    x, y, z = direction
    norm = math.sqrt(x * x + y * y + z * z)
    x, y, z = x / norm, y / norm, z / norm
    if z < -1 + 1e-12:
        return (0.0, 1.0, 0.0, 0.0)
    w, scale = math.sqrt((1 + z) / 2), 1 / math.sqrt(2 * (1 + z))
    return (w, -y * scale, x * scale, 0.0)


def between(
    shape: Literal["capsule", "cylinder"],
    name: str,
    start: Vec3,
    end: Vec3,
    radius: float,
    **options: Any,
) -> GeomSpec:
    """A capsule or cylinder whose axis runs from `start` to `end` in the body's frame [m]."""
    axis = (end[0] - start[0], end[1] - start[1], end[2] - start[2])
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, (start[2] + end[2]) / 2)
    geom = GeomSpec(name, shape, (radius, math.dist(start, end) / 2), middle, quat_from_z(axis))
    return replace(geom, **options)
