"""Rotations and small matrices of numpy or torch arrays; vectors (..., 3), quaternions wxyz."""

from __future__ import annotations

from typing import Any

from octoworld.core.arrays import array_namespace
from octoworld.core.rotations import matrix_from_quat, quat_multiply


def cross(a: Any, b: Any) -> Any:
    """A x b; both broadcast."""
    xp = array_namespace(a, b)
    x, y, z = (a[..., i] for i in range(3))
    u, v, w = (b[..., i] for i in range(3))
    return xp.stack([y * w - z * v, z * u - x * w, x * v - y * u], axis=-1)


def rotate(matrix: Any, vector: Any) -> Any:
    """R v for rotation matrices (..., 3, 3)."""
    return (matrix @ vector[..., None])[..., 0]


def unrotate(matrix: Any, vector: Any) -> Any:
    """R^T v for rotation matrices (..., 3, 3)."""
    xp = array_namespace(matrix)
    return (xp.matrix_transpose(matrix) @ vector[..., None])[..., 0]


def times(symmetric: Any, vector: Any) -> Any:
    """Symmetric matrices (..., 6), xx yy zz xy xz yz, times vectors (..., 3)."""
    xp = array_namespace(symmetric, vector)
    xx, yy, zz, xy, xz, yz = (symmetric[..., i] for i in range(6))
    x, y, z = (vector[..., i] for i in range(3))
    return xp.stack(
        [xx * x + xy * y + xz * z, xy * x + yy * y + yz * z, xz * x + yz * y + zz * z], axis=-1
    )


def compose(pose: Any, local: Any) -> Any:
    """Poses (..., 7) `local`, given in the frame of `pose` (..., 7), in that one's parent frame."""
    xp = array_namespace(pose, local)
    position = pose[..., :3] + rotate(matrix_from_quat(pose[..., 3:]), local[..., :3])
    return xp.concat([position, quat_multiply(pose[..., 3:], local[..., 3:])], axis=-1)
