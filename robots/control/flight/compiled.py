"""The controllers as compiled loops over drones: numba, scalar, the formulae of the siblings.

numpy costs about 1 us a call, so one drone's command of 100 small operations would cost 100 us.
Tests hold these kernels against the array functions. Arrays are (B, width) float64 of any strides;
`p` is `parameters.pack`, `inverse` (M, 4) the mixer's, `out` (B, M) [rpm].
"""

# pyright: reportIndexIssue=false, reportArgumentType=false, reportOperatorIssue=false
# (numba's decorator hides the types)

from __future__ import annotations

import math

import numpy as np

from . import compiling, parameters, tracking
from .compiling import clip, compiled, cross, dot, entry, renew, rotation, shorten, unturn
from .parameters import (
    CALM,
    DISTANCE_LIMIT,
    DRAG,
    DT,
    GEOMETRIC,
    GRAVITY,
    HIGHEST,
    INERTIA,
    INTEGRAL_LIMIT,
    KI,
    KIND,
    KP,
    KR,
    KV,
    KW,
    LEAD,
    LINEAR,
    LOWEST,
    MASS,
    MAX_FORCE,
    MAX_JERK,
    MAX_RPM,
    RESPONSE,
    SQUARE,
    TILT,
    YAW_MARGIN,
)
from .tracking import TINY

renew(__file__, compiling.__file__, parameters.__file__, tracking.__file__)


@compiled
def inertia_times(p, v):
    """J v."""
    j = p[INERTIA : INERTIA + 9]
    return (
        j[0] * v[0] + j[1] * v[1] + j[2] * v[2],
        j[3] * v[0] + j[4] * v[1] + j[5] * v[2],
        j[6] * v[0] + j[7] * v[1] + j[8] * v[2],
    )


@compiled
def error_of(r, b1, b2, b3):
    """e_R of matrix `r` against [b1 b2 b3]."""
    x, y, z = unturn(r, b1), unturn(r, b2), unturn(r, b3)  # columns of R^T R_d
    return 0.5 * (z[1] - y[2]), 0.5 * (x[2] - z[0]), 0.5 * (y[0] - x[1])


@compiled
def torque_of(p, error, omega, seen, turning):
    """J (-k_R e_R - k_w (w - seen) - turning w x seen) + turning w x J w."""
    c = cross(omega, seen)
    t = inertia_times(
        p,
        (
            -p[KR] * error[0] - p[KW] * (omega[0] - seen[0]) - turning * c[0],
            -p[KR + 1] * error[1] - p[KW + 1] * (omega[1] - seen[1]) - turning * c[1],
            -p[KR + 2] * error[2] - p[KW + 2] * (omega[2] - seen[2]) - turning * c[2],
        ),
    )
    g = cross(omega, inertia_times(p, omega))
    return t[0] + turning * g[0], t[1] + turning * g[1], t[2] + turning * g[2]


@compiled
def mix(p, inverse, thrust, torque, speed, tilt, out):
    """`Mixer.rpm` and the motors' lead: thrust and torque into `out` (M,)."""
    rotors, most = inverse.shape[0], p[MAX_FORCE]
    low, high = math.inf, -math.inf
    for i in range(rotors):
        tilt[i] = torque[0] * inverse[i, 1] + torque[1] * inverse[i, 2]
        low, high = min(low, tilt[i]), max(high, tilt[i])
    scale = most / (high - low) if high - low > most else 1.0
    low, high = math.inf, -math.inf
    for i in range(rotors):
        tilt[i] = inverse[i, 0] * thrust + scale * tilt[i]
        low, high = min(low, tilt[i]), max(high, tilt[i])
    room = (-low if low < 0 else 0.0) + (most - high if high > most else 0.0)
    above, below = most, most
    for i in range(rotors):
        tilt[i] += room
        yaw = torque[2] * inverse[i, 3]
        if yaw > 0:
            above = min(above, most - tilt[i] - yaw)
        elif yaw < 0:
            below = min(below, tilt[i] + yaw)
    low, high = low + room, high + room
    shift = max((above - below) / 2, min(above, 0.0))
    shift = min(shift, max(-below, 0.0))
    shift = clip(shift, -p[YAW_MARGIN] * most, p[YAW_MARGIN] * most)
    shift = max(min(shift, most - high), -low)
    trim = 1.0
    for i in range(rotors):
        tilt[i] += shift
        yaw = torque[2] * inverse[i, 3]
        if yaw != 0:
            trim = min(trim, (most - tilt[i] if yaw > 0 else tilt[i]) / abs(yaw))
    trim = max(trim, 0.0)
    a, b = p[SQUARE], p[LINEAR]
    for i in range(rotors):
        force = clip(tilt[i] + trim * torque[2] * inverse[i, 3], 0.0, most)
        rpm = clip((math.sqrt(b * b + 4 * a * force) - b) / (2 * a), 0.0, p[MAX_RPM])
        if p[LEAD] != 1:
            rpm = clip(speed[i] + (rpm - speed[i]) * p[LEAD], 0.0, p[MAX_RPM])
            speed[i] += p[RESPONSE] * (rpm - speed[i])
        out[i] = rpm


@entry(5, 2)
def track(position, quat, velocity, omega, target, integral, speed, p, inverse, out):
    """Geometric or Mellinger command of every drone; see `geometric.py` and `mellinger.py`."""
    tilt = np.empty(inverse.shape[0])
    geometric = p[KIND] == GEOMETRIC
    gains = p[KI] > 0 or p[KI + 1] > 0 or p[KI + 2] > 0
    most = p[MAX_FORCE] * inverse.shape[0]
    for n in range(out.shape[0]):
        t, w = target[n], (omega[n, 0], omega[n, 1], omega[n, 2])
        r = rotation(quat[n])
        e = shorten(
            position[n, 0] - t[0], position[n, 1] - t[1], position[n, 2] - t[2], p[DISTANCE_LIMIT]
        )
        v = (velocity[n, 0] - t[3], velocity[n, 1] - t[4], velocity[n, 2] - t[5])
        if gains and math.sqrt(dot(v, v)) <= p[CALM]:
            for i in range(3):
                integral[n, i] = clip(
                    integral[n, i] + e[i] * p[DT], -p[INTEGRAL_LIMIT], p[INTEGRAL_LIMIT]
                )
        x = t[6] + p[DRAG] * t[3] - p[KP] * e[0] - p[KV] * v[0] - p[KI] * integral[n, 0]
        y = (
            t[7]
            + p[DRAG + 1] * t[4]
            - p[KP + 1] * e[1]
            - p[KV + 1] * v[1]
            - p[KI + 1] * integral[n, 1]
        )
        z = (
            t[8]
            + p[DRAG + 2] * t[5]
            - p[KP + 2] * e[2]
            - p[KV + 2] * v[2]
            - p[KI + 2] * integral[n, 2]
            + p[GRAVITY]
        )
        up = clip(z, p[LOWEST], p[HIGHEST])
        reach, widest = math.sqrt(x * x + y * y), p[TILT] * up
        limited = up != z or reach > widest
        if reach > widest:
            x, y = x * (widest / reach), y * (widest / reach)
        a = (x, y, up)
        length = max(math.sqrt(dot(a, a)), TINY)
        b3 = (x / length, y / length, up / length)
        heading = (math.cos(t[12]), math.sin(t[12]), 0.0)
        b2 = cross(b3, heading)
        side = max(math.sqrt(dot(b2, b2)), TINY)
        b2 = (b2[0] / side, b2[1] / side, b2[2] / side)
        b1 = cross(b2, b3)
        thrust = clip(p[MASS] * dot(a, (r[2], r[5], r[8])), 0.0, most)
        change = (
            t[9] + p[DRAG] * t[6], t[10] + p[DRAG + 1] * t[7], t[11] + p[DRAG + 2] * t[8]
        )  # fmt: skip
        if geometric:
            f = thrust / p[MASS]
            b = shorten(
                -p[KP] * v[0] - p[KV] * (f * r[2] - t[6]),
                -p[KP + 1] * v[1] - p[KV + 1] * (f * r[5] - t[7]),
                -p[KP + 2] * v[2] - p[KV + 2] * (f * r[8] - p[GRAVITY] - t[8]),
                p[MAX_JERK],
            )
            change = (change[0] + b[0], change[1] + b[1], change[2] + b[2])
            if limited:
                change = (0.0, 0.0, 0.0)
        along = dot(b3, change)
        turn = (
            (change[0] - b3[0] * along) / length,
            (change[1] - b3[1] * along) / length,
            (change[2] - b3[2] * along) / length,
        )
        rates = (-dot(b2, turn), dot(b1, turn), t[13] * b3[2])
        error = error_of(r, b1, b2, b3)
        if geometric:
            c = cross(turn, heading)
            d = cross(b3, (-heading[1] * t[13], heading[0] * t[13], 0.0))
            about = -dot(b1, (c[0] + d[0], c[1] + d[1], c[2] + d[2])) / side
            world = (
                b1[0] * rates[0] + b2[0] * rates[1] + b3[0] * about,
                b1[1] * rates[0] + b2[1] * rates[1] + b3[1] * about,
                b1[2] * rates[0] + b2[2] * rates[1] + b3[2] * about,
            )
            torque = torque_of(p, error, w, unturn(r, world), 1.0)
        else:
            torque = torque_of(p, error, w, rates, 0.0)
        mix(p, inverse, thrust, torque, speed[n], tilt, out[n])


@entry(3, 1)
def attitude(quat, omega, target, speed, p, inverse, out):
    """Attitude command of every drone; see `attitude.py`."""
    tilt = np.empty(inverse.shape[0])
    for n in range(out.shape[0]):
        r, w = rotation(quat[n]), (omega[n, 0], omega[n, 1], omega[n, 2])
        yaw = math.atan2(r[3], r[0])
        cr, sr = math.cos(target[n, 0]), math.sin(target[n, 0])
        cp, sp = math.cos(target[n, 1]), math.sin(target[n, 1])
        cy, sy = math.cos(yaw), math.sin(yaw)
        b1 = (cy * cp, sy * cp, -sp)
        b2 = (cy * sp * sr - sy * cr, sy * sp * sr + cy * cr, cp * sr)
        b3 = (cy * sp * cr + sy * sr, sy * sp * cr - cy * sr, cp * cr)
        seen = unturn(r, (0.0, 0.0, target[n, 2]))
        torque = torque_of(p, error_of(r, b1, b2, b3), w, seen, 1.0)
        mix(p, inverse, target[n, 3], torque, speed[n], tilt, out[n])


@entry(2, 1)
def rates(omega, target, speed, p, inverse, out):
    """Body-rate command of every drone; see `rates.py`."""
    tilt = np.empty(inverse.shape[0])
    for n in range(out.shape[0]):
        w = (omega[n, 0], omega[n, 1], omega[n, 2])
        t = inertia_times(
            p,
            (
                p[KW] * (target[n, 0] - w[0]),
                p[KW + 1] * (target[n, 1] - w[1]),
                p[KW + 2] * (target[n, 2] - w[2]),
            ),
        )
        g = cross(w, inertia_times(p, w))
        torque = (t[0] + g[0], t[1] + g[1], t[2] + g[2])
        mix(p, inverse, target[n, 3], torque, speed[n], tilt, out[n])
