"""The steps of `InverseKinematics` as a compiled loop over worlds, for numpy arrays on the CPU.

As array operations they cost a seventh of a manipulation task's step, most of it numpy's own. A
world's numbers here do not depend on how many others there are; matrix products of a batch may.
"""

# pyright: reportIndexIssue=false, reportArgumentType=false, reportOperatorIssue=false
# (numba's decorator hides the types)

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import float64, int64, njit, types, void

from .flight.compiling import compiled

SMALL = 1e-10
"""Squared angle under which a rotation's log Jacobian is taken for the identity, as in mink."""


def _read(axes: int) -> Any:
    return types.Array(float64, axes, "C", readonly=True)


@compiled
def product(a, b, out):
    """Matrix product a b into `out`, which is neither; all 3x3."""
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]


@compiled
def skew(x, y, z, out):
    """Cross-product matrix."""
    out[0, 0], out[0, 1], out[0, 2] = 0.0, -z, y
    out[1, 0], out[1, 1], out[1, 2] = z, 0.0, -x
    out[2, 0], out[2, 1], out[2, 2] = -y, x, 0.0


@compiled
def rotation_log(m):
    """Rotation vector of a matrix, by the best conditioned row of its quaternion."""
    w = 1 + m[0, 0] + m[1, 1] + m[2, 2]
    x, y, z = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
    xx = 1 + m[0, 0] - m[1, 1] - m[2, 2]
    yy = 1 - m[0, 0] + m[1, 1] - m[2, 2]
    zz = 1 - m[0, 0] - m[1, 1] + m[2, 2]
    xy, xz, yz = m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1]
    best = max(w, xx, yy, zz)
    if best == xx and best != w:
        w, x, y, z = x, xx, xy, xz
    elif best == yy and best != w:
        w, x, y, z = y, xy, yy, yz
    elif best == zz and best != w:
        w, x, y, z = z, xz, yz, zz
    length = math.sqrt(w * w + x * x + y * y + z * z)
    if w < 0:
        length = -length
    w, x, y, z = w / length, x / length, y / length, z / length
    norm = math.sqrt(x * x + y * y + z * z)
    scale = 2.0 if norm < 1e-12 else 2 * math.atan2(norm, w) / norm
    return x * scale, y * scale, z * scale


@compiled
def frame(q, rotations, offsets, tool_offset, tool_rotation, axes, origins, r, t):
    """Tool position; its rotation in `r`, joints' axes and origins (A, 3) beside it."""
    px, py, pz = 0.0, 0.0, 0.0
    for i in range(3):
        for j in range(3):
            r[i, j] = 1.0 if i == j else 0.0
    for k in range(len(q)):
        o = offsets[k]
        px += r[0, 0] * o[0] + r[0, 1] * o[1] + r[0, 2] * o[2]
        py += r[1, 0] * o[0] + r[1, 1] * o[1] + r[1, 2] * o[2]
        pz += r[2, 0] * o[0] + r[2, 1] * o[1] + r[2, 2] * o[2]
        product(r, rotations[k], t)
        c, s = math.cos(q[k]), math.sin(q[k])
        for i in range(3):
            r[i, 0] = c * t[i, 0] + s * t[i, 1]
            r[i, 1] = c * t[i, 1] - s * t[i, 0]
            r[i, 2] = t[i, 2]
            axes[k, i] = t[i, 2]
        origins[k, 0], origins[k, 1], origins[k, 2] = px, py, pz
    o = tool_offset
    px += r[0, 0] * o[0] + r[0, 1] * o[1] + r[0, 2] * o[2]
    py += r[1, 0] * o[0] + r[1, 1] * o[1] + r[1, 2] * o[2]
    pz += r[2, 0] * o[0] + r[2, 1] * o[1] + r[2, 2] * o[2]
    product(r, tool_rotation, t)
    r[:, :] = t
    return px, py, pz


@compiled
def log_jacobian(px, py, pz, m, log, jlog, s):
    """Log [v, w] (6,) of a transform and its right Jacobian's inverse (6, 6).

    `s` (12, 3, 3) is room for matrices. Formulae as in `rotations.se3_log_and_jacobian`.
    """
    ox, oy, oz = rotation_log(m)
    t2 = ox * ox + oy * oy + oz * oz
    w, ww, inverse, vx, wx = s[0], s[1], s[2], s[3], s[4]
    skew(ox, oy, oz, w)
    product(w, w, ww)
    small = t2 < SMALL
    s2 = 1.0 if small else t2
    theta = math.sqrt(s2)
    sin, cos = math.sin(theta), math.cos(theta)
    beta = 1 / 12 + t2 / 720 if small else (1 - theta * sin / (2 * (1 - cos))) / s2
    p = (px, py, pz)
    for i in range(3):
        total = 0.0
        for j in range(3):
            unit = 1.0 if i == j else 0.0
            total += (unit - 0.5 * w[i, j] + beta * ww[i, j]) * p[j]
            inverse[i, j] = unit + 0.5 * w[i, j] + beta * ww[i, j]
        log[i] = total
    log[3], log[4], log[5] = ox, oy, oz
    for i in range(6):
        for j in range(6):
            jlog[i, j] = 1.0 if i == j else 0.0
    if small:
        return
    skew(-log[0], -log[1], -log[2], vx)
    skew(-ox, -oy, -oz, wx)
    vw, wv, wvw, vww, left, right, q = s[5], s[6], s[7], s[8], s[9], s[10], s[11]
    product(vx, wx, vw)
    product(wx, vx, wv)
    product(wv, wx, wvw)
    product(vw, wx, vww)
    product(wvw, wx, left)
    product(wx, wvw, right)
    b = (theta - sin) / (s2 * theta)
    c = (1 - 0.5 * s2 - cos) / (s2 * s2)
    d = (2 * theta - 3 * sin + theta * cos) / (2 * s2 * s2 * theta)
    for i in range(3):
        for j in range(3):
            q[i, j] = (
                0.5 * vx[i, j]
                + b * (wv[i, j] + vw[i, j] + wvw[i, j])
                - c * (vww[i, j] - vww[j, i] - 3 * wvw[i, j])
                + d * (left[i, j] + right[i, j])
            )
    product(inverse, q, left)
    product(left, inverse, right)
    for i in range(3):
        for j in range(3):
            jlog[i, j] = jlog[i + 3, j + 3] = inverse[i, j]
            jlog[i, j + 3] = -right[i, j]


@compiled
def solve_spd(h, g):
    """Solve h x = g by Cholesky, h symmetric positive definite; x takes the place of g."""
    n = len(g)
    for i in range(n):
        for j in range(i + 1):
            total = h[i, j]
            for k in range(j):
                total -= h[i, k] * h[j, k]
            h[i, j] = math.sqrt(total) if i == j else total / h[j, j]
    for i in range(n):
        for k in range(i):
            g[i] -= h[i, k] * g[k]
        g[i] /= h[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            g[i] -= h[k, i] * g[k]
        g[i] /= h[i, i]


@njit(
    void(
        float64[:, ::1], _read(2), _read(3), _read(3), _read(2), _read(1), _read(2), _read(1),
        _read(1), int64,
    ),
    cache=True,
    error_model="numpy",
    nogil=True,
)  # fmt: skip
def solve(
    joints, position, rotation, link_rotations, link_offsets, tool_offset, tool_rotation, home,
    costs, iterations,
):  # fmt: skip
    """Unconstrained steps of joints (N, A), in place, to positions (N, 3), rotations (N, 3, 3).

    `costs` are position, orientation, lm_damping, damping, posture of IkConfig.
    """
    worlds, n = joints.shape
    axes, origins = np.empty((n, 3)), np.empty((n, 3))
    r, t, m = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    room, log, jlog = np.empty((12, 3, 3)), np.empty(6), np.empty((6, 6))
    body, weighted = np.empty((6, n)), np.empty((6, n))
    h, g, e, turned = np.empty((n, n)), np.empty(n), np.empty(6), np.empty(3)
    pull = costs[4] * costs[4]
    for world in range(worlds):
        q, p, to = joints[world], position[world], rotation[world]
        for _ in range(iterations):
            x, y, z = frame(
                q, link_rotations, link_offsets, tool_offset, tool_rotation, axes, origins, r, t
            )
            for k in range(n):
                ax, ay, az = axes[k]
                rx, ry, rz = x - origins[k, 0], y - origins[k, 1], z - origins[k, 2]
                lx, ly, lz = ay * rz - az * ry, az * rx - ax * rz, ax * ry - ay * rx
                for i in range(3):
                    body[i, k] = r[0, i] * lx + r[1, i] * ly + r[2, i] * lz
                    body[i + 3, k] = r[0, i] * ax + r[1, i] * ay + r[2, i] * az
            dx, dy, dz = x - p[0], y - p[1], z - p[2]
            for i in range(3):
                turned[i] = to[0, i] * dx + to[1, i] * dy + to[2, i] * dz
                for j in range(3):
                    m[i, j] = to[0, i] * r[0, j] + to[1, i] * r[1, j] + to[2, i] * r[2, j]
            log_jacobian(turned[0], turned[1], turned[2], m, log, jlog, room)
            square = 0.0
            for i in range(6):
                cost = costs[0] if i < 3 else costs[1]
                e[i] = -cost * log[i]
                square += e[i] * e[i]
                for k in range(n):
                    total = 0.0
                    for j in range(6):
                        total += jlog[i, j] * body[j, k]
                    weighted[i, k] = cost * total
            mu = costs[2] * square + costs[3] + pull
            for a in range(n):
                g[a] = pull * (home[a] - q[a])
                for i in range(6):
                    g[a] += weighted[i, a] * e[i]
                for b in range(a + 1):
                    total = mu if a == b else 0.0
                    for i in range(6):
                        total += weighted[i, a] * weighted[i, b]
                    h[a, b] = total
            solve_spd(h, g)
            for a in range(n):
                q[a] += g[a]
