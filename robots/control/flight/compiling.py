"""What the compiled controllers are made of: their types, their cache, and vectors in scalars."""

# pyright: reportIndexIssue=false, reportArgumentType=false, reportOperatorIssue=false
# (numba's decorator hides the types)

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path
from typing import Any

from numba import float64, njit, types, void

MATRIX = float64[:, :]
READ = types.Array(float64, 2, "A", readonly=True)
VECTOR = types.Array(float64, 1, "A", readonly=True)
compiled: Any = njit(error_model="numpy", nogil=True)


def entry(inputs: int, memories: int) -> Any:
    """Decorator of a kernel of matrices to read, matrices to keep, parameters, inverse and out.

    The types are told beforehand, so that there is one machine code for arrays of any strides.
    """
    signature: Any = void(*[READ] * inputs, *[MATRIX] * memories, VECTOR, READ, MATRIX)
    return njit(signature, cache=True, error_model="numpy", nogil=True)


def renew(file: str, *sources: str) -> None:
    """Give `file` the time of its newest source.

    numba keeps a file's machine code until that file changes, and looks at no other.
    """
    times = [Path(source).stat().st_mtime_ns for source in sources]
    if Path(file).stat().st_mtime_ns < max(times):
        with contextlib.suppress(OSError):  # read-only: installed by pip, which renews every file
            os.utime(file, ns=(max(times),) * 2)


@compiled
def rotation(q):
    """Rotation matrix, row by row, of a quaternion wxyz of any length."""
    w, x, y, z = q[0], q[1], q[2], q[3]
    s = 2 / (w * w + x * x + y * y + z * z)
    return (
        1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y),
        s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x),
        s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y),
    )  # fmt: skip


@compiled
def clip(value, low, high):
    """`value` within low .. high."""
    return min(max(value, low), high)


@compiled
def cross(a, b):
    """Cross product."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@compiled
def dot(a, b):
    """Scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
def unturn(r, v):
    """R^T v."""
    return (
        r[0] * v[0] + r[3] * v[1] + r[6] * v[2],
        r[1] * v[0] + r[4] * v[1] + r[7] * v[2],
        r[2] * v[0] + r[5] * v[1] + r[8] * v[2],
    )


@compiled
def shorten(x, y, z, limit):
    """A vector, no longer than `limit`."""
    length = math.sqrt(x * x + y * y + z * z)
    scale = limit / length if length > limit else 1.0
    return x * scale, y * scale, z * scale
