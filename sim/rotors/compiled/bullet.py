"""Between Bullet's rows of motion and Flight's arrays: fifty numpy calls a drone cost 100 us."""

# pyright: reportIndexIssue=false, reportArgumentType=false, reportOperatorIssue=false
# (numba's decorator hides the types)

from __future__ import annotations

import math

from .algebra import entry, rotation, times, turn, unturn


@entry
def fill_state(motion, rows, worlds, state):
    """Position, quat wxyz, velocity and body rates of drones (N, A, 13...) from rows of motion.

    `motion` (N, B, 13): position, quat xyzw, velocity and angular velocity in the world; drone a is
    row `rows[a]`.
    """
    for n in worlds:
        for a in range(rows.shape[0]):
            m, x = motion[n, rows[a]], state[n, a]
            for i in range(3):
                x[i], x[3 + 1 + i], x[7 + i] = m[i], m[3 + i], m[7 + i]
            x[3] = m[6]
            x[10], x[11], x[12] = unturn(rotation(x[3:7]), m[10], m[11], m[12])


@entry
def world_wrench(state, wrench, body, worlds, damping, out):
    """Force [N] and torque [N m] in the world (N, A, 6) from Flight's wrench (N, A, 7).

    `damping` c is what Bullet damps by itself, (c + c |v|) v a mass and the like of the rates; for
    other engines it is in the wrench, and here it is taken out. `body` (W, A, 30), W = N or 1.
    """
    for n in worlds:
        for a in range(state.shape[1]):
            x, w = state[n, a], wrench[n, a]
            p = body[n if body.shape[0] > 1 else 0, a]
            v = math.sqrt(x[7] * x[7] + x[8] * x[8] + x[9] * x[9])
            o = math.sqrt(x[10] * x[10] + x[11] * x[11] + x[12] * x[12])
            linear, angular = damping + damping * v, damping + damping * o
            tx, ty, tz = times(p[1:7], x[10], x[11], x[12])
            for i in range(3):
                out[n, a, i] = w[i] + p[0] * linear * x[7 + i]
            out[n, a, 3], out[n, a, 4], out[n, a, 5] = turn(
                rotation(x[3:7]), w[3] + angular * tx, w[4] + angular * ty, w[5] + angular * tz
            )
