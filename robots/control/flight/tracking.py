"""Formulae that the position-tracking controllers share: thrust vector, attitude, its errors.

Arrays have any leading shape (..., ); numpy or torch.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from octoworld.core.arrays import array_namespace

from .gains import Gains
from .setpoint import vector

TINY = 1e-9


def wanted_acceleration(
    setpoint: Any, position: Any, velocity: Any, integral: Any, gains: Gains, gravity: float
) -> tuple[Any, Any]:
    """Acceleration that the rotors shall give, gravity included, (..., 3) [m/s^2]; is it limited.

    a = a_d + D v_d - K_p e_p - K_v e_v - K_i int(e_p) + g e_3. Its vertical part is kept in
    [min_acceleration, max_acceleration] and its tilt under max_tilt; the second result (...,) says
    where a limit acted.
    """
    xp = array_namespace(position)
    error = shortened(position - setpoint.position, gains.distance_limit)
    wanted = (
        setpoint.acceleration
        + like(gains.drag, position) * setpoint.velocity
        - like(gains.position, position) * error
        - like(gains.velocity, position) * (velocity - setpoint.velocity)
        - like(gains.integral, position) * integral
    )
    x, y, z = wanted[..., 0], wanted[..., 1], wanted[..., 2] + gravity
    up = xp.clip(z, gains.min_acceleration, gains.max_acceleration)
    reach = xp.sqrt(x * x + y * y)
    most = math.tan(gains.max_tilt) * up
    over = reach > most
    scale = xp.where(over, most / xp.where(over, reach, xp.ones_like(reach)), 1.0)
    return vector(x * scale, y * scale, up), over | (up != z)


def attitude_along(thrust_axis: Any, yaw: Any) -> tuple[Any, Any, Any]:
    """Body axes b1, b2, b3 (..., 3) with z along `thrust_axis` and x towards `yaw` (...,) [rad].

    b3 = a/|a|, b2 = b3 x c / |b3 x c| with c = (cos yaw, sin yaw, 0), b1 = b2 x b3 (Mellinger &
    Kumar 2011, eq. 5-7; Lee et al. 2010, eq. 22).
    """
    xp = array_namespace(thrust_axis)
    b3 = thrust_axis / xp.clip(norm(thrust_axis), TINY, None)
    b2 = cross(b3, vector(xp.cos(yaw), xp.sin(yaw), xp.zeros_like(yaw)))
    b2 = b2 / xp.clip(norm(b2), TINY, None)
    return cross(b2, b3), b2, b3


def attitude_error(rotation: Any, wanted: Any) -> Any:
    """e_R = 1/2 (R_d^T R - R^T R_d)^vee, (..., 3), of matrices (..., 3, 3) (Lee et al., eq. 10)."""
    xp = array_namespace(rotation)
    m = xp.matrix_transpose(rotation) @ wanted
    return 0.5 * vector(
        m[..., 1, 2] - m[..., 2, 1], m[..., 2, 0] - m[..., 0, 2], m[..., 0, 1] - m[..., 1, 0]
    )


def next_integral(integral: Any, error: Any, drift: Any, dt: float, gains: Gains) -> Any:
    """Position integral (..., 3) [m s] one period on, where the velocity's error `drift` is small.

    Then the error is one that stays, not a way to go.
    """
    if not any(gains.integral):
        return integral
    xp = array_namespace(integral)
    limit = gains.integral_limit
    share = xp.where(norm(drift) <= gains.integral_speed, dt, 0.0)
    return xp.clip(integral + shortened(error, gains.distance_limit) * share, -limit, limit)


def shortened(vectors: Any, limit: float) -> Any:
    """Vectors (..., 3), those longer than `limit` shortened to it."""
    xp = array_namespace(vectors)
    length = norm(vectors)
    long = length > limit
    return vectors * xp.where(long, limit / xp.where(long, length, xp.ones_like(length)), 1.0)


def norm(vectors: Any) -> Any:
    """(..., 3) -> (..., 1)."""
    xp = array_namespace(vectors)
    return xp.sqrt(xp.sum(vectors * vectors, axis=-1, keepdims=True))


def dot(a: Any, b: Any) -> Any:
    """(..., 3), (..., 3) -> (...,)."""
    return array_namespace(a, b).sum(a * b, axis=-1)


def cross(a: Any, b: Any) -> Any:
    """(..., 3) x (..., 3)."""
    return vector(
        a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1],
        a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2],
        a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0],
    )


def times(matrix: Any, vectors: Any) -> Any:
    """Matrices (..., 3, 3) times vectors (..., 3)."""
    return array_namespace(matrix, vectors).sum(matrix * vectors[..., None, :], axis=-1)


def like(values: Any, array: Any) -> Any:
    """`values` as an array of the kind, type and device of `array`; tuples are kept for next time.

    On an accelerator each new array is a transfer. The result is shared: do not write to it.
    """
    xp = array_namespace(array)
    if isinstance(values, tuple):
        return _constant(values, xp, array.dtype, array.device)
    return xp.asarray(values, dtype=array.dtype, device=array.device)


@lru_cache(maxsize=256)
def _constant(values: tuple, xp: Any, dtype: Any, device: Any) -> Any:
    return xp.asarray(values, dtype=dtype, device=device)
