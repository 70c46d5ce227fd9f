"""DSLPID as a compiled loop over drones; `dslpid.py` has the same formulae for arrays."""

# pyright: reportIndexIssue=false, reportArgumentType=false, reportOperatorIssue=false
# (numba's decorator hides the types)

from __future__ import annotations

import math

from . import compiling, dslpid
from .compiling import clip, cross, dot, entry, renew, rotation, unturn
from .dslpid import (
    GIMBAL,
    MOST_TORQUE,
    POSITION_INTEGRAL,
    PWM_HIGH,
    PWM_LOW,
    PWM_OFFSET,
    PWM_SCALE,
    ROTATION_INTEGRAL,
)

renew(__file__, compiling.__file__, dslpid.__file__)


@entry(5, 3)
def control(
    position, quat, velocity, target, rates, last_rpy, integral, integral_rotation, p, mixer, out
):
    """Command of every drone; `p` is dt, weight, kf and the gains."""
    dt = p[0]
    for n in range(out.shape[0]):
        t, r = target[n], rotation(quat[n])
        w, x, y, z = quat[n, 0], quat[n, 1], quat[n, 2], quat[n, 3]
        force = [0.0, 0.0, p[1]]
        for i in range(3):
            most = POSITION_INTEGRAL[i]
            error = t[i] - position[n, i]
            integral[n, i] = clip(integral[n, i] + error * dt, -most, most)
            force[i] += (
                p[3 + i] * error
                + p[6 + i] * integral[n, i]
                + p[9 + i] * (t[3 + i] - velocity[n, i])
            )
        along = max(0.0, force[0] * r[2] + force[1] * r[5] + force[2] * r[8])
        thrust = (math.sqrt(along / (4 * p[2])) - PWM_OFFSET) / PWM_SCALE
        length = math.sqrt(force[0] ** 2 + force[1] ** 2 + force[2] ** 2)
        b3 = (force[0] / length, force[1] / length, force[2] / length)
        b2 = cross(b3, (math.cos(t[12]), math.sin(t[12]), 0.0))
        side = math.sqrt(dot(b2, b2))
        b2 = (b2[0] / side, b2[1] / side, b2[2] / side)
        b1 = cross(b2, b3)
        e1, e2, e3 = unturn(r, b1), unturn(r, b2), unturn(r, b3)  # columns of R^T R_d
        turn = (e3[1] - e2[2], e1[2] - e3[0], e2[0] - e1[1])
        sine = -2 * (x * z - w * y)
        if sine <= -GIMBAL:
            rpy = (0.0, -math.pi / 2, 2 * math.atan2(x, -y))
        elif sine >= GIMBAL:
            rpy = (0.0, math.pi / 2, 2 * math.atan2(-x, y))
        else:
            rpy = (
                math.atan2(2 * (y * z + w * x), w * w - x * x - y * y + z * z),
                math.asin(sine),
                math.atan2(2 * (x * y + w * z), w * w + x * x - y * y - z * z),
            )
        torque = [0.0, 0.0, 0.0]
        for i in range(3):
            rate = rates[n, i] - (rpy[i] - last_rpy[n, i]) / dt
            last_rpy[n, i] = rpy[i]
            most = ROTATION_INTEGRAL[i]
            integral_rotation[n, i] = clip(integral_rotation[n, i] - turn[i] * dt, -most, most)
            torque[i] = clip(
                -p[12 + i] * turn[i] + p[18 + i] * rate + p[15 + i] * integral_rotation[n, i],
                -MOST_TORQUE, MOST_TORQUE,
            )  # fmt: skip
        for i in range(4):
            pwm = thrust
            for k in range(3):
                pwm += mixer[i, k] * torque[k]
            out[n, i] = PWM_SCALE * clip(pwm, PWM_LOW, PWM_HIGH) + PWM_OFFSET
