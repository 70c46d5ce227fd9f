"""Wind: mean, gusts (Gauss-Markov) or Dryden turbulence, reproducible world by world.

All drones of a world feel the same wind: a flying arena is small against the gusts.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .config import WindConfig

LEAST_AIRSPEED = 1.0
"""Turbulence is carried past a hovering drone by the mean wind, or at least this fast [m/s]."""
STATES = 5
"""Filter states: x; y and its second; z and its second. Each of unit variance, or of one half."""
_M64 = np.uint64(0xFFFFFFFFFFFFFFFF)


def normals(key: NDArray[np.uint64], counter: NDArray[np.uint64], count: int) -> NDArray:
    """Standard normals (N, count) that depend on `key` (N,) and `counter` (N,) alone.

    splitmix64 (Steele et al. 2014) as a counter-based generator, then Box-Muller; so that a world's
    noise is the same in any batch, and continues after a snapshot.
    """
    index = np.arange(2 * count, dtype=np.uint64)
    with np.errstate(over="ignore"):
        base = _mix(key * np.uint64(0x9E3779B97F4A7C15) + counter)
        bits = _mix(base[:, None] + (index + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return np.sqrt(-2 * np.log(uniform[:, :count])) * np.cos(2 * math.pi * uniform[:, count:])


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def wind_start(config: WindConfig, noise: NDArray) -> NDArray:
    """Filter states (N, 5) drawn from their stationary distribution with `noise` (N, 5)."""
    states = noise.copy()
    for i in (1, 3):  # covariance [[1, 1/2], [1/2, 1/2]]
        states[:, i + 1] = 0.5 * noise[:, i] + 0.5 * noise[:, i + 1]
    return states


def wind_step(config: WindConfig, states: NDArray, noise: NDArray, dt: float) -> NDArray:
    """Filter states (N, 5) after `dt` [s] with standard normals `noise` (N, 5); exact for any dt.

    p' = (n - p) / tau and q' = (p - q) / tau with white n: the Dryden filters of MIL-F-8785C are
    p along the wind and (sqrt(3) p + (1 - sqrt(3)) q) / sqrt(2) across it, with tau = L / V.
    """
    new = np.empty_like(states)
    x, y, z = time_constants(config)
    decay = math.exp(-dt / x)
    new[:, 0] = decay * states[:, 0] + math.sqrt(1 - decay * decay) * noise[:, 0]
    for i, tau in ((1, y), (3, z)):
        h, e = dt / tau, math.exp(-dt / tau)
        # covariance of what the noise adds: stationary minus propagated
        a = 1 - e * e
        b = 0.5 - e * e * (h + 0.5)
        c = 0.5 - e * e * (h * h + h + 0.5)
        first = math.sqrt(a)
        mixed = b / first if first > 0 else 0.0
        rest = math.sqrt(max(0.0, c - mixed * mixed))
        p, q = states[:, i], states[:, i + 1]
        new[:, i] = e * p + first * noise[:, i]
        new[:, i + 1] = e * (q + h * p) + mixed * noise[:, i] + rest * noise[:, i + 1]
    return new


def wind_velocity(config: WindConfig, states: NDArray) -> NDArray:
    """Velocity of the air (N, 3) in world axes [m/s]."""
    p = states[:, [0, 1, 3]]
    if config.kind == "dryden":
        q, root = states[:, [2, 4]], math.sqrt(3)
        p[:, 1:] = (root * p[:, 1:] + (1 - root) * q) / math.sqrt(2)
    return np.asarray(config.mean) + np.asarray(config.strength) * p


def time_constants(config: WindConfig) -> tuple[float, float, float]:
    """Correlation times along x y z [s]."""
    if config.kind == "gusts":
        return config.time_constant, config.time_constant, config.time_constant
    speed = max(LEAST_AIRSPEED, math.hypot(*config.mean))
    return (config.length[0] / speed, config.length[1] / speed, config.length[2] / speed)
