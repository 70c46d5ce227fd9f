"""Tool poses: where the hand points, as three angles; and rigid transforms of (7,) poses.

The tool's z axis is where it points, its y axis is along which the fingers open.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.rotations import matrix_from_quat, quat_from_matrix, quat_multiply


def pointing(heading: float, pitch: float, roll: float = 0.0) -> NDArray:
    """Quaternion of a tool that points `pitch` above straight down, towards `heading` [rad].

    `roll` 0: the fingers open horizontally; pi / 2: in the vertical plane of the heading.
    """
    ch, sh, cp, sp = math.cos(heading), math.sin(heading), math.cos(pitch), math.sin(pitch)
    z = np.array([sp * ch, sp * sh, -cp])
    side = np.array([sh, -ch, 0.0])
    x = np.cross(side, z)
    y = math.cos(roll) * side + math.sin(roll) * x
    return quat_from_matrix(np.stack([np.cross(y, z), y, z], axis=1))


def pose(position: ArrayLike, quat: ArrayLike) -> NDArray:
    """(7,)."""
    return np.concatenate([np.asarray(position, float), np.asarray(quat, float)])


def raised(point: NDArray, by: float) -> NDArray:
    """A point (3,), `by` higher."""
    return np.array([point[0], point[1], point[2] + by])


def compose(a: ArrayLike, b: ArrayLike) -> NDArray:
    """Pose `b`, given in the frame of `a`, in the frame that `a` is given in."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    turned = a[:3] + matrix_from_quat(a[3:]) @ b[:3]
    return np.concatenate([turned, quat_multiply(a[3:], b[3:])])


def inverse(a: ArrayLike) -> NDArray:
    """The frame that `a` is given in, in the frame of `a`."""
    a = np.asarray(a, float)
    back = a[3:] * np.array([1.0, -1.0, -1.0, -1.0])
    return np.concatenate([-(matrix_from_quat(back) @ a[:3]), back])


def axis_of(quat: ArrayLike, index: int) -> NDArray:
    """Axis number `index` of a frame (3,)."""
    return matrix_from_quat(np.asarray(quat, float))[:, index]


def yaw_of(quat: ArrayLike) -> float:
    """Turn about z of a frame that is nearly upright [rad]."""
    x = axis_of(quat, 0)
    return math.atan2(x[1], x[0])


def planar(x: float, y: float, yaw: float, z: float = 0.0) -> NDArray:
    """Pose of an upright frame."""
    return np.array([x, y, z, math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)])
