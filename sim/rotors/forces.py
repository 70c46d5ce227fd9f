"""What one drone's rotors and the air do to it: thrust, torque, drag, ground effect, damping.

Pure functions of numpy or torch arrays shaped (N, A, ...): N worlds, A drones, M rotors.
"""

from __future__ import annotations

from typing import Any

from octoworld.core.arrays import array_namespace

from .constants import RPM_TO_RAD


def rotor_thrust(rpm: Any, thrust: Any) -> Any:
    """Thrust along body +z, f = (c1 + c2 rpm) rpm [N].

    rpm (..., M), thrust (..., M, 2) -> (..., M). c2 alone is the usual kf (Luis & Le Ny 2016);
    c1 is of identified sets (drone-models).
    """
    return (thrust[..., 0] + thrust[..., 1] * rpm) * rpm


def rotor_torque(rpm: Any, torque: Any, spin: Any) -> Any:
    """Reaction torque about body +z, (..., M) [N m]; `spin` (..., M) is its sign."""
    return spin * (torque[..., 0] + torque[..., 1] * rpm) * rpm


def speed_sum(rpm: Any) -> Any:
    """Sum of rotor speeds (..., M) [rpm] -> (...,) [rad/s]."""
    return array_namespace(rpm).sum(rpm, axis=-1) * RPM_TO_RAD


def rotor_drag(velocity: Any, speeds: Any, coefficient: Any, linear: Any) -> Any:
    """Drag (..., 3) [N] in the axes of `velocity` (..., 3), that of the body relative to the air.

    -(k sum|omega| + d) v with k `coefficient` of Forster 2015 (eq. 4.2) and d `linear`, both by
    axis of the body; `speeds` (...,) is `speed_sum`.
    """
    return -(coefficient * speeds[..., None] + linear) * velocity


def gyroscopic_torque(rpm: Any, rate: Any, spin: Any, inertia: Any, omega: Any) -> Any:
    """Body torque (..., 3) [N m] of propellers that turn, and that change their speed.

    Their angular momentum about body z is h = -I sum(spin rpm): torque -omega x h - dh/dt.
    `rate` (..., M) [rpm/s], `omega` (..., 3) body rates [rad/s], `inertia` (...,) of one rotor.
    """
    xp = array_namespace(rpm)
    h = -inertia * xp.sum(spin * rpm, axis=-1) * RPM_TO_RAD
    change = -inertia * xp.sum(spin * rate, axis=-1) * RPM_TO_RAD
    return xp.stack([-omega[..., 1] * h, omega[..., 0] * h, -change], axis=-1)


def ground_effect(force: Any, height: Any, radius: Any, coefficient: Any, lowest: Any) -> Any:
    """Extra thrust (..., M) [N] of rotors that give `force` at `height` (..., M) [m].

    f c (R / 4h)^2 (Shi et al. 2019, eq. 3; c = 11.36859 by Danjun et al. 2015), with h not below
    `lowest` (...,) [m]: 15.21 % at 5 cm for the Crazyflie. `radius`, `coefficient` (...,).
    """
    xp = array_namespace(force)
    h = xp.maximum(height, lowest[..., None])
    near = xp.where(h > 0, radius[..., None] / (4 * xp.where(h > 0, h, 1.0)), 0.0)
    return force * coefficient[..., None] * near**2


def bullet_damping(velocity: Any, coefficient: float) -> Any:
    """Acceleration (..., 3) by which Bullet damps a velocity (..., 3): -(c + c |v|) v.

    btMultiBody's default, linear and angular, 0.04 each; measured in PyBullet 3.2.7.
    """
    xp = array_namespace(velocity)
    speed = xp.linalg.vector_norm(velocity, axis=-1, keepdims=True)
    return -(coefficient + coefficient * speed) * velocity
