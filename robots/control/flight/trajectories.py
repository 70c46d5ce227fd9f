"""Reference trajectories: functions of time to set-points, with derivatives up to jerk and yaw.

A trajectory is called with times `t` of any shape [s] and gives a `Setpoint` whose leading shape is
that of `t` broadcast with its own parameters': circles with centres (N, 3) take t (N,), or (T, 1)
for all times of all circles. Times outside an interval hold its ends.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ConfigError

from .setpoint import Setpoint

Derivatives = tuple[NDArray, NDArray, NDArray, NDArray]
SLOW = 1e-6
"""Below this horizontal speed the heading of `forward` is not defined [m/s]."""


class Trajectory(ABC):
    """One motion, or a batch of them."""

    heading: float | NDArray | Literal["forward"] = 0.0
    """Yaw [rad], or `forward`: the nose along the horizontal velocity."""

    @abstractmethod
    def path(self, t: NDArray) -> Derivatives:
        """Position and its first three time derivatives (..., 3) at times (...,)."""

    def __call__(self, t: ArrayLike) -> Setpoint:
        """Set-points (..., 14) at times (...,) [s]."""
        p, v, a, j = self.path(np.asarray(t, float))
        if not isinstance(self.heading, str):
            return Setpoint.at(p, v, a, j, yaw=self.heading)
        speed2 = v[..., 0] ** 2 + v[..., 1] ** 2
        moving = speed2 > SLOW**2
        rate = v[..., 0] * a[..., 1] - v[..., 1] * a[..., 0]
        rate = np.where(moving, rate / np.where(moving, speed2, 1.0), 0.0)
        yaw = np.where(moving, np.arctan2(v[..., 1], v[..., 0]), 0.0)
        return Setpoint.at(p, v, a, j, yaw=yaw, yaw_rate=rate)


@dataclass
class Hover(Trajectory):
    """One point for ever."""

    position: ArrayLike
    """(..., 3) [m]."""
    heading: float | NDArray | Literal["forward"] = 0.0

    def path(self, t: NDArray) -> Derivatives:
        """The point, at rest."""
        p = np.asarray(self.position, float)
        p = np.broadcast_to(p, (*np.broadcast_shapes(t.shape, p.shape[:-1]), 3))
        still = np.zeros_like(p)
        return p, still, still, still


@dataclass
class Line(Trajectory):
    """From rest to rest along a straight line, with least integral of squared jerk.

    s = 10 u^3 - 15 u^4 + 6 u^5 (Flash & Hogan 1985).
    """

    start: ArrayLike
    """(..., 3) [m]."""
    end: ArrayLike
    """(..., 3) [m]."""
    duration: float | NDArray
    """(...,) [s]."""
    heading: float | NDArray | Literal["forward"] = 0.0

    def __post_init__(self) -> None:
        _above_zero("line duration", self.duration)

    def path(self, t: NDArray) -> Derivatives:
        """Polynomial of degree 5."""
        start, span = np.asarray(self.start, float), np.asarray(self.duration, float)
        way = np.asarray(self.end, float) - start
        raw = t / span
        u = np.clip(raw, 0.0, 1.0)
        within = (raw >= 0) & (raw <= 1)
        s = u**3 * (10 - 15 * u + 6 * u**2)
        ds = 30 * u**2 * (1 - u) ** 2 / span
        dds = 60 * u * (1 - u) * (1 - 2 * u) / span**2
        ddds = within * (60 - 360 * u + 360 * u**2) / span**3
        p, v, a, j = (_times(x, way) for x in (s, ds, dds, ddds))
        return start + p, v, a, j


@dataclass
class Circle(Trajectory):
    """Level circle, counter-clockwise from above; starts at `center` + radius along x."""

    center: ArrayLike
    """(..., 3) [m]."""
    radius: float | NDArray
    """(...,) [m]."""
    period: float | NDArray
    """(...,) [s]; of one round."""
    phase: float | NDArray = 0.0
    """(...,) [rad]."""
    heading: float | NDArray | Literal["forward"] = 0.0

    def __post_init__(self) -> None:
        _above_zero("circle period", self.period)

    def path(self, t: NDArray) -> Derivatives:
        """Sine and cosine."""
        w = 2 * math.pi / np.asarray(self.period, float)
        angle = w * t + self.phase
        wave = _flat(self.radius * np.cos(angle), self.radius * np.sin(angle))
        side = _flat(-self.radius * np.sin(angle), self.radius * np.cos(angle))
        return (
            np.asarray(self.center, float) + wave, _times(w, side), _times(-(w**2), wave),
            _times(-(w**3), side),
        )  # fmt: skip


@dataclass
class FigureEight(Trajectory):
    """Level lemniscate of Gerono: x = a sin(w t), y = b sin(w t) cos(w t), crossing at `center`."""

    center: ArrayLike
    """(..., 3) [m]."""
    length: float | NDArray = 1.0
    """a: half of its extent along x [m]."""
    width: float | NDArray = 1.0
    """b: its whole extent along y [m]."""
    period: float | NDArray = 6.0
    """Of both loops [s]."""
    heading: float | NDArray | Literal["forward"] = 0.0

    def __post_init__(self) -> None:
        _above_zero("figure-eight period", self.period)

    def path(self, t: NDArray) -> Derivatives:
        """With y = b/2 sin(2 w t)."""
        w = 2 * math.pi / np.asarray(self.period, float)
        s, c = np.sin(w * t), np.cos(w * t)
        s2, c2 = np.sin(2 * w * t), np.cos(2 * w * t)
        a, b = self.length, np.asarray(self.width) / 2
        return (
            np.asarray(self.center, float) + _flat(a * s, b * s2),
            _flat(a * w * c, 2 * b * w * c2),
            _flat(-a * w**2 * s, -4 * b * w**2 * s2),
            _flat(-a * w**3 * c, -8 * b * w**3 * c2),
        )


@dataclass
class Eased(Trajectory):
    """Another trajectory that starts from rest: its clock speeds up from 0 to 1 over `ramp` [s].

    The clock's rate is 6 u^5 - 15 u^4 + 10 u^3, so that velocity, acceleration and jerk start at 0;
    the clock then runs half a ramp late.
    """

    motion: Trajectory
    ramp: float = 2.0

    def __post_init__(self) -> None:
        _above_zero("ramp", self.ramp)
        self.heading = self.motion.heading

    def path(self, t: NDArray) -> Derivatives:
        """Chain rule through the clock."""
        r, u = self.ramp, np.clip(t / self.ramp, 0.0, 1.0)
        clock = r * u**4 * (2.5 - 3 * u + u**2) + np.maximum(t - r, 0.0)
        d = u**3 * (10 - 15 * u + 6 * u**2)
        dd = 30 * u**2 * (1 - u) ** 2 / r
        ddd = 60 * u * (1 - u) * (1 - 2 * u) / r**2
        p, v, a, j = self.motion.path(clock)
        return (
            p,
            _times(d, v),
            _times(d**2, a) + _times(dd, v),
            _times(d**3, j) + _times(3 * d * dd, a) + _times(ddd, v),
        )


def _times(factor: Any, vectors: NDArray) -> NDArray:
    return np.asarray(factor)[..., None] * vectors


def _flat(x: Any, y: Any) -> NDArray:
    x, y = np.broadcast_arrays(x, y)
    return np.stack([x, y, np.zeros_like(x)], axis=-1)


def _above_zero(what: str, value: Any) -> None:
    if not np.all(np.asarray(value) > 0):
        raise ConfigError(f"{what} {value} must be above 0 s")
