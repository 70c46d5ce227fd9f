"""Rotations and small matrices for compiled loops: scalars in, tuples of scalars out."""

# pyright: reportIndexIssue=false, reportArgumentType=false, reportOperatorIssue=false
# (numba's decorator hides the types)

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

compiled: Any = njit(error_model="numpy", nogil=True)
"""For functions inside the entry points."""
entry: Any = njit(cache=True, error_model="numpy", nogil=True)
"""For functions that Python calls; they keep their machine code on disk."""


@compiled
def rotation(q):
    """Rotation matrix of a quaternion, row by row."""
    w, x, y, z = np.float64(q[0]), np.float64(q[1]), np.float64(q[2]), np.float64(q[3])
    s = 2 / (w * w + x * x + y * y + z * z)
    return (
        1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y),
        s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x),
        s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y),
    )  # fmt: skip


@compiled
def turn(r, x, y, z):
    """R v."""
    return (
        r[0] * x + r[1] * y + r[2] * z,
        r[3] * x + r[4] * y + r[5] * z,
        r[6] * x + r[7] * y + r[8] * z,
    )


@compiled
def unturn(r, x, y, z):
    """r^T v."""
    return (
        r[0] * x + r[3] * y + r[6] * z,
        r[1] * x + r[4] * y + r[7] * z,
        r[2] * x + r[5] * y + r[8] * z,
    )


@compiled
def times(m, x, y, z):
    """Symmetric matrix, xx yy zz xy xz yz, times a vector."""
    return (
        m[0] * x + m[3] * y + m[4] * z,
        m[3] * x + m[1] * y + m[5] * z,
        m[4] * x + m[5] * y + m[2] * z,
    )
