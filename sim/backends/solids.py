"""Solids: volume, mass and inertia of bodies made of primitive shapes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.rotations import matrix_from_quat
from robots.spec import BodySpec, GeomSpec

DENSITY = 1000.0
"""Of solid shapes about whose mass nothing is said [kg/m^3]; MuJoCo's default."""


def volume(geom: GeomSpec) -> float:
    """[m^3]; 0 for a plane."""
    s = geom.size
    match geom.shape:
        case "box":
            return 8 * s[0] * s[1] * s[2]
        case "sphere":
            return 4 / 3 * math.pi * s[0] ** 3
        case "ellipsoid":
            return 4 / 3 * math.pi * s[0] * s[1] * s[2]
        case "cylinder":
            return 2 * math.pi * s[0] ** 2 * s[1]
        case "capsule":
            return math.pi * s[0] ** 2 * (2 * s[1] + 4 / 3 * s[0])
    return 0.0


def unit_inertia(geom: GeomSpec) -> NDArray[np.float64]:
    """Principal moments (3,) of the shape per mass, about its centre and axes [m^2]."""
    s = geom.size
    match geom.shape:
        case "box" | "ellipsoid":
            x, y, z = (v * v for v in s)
            return np.array([y + z, x + z, x + y]) / (3 if geom.shape == "box" else 5)
        case "sphere":
            return np.full(3, 0.4 * s[0] ** 2)
        case "cylinder":
            side = s[0] ** 2 / 4 + s[1] ** 2 / 3
            return np.array([side, side, s[0] ** 2 / 2])
        case "capsule":
            r, h = s[0], s[1]
            tube, ball = 2 * h, 4 / 3 * r  # over pi r^2
            whole = tube + ball
            along = (tube * r * r / 2 + ball * 0.4 * r * r) / whole
            # half balls: centre of each is 3/8 r beyond the tube's end
            across = (
                tube * (r * r / 4 + h * h / 3) + ball * (0.4 * r * r + h * h + 0.75 * h * r)
            ) / whole
            return np.array([across, across, along])
    return np.zeros(3)


def _own_mass(geom: GeomSpec) -> float:
    if geom.mass is not None:
        return geom.mass
    return DENSITY * volume(geom) if geom.collides else 0.0


def mass_properties(
    body: BodySpec,
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Mass [kg], centre (3,) [m] and inertia (3, 3) about it [kg m^2], in the body's axes.

    From the body's own numbers, or its mass spread evenly over its solid shapes, or their masses.

    Raises:
        ConfigError: inertia without mass, or mass without anything to spread it over.
    """
    if body.inertia is not None:
        if body.mass is None:
            raise ConfigError(f"body {body.name!r} gives inertia without mass")
        xx, yy, zz, xy, xz, yz = body.inertia
        matrix = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        return body.mass, np.asarray(body.center_of_mass, float), matrix
    if body.mass is not None:
        solid = [(g, volume(g)) for g in body.geoms if g.collides]
        whole = sum(v for _, v in solid)
        if not whole:
            raise ConfigError(f"body {body.name!r} has mass but neither inertia nor solid geoms")
        parts = [(g, body.mass * v / whole) for g, v in solid]
    else:
        parts = [(g, _own_mass(g)) for g in body.geoms]
    total = sum(m for _, m in parts)
    if total == 0:
        return 0.0, np.zeros(3), np.zeros((3, 3))
    center = sum((m * np.asarray(g.position, float) for g, m in parts), np.zeros(3)) / total
    inertia = np.zeros((3, 3))
    for geom, mass in parts:
        r = matrix_from_quat(np.asarray(geom.quat_wxyz, float))
        d = np.asarray(geom.position, float) - center
        inertia += r @ np.diag(mass * unit_inertia(geom)) @ r.T
        inertia += mass * (d @ d * np.eye(3) - np.outer(d, d))
    return total, center, inertia
