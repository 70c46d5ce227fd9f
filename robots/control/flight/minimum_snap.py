"""Minimum-snap polynomials through waypoints, solved in closed form; they end at rest.

Mellinger & Kumar 2011 minimise the integral of squared snap; in the unconstrained form of Richter,
Bry & Roy 2013 the unknowns are the derivatives at the waypoints, and one linear system gives them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from octoworld.core.errors import ConfigError

from .trajectories import Derivatives, Trajectory

ORDER = 8
"""Coefficients of a segment's polynomial, degree 7: the degree that minimum snap has."""
LEVELS = 4
"""Position, velocity, acceleration, jerk: continuous at waypoints."""


def _falling(power: int, times: int) -> float:
    """Factor of u^(power - times) in the derivative of u^power."""
    return float(math.prod(range(power - times + 1, power + 1))) if times <= power else 0.0


def _ends() -> NDArray[np.float64]:
    """(8, 8): coefficients -> derivatives 0..3 at u = 0, then at u = 1."""
    rows = [[_falling(k, d) * (u == 1 or k == d) for k in range(ORDER)]
            for u in (0, 1) for d in range(LEVELS)]  # fmt: skip
    return np.array(rows)


def _snap_cost() -> NDArray[np.float64]:
    """(8, 8) Q with integral over 0..1 of snap^2 = c^T Q c."""
    cost = np.zeros((ORDER, ORDER))
    for i in range(4, ORDER):
        for k in range(4, ORDER):
            cost[i, k] = _falling(i, 4) * _falling(k, 4) / (i + k - 7)
    return cost


HERMITE = np.linalg.inv(_ends())
COST = HERMITE.T @ _snap_cost() @ HERMITE


@dataclass
class Polynomial(Trajectory):
    """Piecewise polynomials of degree 7 through waypoints."""

    durations: NDArray[np.float64]
    """(..., S) of each segment [s]."""
    coefficients: NDArray[np.float64]
    """(..., S, 8, 3) of powers of u in 0..1."""
    heading: float | NDArray | str = 0.0  # type: ignore[assignment]

    @property
    def duration(self) -> NDArray[np.float64]:
        """(...,) of the whole [s]."""
        return self.durations.sum(axis=-1)

    def path(self, t: NDArray) -> Derivatives:
        """Value of the segment that time `t` is in; the ends are held, at rest."""
        ends = np.cumsum(self.durations, axis=-1)
        t = np.clip(t, 0.0, ends[..., -1])
        segment = np.sum(t[..., None] >= ends[..., :-1], axis=-1)
        shape = segment.shape
        span = np.take_along_axis(
            np.broadcast_to(self.durations, (*shape, ends.shape[-1])), segment[..., None], -1
        )[..., 0]
        start = np.take_along_axis(
            np.broadcast_to(ends - self.durations, (*shape, ends.shape[-1])), segment[..., None], -1
        )[..., 0]
        table = np.broadcast_to(self.coefficients, (*shape, ends.shape[-1], ORDER, 3))
        c = np.take_along_axis(table, segment[..., None, None, None], -3)[..., 0, :, :]
        u = ((t - start) / span)[..., None]
        values = []
        for times in range(LEVELS):
            value = np.zeros((*shape, 3))
            for power in range(ORDER - 1, times - 1, -1):
                value = value * u + _falling(power, times) * c[..., power, :]
            values.append(value / span[..., None] ** times)
        return values[0], values[1], values[2], values[3]


def snap(
    waypoints: NDArray, durations: NDArray, start: NDArray | None = None
) -> tuple[NDArray, NDArray]:
    """Coefficients (..., S, 8, 3) and cost (...,), the integral of |snap|^2 [m^2/s^7].

    `waypoints` (..., S + 1, 3) [m], `durations` (..., S) [s]. The unknowns are velocity,
    acceleration and jerk at the inner waypoints; they are 0 at the end, and at the beginning 0 or
    `start` (..., 3, 3) [m/s, m/s^2, m/s^3].
    """
    segments = durations.shape[-1]
    batch = np.broadcast_shapes(waypoints.shape[:-2], durations.shape[:-1])
    size = LEVELS * (segments + 1)
    cost = np.zeros((*batch, size, size))
    scales = []
    for s in range(segments):
        # derivative d in seconds is T^d times smaller than in u; snap^2 integrates to T^-7
        powers = durations[..., s, None] ** np.tile(np.arange(LEVELS), 2)
        scales.append(np.broadcast_to(powers, (*batch, 2 * LEVELS)))
        part = COST * powers[..., :, None] * powers[..., None, :]
        at = slice(LEVELS * s, LEVELS * (s + 2))
        cost[..., at, at] += part / durations[..., s, None, None] ** 7
    values = np.zeros((*batch, size, 3))
    values[..., ::LEVELS, :] = waypoints
    if start is not None:
        values[..., 1:LEVELS, :] = start
    free = [LEVELS * w + d for w in range(1, segments) for d in range(1, LEVELS)]
    if free:
        fixed = [i for i in range(size) if i not in free]
        rhs = cost[..., free, :][..., fixed] @ values[..., fixed, :]
        values[..., free, :] = -np.linalg.solve(cost[..., free, :][..., free], rhs)
    total = np.einsum("...ik,...ij,...jk->...", values, cost, values)
    coefficients = np.stack(
        [
            HERMITE @ (scales[s][..., None] * values[..., LEVELS * s : LEVELS * (s + 2), :])
            for s in range(segments)
        ],
        axis=-3,
    )
    return coefficients, total


def allocate_times(waypoints: ArrayLike, speed: float, acceleration: float) -> NDArray[np.float64]:
    """Durations (..., S) [s] of segments between waypoints (..., S + 1, 3).

    Each is as long as a trapezoid of speed from rest to rest takes: d/v + v/a, or 2 sqrt(d/a) where
    the top speed is not reached.
    """
    points = np.asarray(waypoints, float)
    if not (speed > 0 and acceleration > 0):
        raise ConfigError(f"speed {speed} and acceleration {acceleration} must be above 0")
    gap = np.linalg.norm(np.diff(points, axis=-2), axis=-1)
    if not np.all(gap > 0):
        raise ConfigError("two successive waypoints are the same point; leave one out")
    long = gap > speed**2 / acceleration
    return np.where(long, gap / speed + speed / acceleration, 2 * np.sqrt(gap / acceleration))


def minimum_snap(
    waypoints: ArrayLike,
    durations: ArrayLike | None = None,
    *,
    speed: float = 1.0,
    acceleration: float = 2.0,
    optimize: bool = False,
    heading: float | NDArray | str = 0.0,
    start: NDArray | None = None,
) -> Polynomial:
    """Polynomials of least snap through `waypoints` (..., S + 1, 3) [m].

    Args:
        waypoints: at least two; batches are solved together.
        durations: (..., S) [s]; None: `allocate_times` with `speed` [m/s] and `acceleration`.
        speed: of the allocation [m/s].
        acceleration: of the allocation [m/s^2].
        optimize: shift time between segments, the sum kept, to the least snap (one trajectory).
        heading: yaw [rad], or "forward".
        start: velocity, acceleration and jerk at the first waypoint, (..., 3, 3); None is rest.
    """
    points = np.asarray(waypoints, float)
    if points.ndim < 2 or points.shape[-1] != 3 or points.shape[-2] < 2:
        raise ConfigError(f"waypoints of shape {points.shape}: expected (..., 2 or more, 3)")
    if durations is None:
        times = allocate_times(points, speed, acceleration)
    else:
        times = np.asarray(durations, float)
    if times.shape[-1:] != (points.shape[-2] - 1,) or not np.all(times > 0):
        raise ConfigError(
            f"durations {times.tolist()}: expected {points.shape[-2] - 1} numbers above 0 s"
        )
    if optimize:
        if start is not None:
            raise ConfigError("optimize shifts times of trajectories from rest: leave start out")
        times = _least_snap(points, times)
    coefficients, _ = snap(points, times, start)
    times = np.broadcast_to(times, coefficients.shape[:-2])
    return Polynomial(times, coefficients, heading)


def _least_snap(points: NDArray, times: NDArray) -> NDArray:
    if points.ndim != 2:
        raise ConfigError(
            f"optimize takes one trajectory, not a batch of shape {points.shape[:-2]}"
        )
    total = times.sum()

    def durations(logs: NDArray) -> NDArray:
        shares = np.exp(logs - logs.max())
        return total * shares / shares.sum()

    def cost(logs: NDArray) -> float:
        return math.log(float(snap(points, durations(logs))[1]))

    found = minimize(cost, np.log(times), method="L-BFGS-B")
    return durations(found.x)
