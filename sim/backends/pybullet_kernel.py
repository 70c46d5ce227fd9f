"""Between Bullet's rows and Flight's arrays, compiled: fifty numpy calls a drone cost 100 us.

Alone in its file: numba renews its kept machine code when this file changes, and looks at no other.
"""

# pyright: reportIndexIssue=false, reportArgumentType=false, reportOperatorIssue=false
# (numba's decorator hides the types)

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

compiled: Any = njit(cache=True, error_model="numpy", nogil=True)


@compiled
def rotation(q):
    """Rotation matrix (3, 3) of a quaternion wxyz, which need not be of unit length."""
    w, x, y, z = q[0], q[1], q[2], q[3]
    s = 2 / (w * w + x * x + y * y + z * z)
    r = np.empty((3, 3))
    r[0, 0], r[0, 1], r[0, 2] = 1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)
    r[1, 0], r[1, 1], r[1, 2] = s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x)
    r[2, 0], r[2, 1], r[2, 2] = s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y)
    return r


@compiled
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
            r = rotation(x[3:7])
            for i in range(3):
                x[10 + i] = r[0, i] * m[10] + r[1, i] * m[11] + r[2, i] * m[12]


@compiled
def applied(state, wrench, body, worlds, damping, out):
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
            tx = w[3] + angular * (p[1] * x[10] + p[4] * x[11] + p[5] * x[12])
            ty = w[4] + angular * (p[4] * x[10] + p[2] * x[11] + p[6] * x[12])
            tz = w[5] + angular * (p[5] * x[10] + p[6] * x[11] + p[3] * x[12])
            r = rotation(x[3:7])
            for i in range(3):
                out[n, a, i] = w[i] + p[0] * linear * x[7 + i]
                out[n, a, 3 + i] = r[i, 0] * tx + r[i, 1] * ty + r[i, 2] * tz
