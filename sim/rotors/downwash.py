"""Downwash: the wakes of higher drones push lower ones down."""

from __future__ import annotations

from typing import Any

from octoworld.core.arrays import array_namespace

from .constants import REACH


def compat_downwash(position: Any, downwash: Any, radius: Any) -> Any:
    """Force (N, A) [N] along the lower drone's -z, as in gym-pybullet-drones (S. Zhou, DSL).

    Sum over higher drones of a exp(-(d / b)^2 / 2), a = k1 (R / 4 dz)^2, b = k2 dz + k3, with the
    coefficients (k1, k2, k3) `downwash` (N, A, 3) and the propeller `radius` (N, A) of the lower
    one. Unbounded as dz -> 0, and of zero width at dz = -k3 / k2 (0.6875 m for the Crazyflie).
    The original gives NaN there on the axis; here the axis itself keeps the full force.
    """
    xp = array_namespace(position)
    dz, square = _offsets(position)
    felt = (dz > 0) & (square < REACH**2)
    up = xp.where(felt, dz, 1.0)
    k1, k2, k3 = (downwash[..., i][..., None] for i in range(3))
    strength = k1 * (radius[..., None] / (4 * up)) ** 2
    width = (k2 * up + k3) ** 2
    zero = width == 0
    exponent = xp.where(
        zero, xp.where(square == 0, 0.0, -1e30), -0.5 * square / xp.where(zero, 1.0, width)
    )
    return xp.sum(xp.where(felt, strength * xp.exp(exponent), 0.0), axis=-1)


def clean_downwash(
    position: Any, thrust: Any, downwash: Any, radius: Any, hover: Any, weight: Any, cap: float
) -> Any:
    """Force (N, A) [N] along world -z: the model above, made bounded, monotone and causal.

    - strength scales with the upper drone's `thrust` over its `hover` thrust (N, A) [N]: momentum
      theory gives a wake whose dynamic pressure is proportional to thrust, so that a drone with its
      rotors off pushes nothing;
    - width is k2 dz + k3, at least one propeller diameter: it never shrinks to a point, and grows;
    - all wakes together, s, push s / (1 + (s/c)^4)^(1/4) with c = `cap` times `weight` (N, A): the
      sum itself while it is small (0.2 % off at 1 m under one Crazyflie), and never above c.
    """
    xp = array_namespace(position)
    dz, square = _offsets(position)
    felt = (dz > 0) & (square < REACH**2)
    # closer than a hundredth of a radius the cap holds anyway
    up = xp.maximum(dz, 0.01 * radius[..., None])
    up = xp.where(up > 0, up, 1.0)
    k1, k2, k3 = (downwash[..., i][..., None] for i in range(3))
    strength = k1 * (radius[..., None] / (4 * up)) ** 2 * (thrust / hover)[:, None, :]
    width = xp.maximum(k2 * up + k3, 2 * radius[..., None])
    width = xp.where(width > 0, width, 1.0)
    total = xp.sum(xp.where(felt, strength * xp.exp(-0.5 * square / width**2), 0.0), axis=-1)
    most = cap * weight
    ratio = total / xp.where(most > 0, most, 1.0)
    return most * ratio / xp.sqrt(xp.sqrt(1 + ratio**4))


def _offsets(position: Any) -> tuple[Any, Any]:
    """Height of j over i (N, A, A) [m] at [n, i, j], and the horizontal distance squared [m^2]."""
    delta = position[:, None, :, :] - position[:, :, None, :]
    return delta[..., 2], delta[..., 0] ** 2 + delta[..., 1] ** 2
