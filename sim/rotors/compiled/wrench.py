"""Force and torque on every drone of one world: rotors, air, wakes, contacts."""

# pyright: reportIndexIssue=false, reportArgumentType=false, reportOperatorIssue=false
# (numba's decorator hides the types)

from __future__ import annotations

import math

import numpy as np

from ..constants import BULLET_DAMPING, REACH, RPM_TO_RAD
from ..layout import CAP, CLEAN, CONTACTS, DOWNWASH, DRAG, DYN, GROUND, GYRO, MODE, PYB, ROTORS
from .algebra import compiled, rotation, times, turn, unturn
from .contact import contacts, height


@compiled
def wrench(x, body, rotor, wind, shape, place, real, switch, aux, out):
    """Force, torque and thrust of every drone of a world, without gravity.

    `aux` (A, 2): sum of rotor speeds one step ago [rad/s], sum of spin x acceleration [rpm/s].
    """
    mode = switch[MODE]
    drones, rotors = x.shape[0], rotor.shape[1]
    for a in range(drones):
        p = body[a]
        now = rotation(x[a, 3:7])
        # PyBullet turns motor forces by cached link frames, one step old; GND refreshes the cache
        old = rotation(x[a, 13:17]) if mode == PYB else now
        aero = now if switch[GROUND] else old
        thrust = roll = pitch = yaw = lever = 0.0
        lift = lift_roll = lift_pitch = 0.0
        total = momentum = 0.0
        for j in range(rotors):
            c, rpm = rotor[a, j], np.float64(x[a, ROTORS + j])
            f = (c[4] + c[5] * rpm) * rpm
            thrust += f
            roll += c[1] * f
            pitch -= c[0] * f
            lever += c[2] * f
            yaw += c[3] * (c[6] + c[7] * rpm) * rpm
            total += rpm * RPM_TO_RAD
            momentum -= c[3] * rpm * RPM_TO_RAD
            if switch[GROUND] and p[20] > 0 and now[8] > 0:
                hx, hy, hz = turn(now, np.float64(c[0]), np.float64(c[1]), np.float64(c[2]))
                hx, hy, hz = hx + x[a, 0], hy + x[a, 1], hz + x[a, 2]
                h = hz if mode == PYB else height(shape, place, hx, hy, hz)
                ratio = p[19] / (4 * max(h, np.float64(p[21])))
                e = f * p[20] * ratio * ratio
                if mode == CLEAN:
                    e *= now[8]
                lift += e
                lift_roll += c[1] * e
                lift_pitch -= c[0] * e
        o = out[a]
        # forces in the world
        o[0] = old[2] * thrust + aero[2] * lift
        o[1] = old[5] * thrust + aero[5] * lift
        o[2] = old[8] * thrust + aero[8] * lift
        o[6] = thrust
        # torques in the body; with the old rotation the direction of thrust lags, the arms do not
        if mode == PYB:
            ex, ey, ez = unturn(now, old[2], old[5], old[8])
            px, py = -pitch, roll
            roll, pitch, yaw = (
                py * ez - lever * ey + yaw * ex, lever * ex - px * ez + yaw * ey,
                px * ey - py * ex + yaw * ez,
            )  # fmt: skip
        o[3], o[4], o[5] = roll + lift_roll, pitch + lift_pitch, yaw
        vx, vy, vz = np.float64(x[a, 7]), np.float64(x[a, 8]), np.float64(x[a, 9])
        if mode == CLEAN:
            if switch[DRAG]:
                bx, by, bz = unturn(now, vx - wind[a, 0], vy - wind[a, 1], vz - wind[a, 2])
                bx, by, bz = turn(
                    now, -(p[13] * total + p[16]) * bx, -(p[14] * total + p[17]) * by,
                    -(p[15] * total + p[18]) * bz,
                )  # fmt: skip
                o[0] += bx
                o[1] += by
                o[2] += bz
            if switch[GYRO] and p[26] > 0:
                h = p[26] * momentum
                o[3] -= x[a, 11] * h
                o[4] += x[a, 10] * h
                o[5] += p[26] * aux[a, 1] * RPM_TO_RAD
        elif mode == PYB:
            if switch[DRAG]:
                s = aux[a, 0]
                bx, by, bz = unturn(now, -p[13] * s * vx, -p[14] * s * vy, -p[15] * s * vz)
                bx, by, bz = turn(aero, bx, by, bz)
                o[0] += bx
                o[1] += by
                o[2] += bz
            k = BULLET_DAMPING + BULLET_DAMPING * math.sqrt(vx * vx + vy * vy + vz * vz)
            o[0] -= p[0] * k * vx
            o[1] -= p[0] * k * vy
            o[2] -= p[0] * k * vz
            ox, oy, oz = np.float64(x[a, 10]), np.float64(x[a, 11]), np.float64(x[a, 12])
            k = BULLET_DAMPING + BULLET_DAMPING * math.sqrt(ox * ox + oy * oy + oz * oz)
            tx, ty, tz = times(p[1:7], ox, oy, oz)
            o[3] -= k * tx
            o[4] -= k * ty
            o[5] -= k * tz
    if switch[DOWNWASH] and drones > 1:
        downwash(x, body, real[CAP], mode, switch[GROUND], out)
    if switch[CONTACTS]:
        contacts(x, body, shape, place, real, out)


@compiled
def downwash(x, body, cap, mode, fresh, out):
    """Wakes of higher drones; see `downwash.py`."""
    for a in range(x.shape[0]):
        p = body[a]
        k1, k2, k3, radius = (
            np.float64(p[22]),
            np.float64(p[23]),
            np.float64(p[24]),
            np.float64(p[19]),
        )
        if k1 == 0 or radius == 0:
            continue
        total = 0.0
        for b in range(x.shape[0]):
            dz = np.float64(x[b, 2]) - np.float64(x[a, 2])
            if dz <= 0:
                continue
            dx, dy = (
                np.float64(x[b, 0]) - np.float64(x[a, 0]),
                np.float64(x[b, 1]) - np.float64(x[a, 1]),
            )
            square = dx * dx + dy * dy
            if square >= REACH * REACH:
                continue
            width = k2 * dz + k3
            if mode == CLEAN:
                dz = max(dz, 0.01 * radius)
                width = max(k2 * dz + k3, 2 * radius)
            ratio = radius / (4 * dz)
            strength = k1 * ratio * ratio
            if mode == CLEAN:
                strength *= out[b, 6] / body[b, 29]
            if width != 0:
                strength *= math.exp(-0.5 * square / (width * width))
            elif square > 0:
                strength = 0.0
            total += strength
        if mode == CLEAN:
            most = cap * body[a, 29]
            ratio = total / most if most > 0 else 0.0
            ratio2 = ratio * ratio
            out[a, 2] -= most * ratio / math.sqrt(math.sqrt(1 + ratio2 * ratio2))
        elif total > 0:
            r = rotation(x[a, 3:7]) if fresh or mode == DYN else rotation(x[a, 13:17])
            out[a, 0] -= r[2] * total
            out[a, 1] -= r[5] * total
            out[a, 2] -= r[8] * total
