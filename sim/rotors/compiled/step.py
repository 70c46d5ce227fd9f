"""The rotorcraft step as one compiled loop over worlds: numba, scalar, no allocation per drone.

The same formulae as the array functions of this package, which are the reference that tests hold it
against. numpy costs about 1 us a call, so one drone's step of a hundred small operations would cost
100 us; compiled it costs under 1 us. Worlds never mix: N worlds give the bits of one.

Arrays: `state` (N, A, 18 + M) in the columns of `layout.py`, float64 or float32 (arithmetic is in
float64 either way); `body` (W, A, 30) and `rotor` (W, A, M, 12) as in `parameters.py`, W = N or 1.
"""

# pyright: reportIndexIssue=false, reportArgumentType=false, reportOperatorIssue=false
# (numba's decorator hides the types)

from __future__ import annotations

import math

import numpy as np

from ..constants import RPM_TO_RAD
from ..layout import (
    CAPACITY,
    DT,
    EFFICIENCY,
    EMPTY_VOLTAGE,
    FULL_VOLTAGE,
    GX,
    HAS_BATTERY,
    MOTORS,
    RESISTANCE,
    RK4,
    ROTORS,
    USED,
)  # fmt: skip
from .algebra import compiled, entry, rotation, times
from .contact import between_discs, nearest
from .wrench import wrench


@compiled
def accelerations(x, p, o, real):
    """World acceleration and body angular acceleration of one drone from its wrench."""
    ox, oy, oz = np.float64(x[10]), np.float64(x[11]), np.float64(x[12])
    lx, ly, lz = times(p[1:7], ox, oy, oz)
    ax, ay, az = times(
        p[7:13], o[3] - (oy * lz - oz * ly), o[4] - (oz * lx - ox * lz), o[5] - (ox * ly - oy * lx)
    )
    m = p[0]
    return o[0] / m + real[GX], o[1] / m + real[GX + 1], o[2] / m + real[GX + 2], ax, ay, az


@compiled
def multiply(x, w, i, j, k):
    """Quaternion of a drone's state times another."""
    a, b, c, d = np.float64(x[3]), np.float64(x[4]), np.float64(x[5]), np.float64(x[6])
    return (
        a * w - b * i - c * j - d * k, a * i + b * w + c * k - d * j,
        a * j - b * k + c * w + d * i, a * k + b * j - c * i + d * w,
    )  # fmt: skip


@compiled
def euler(x, body, out, real):
    """Semi-implicit Euler: velocities, then pose with the exponential map of the new rates."""
    dt = real[DT]
    for a in range(x.shape[0]):
        s = x[a]
        ax, ay, az, bx, by, bz = accelerations(s, body[a], out[a], real)
        vx, vy, vz = s[7] + dt * ax, s[8] + dt * ay, s[9] + dt * az
        ox, oy, oz = s[10] + dt * bx, s[11] + dt * by, s[12] + dt * bz
        rate = math.sqrt(ox * ox + oy * oy + oz * oz)
        half = 0.5 * dt * rate
        scale = math.sin(half) / rate if rate > 1e-9 else 0.5 * dt
        qw, qx, qy, qz = multiply(s, math.cos(half), scale * ox, scale * oy, scale * oz)
        norm = 1 / math.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
        for i in range(4):
            s[13 + i] = s[3 + i]
        s[0] += dt * vx
        s[1] += dt * vy
        s[2] += dt * vz
        s[3], s[4], s[5], s[6] = norm * qw, norm * qx, norm * qy, norm * qz
        s[7], s[8], s[9] = vx, vy, vz
        s[10], s[11], s[12] = ox, oy, oz


@compiled
def rk4(x, body, rotor, wind, shape, place, real, switch, aux, out, base, total):
    """Runge-Kutta 4 over positions, quaternions and velocities; rotor speeds stand still."""
    dt = real[DT]
    for a in range(x.shape[0]):
        for i in range(13):
            base[a, i] = x[a, i]
            total[a, i] = 0.0
        for i in range(4):
            x[a, 13 + i] = x[a, 3 + i]
    for stage in range(4):
        if stage > 0:
            wrench(x, body, rotor, wind, shape, place, real, switch, aux, out)
        weight = 1.0 if stage == 0 or stage == 3 else 2.0
        ahead = dt if stage == 2 else 0.5 * dt
        for a in range(x.shape[0]):
            s = x[a]
            ax, ay, az, bx, by, bz = accelerations(s, body[a], out[a], real)
            qw, qx, qy, qz = multiply(s, 0.0, 0.5 * s[10], 0.5 * s[11], 0.5 * s[12])
            slope = (
                np.float64(s[7]), np.float64(s[8]), np.float64(s[9]), qw, qx, qy, qz,
                ax, ay, az, bx, by, bz,
            )  # fmt: skip
            for i in range(13):
                total[a, i] += weight * slope[i]
                s[i] = base[a, i] + ahead * slope[i]
    for a in range(x.shape[0]):
        for i in range(13):
            x[a, i] = base[a, i] + dt / 6 * total[a, i]
        w, i, j, k = (
            np.float64(x[a, 3]),
            np.float64(x[a, 4]),
            np.float64(x[a, 5]),
            np.float64(x[a, 6]),
        )
        norm = 1 / math.sqrt(w * w + i * i + j * j + k * k)
        x[a, 3], x[a, 4], x[a, 5], x[a, 6] = norm * w, norm * i, norm * j, norm * k


@compiled
def motors(x, body, rotor, command, real, switch, aux):
    """Rotor speeds after one step under `command` (A, M); battery; see `motors.py`."""
    dt = real[DT]
    for a in range(x.shape[0]):
        share = 1.0
        if switch[HAS_BATTERY]:
            power = 0.0
            for j in range(rotor.shape[1]):
                rpm = np.float64(x[a, ROTORS + j])
                power += (rotor[a, j, 6] + rotor[a, j, 7] * rpm) * rpm * rpm
            power *= RPM_TO_RAD / real[EFFICIENCY]
            used = np.float64(x[a, USED])
            source = real[FULL_VOLTAGE] - (real[FULL_VOLTAGE] - real[EMPTY_VOLTAGE]) * used
            rest = max(0.0, source * source - 4 * real[RESISTANCE] * power)
            voltage = 0.5 * (source + math.sqrt(rest))
            x[a, USED] = min(1.0, used + power / voltage * dt / real[CAPACITY])
            share = voltage / real[FULL_VOLTAGE]
        before = change = 0.0
        for j in range(rotor.shape[1]):
            rpm = np.float64(x[a, ROTORS + j])
            goal = min(np.float64(command[a, j]), body[a, 25] * share)
            new = goal
            if switch[MOTORS]:
                k = 8 if goal > rpm else 10
                rate = rotor[a, j, k] + rotor[a, j, k + 1] * (goal + rpm)
                new = goal + (rpm - goal) * math.exp(-dt * rate)
            before += rpm * RPM_TO_RAD
            change += rotor[a, j, 3] * (new - rpm) / dt
            x[a, ROTORS + j] = new
        aux[a, 0], aux[a, 1] = before, change


@compiled
def delayed(line, delay, command):
    """Put `command` (A, M) into a world's `line` (L, A, M); the one of `delay[1]` steps ago."""
    length, head = line.shape[0], delay[0]
    # number by number: an assignment of slices would cost 3 s more to compile
    for a in range(command.shape[0]):
        for j in range(command.shape[1]):
            line[head % length, a, j] = command[a, j]
    delay[0] = head + 1
    return line[(head - delay[1]) % length]


@entry
def invalid(command, body, mask):
    """Index of the first entry of `command` (N, A, M) outside 0..max_rpm, or -1."""
    wide = body.shape[0] > 1
    rotors = command.shape[2]
    for n in range(command.shape[0]):
        if not mask[n]:
            continue
        for a in range(command.shape[1]):
            most = body[n if wide else 0, a, 25] * (1 + 1e-6)
            for j in range(rotors):
                if not 0 <= command[n, a, j] <= most:
                    return (n * command.shape[1] + a) * rotors + j
    return -1


@entry
def step(
    state, command, body, rotor, wind, line, delay, shape, place, real, switch, mask, substeps, bad
):
    """Advance the worlds of `mask` (N,) by `substeps`; returns -1, or what `invalid` returns.

    `command` (N, A, M) [rpm] in 0..max_rpm; `wind` (W, A, 3) [m/s]; `line` (N, L, A, M) holds past
    commands and `delay` (N, 2) the steps since reset and the latency in steps (L = 1: none);
    `shape` (O, 4), `place` (N, O, 7); `bad` (N,) is set where the state left the finite range.
    """
    found = invalid(command, body, mask)
    if found >= 0:
        return found
    worlds, drones = state.shape[:2]
    wide, windy, late = body.shape[0] > 1, wind.shape[0] > 1, line.shape[1] > 1
    aux, out = np.zeros((drones, 2)), np.zeros((drones, 7))
    base, total = np.zeros((drones, 13)), np.zeros((drones, 13))
    for n in range(worlds):
        if not mask[n]:
            continue
        w, v = n if wide else 0, n if windy else 0
        x = state[n]
        for _ in range(substeps):
            now = command[n]
            if late:
                now = delayed(line[n], delay[n], now)
            motors(x, body[w], rotor[w], now, real, switch, aux)
            wrench(x, body[w], rotor[w], wind[v], shape, place[n], real, switch, aux, out)
            if switch[RK4]:
                rk4(
                    x, body[w], rotor[w], wind[v], shape, place[n], real, switch, aux, out,
                    base, total,
                )  # fmt: skip
            else:
                euler(x, body[w], out, real)
        whole = 0.0
        for a in range(drones):
            for i in range(13):
                whole += abs(x[a, i])
        if not whole < 1e12:
            bad[n] = True
    return -1


@entry
def wrenches(state, command, body, rotor, wind, line, delay, shape, place, real, switch, mask, out):
    """Move the rotors of the worlds of `mask` by one step and give the wrenches, for other engines.

    `out` (N, A, 7): force [N] in the world, torque [N m] in the body, thrust [N]. The rotation of
    the state becomes that of the step before.
    """
    found = invalid(command, body, mask)
    if found >= 0:
        return found
    wide, windy, late = body.shape[0] > 1, wind.shape[0] > 1, line.shape[1] > 1
    aux = np.zeros((state.shape[1], 2))
    for n in range(state.shape[0]):
        if not mask[n]:
            continue
        w, v = n if wide else 0, n if windy else 0
        x, now = state[n], command[n]
        if late:
            now = delayed(line[n], delay[n], now)
        motors(x, body[w], rotor[w], now, real, switch, aux)
        wrench(x, body[w], rotor[w], wind[v], shape, place[n], real, switch, aux, out[n])
        for a in range(state.shape[1]):
            for i in range(4):
                x[a, 13 + i] = x[a, 3 + i]
    return -1


@entry
def touching(state, body, shape, place, touch):
    """Fill `touch` (N, A, O + A): drone touches obstacle, drone touches drone."""
    wide, obstacles = body.shape[0] > 1, shape.shape[0]
    for n in range(state.shape[0]):
        p = body[n if wide else 0]
        for a in range(state.shape[1]):
            x = state[n, a]
            r = rotation(x[3:7])
            for o in range(obstacles):
                touch[n, a, o] = nearest(x, r, p[a, 27], shape[o], place[n, o])[3] <= p[a, 28]
            for b in range(a):
                s = rotation(state[n, b, 3:7])
                gap = between_discs(x, r, p[a, 27], state[n, b], s, p[b, 27])[0]
                close = gap <= p[a, 28] + p[b, 28]
                touch[n, a, obstacles + b] = close
                touch[n, b, obstacles + a] = close
