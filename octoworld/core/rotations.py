"""Batched rotations: quaternions (wxyz), matrices, and the logarithms of SO(3) and SE(3)."""

from __future__ import annotations

from typing import Any

from octoworld.core.arrays import array_namespace

SMALL_ANGLE_SQUARED = 1e-10
"""Below it, series replace quotients (the threshold of mink's Lie groups) [rad^2]."""


def matrix_from_quat(quat_wxyz: Any) -> Any:
    """Rotation matrices (..., 3, 3) of unit quaternions (..., 4)."""
    xp = array_namespace(quat_wxyz)
    twice = quat_wxyz + quat_wxyz
    w, x, y, z = (quat_wxyz[..., i] for i in range(4))
    x2, y2, z2 = (twice[..., i] for i in (1, 2, 3))
    xx, yy, zz, xy, xz, yz = x * x2, y * y2, z * z2, x * y2, x * z2, y * z2
    wx, wy, wz = w * x2, w * y2, w * z2
    rows = [
        1 - (yy + zz), xy - wz, xz + wy,
        xy + wz, 1 - (xx + zz), yz - wx,
        xz - wy, yz + wx, 1 - (xx + yy),
    ]  # fmt: skip
    return xp.reshape(xp.stack(rows, axis=-1), (*quat_wxyz.shape[:-1], 3, 3))


def quat_from_matrix(matrix: Any) -> Any:
    """Unit quaternions (..., 4) wxyz with w >= 0 of rotation matrices (..., 3, 3)."""
    xp = array_namespace(matrix)
    m = [[matrix[..., i, j] for j in range(3)] for i in range(3)]
    # Row k of the symmetric matrix 4 q q^T; the row with the largest diagonal is well conditioned.
    ww, xx = 1 + m[0][0] + m[1][1] + m[2][2], 1 + m[0][0] - m[1][1] - m[2][2]
    yy, zz = 1 - m[0][0] + m[1][1] - m[2][2], 1 - m[0][0] - m[1][1] + m[2][2]
    wx, wy, wz = m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]
    xy, xz, yz = m[0][1] + m[1][0], m[0][2] + m[2][0], m[1][2] + m[2][1]
    rows = xp.stack(
        [
            xp.stack([ww, wx, wy, wz], axis=-1),
            xp.stack([wx, xx, xy, xz], axis=-1),
            xp.stack([wy, xy, yy, yz], axis=-1),
            xp.stack([wz, xz, yz, zz], axis=-1),
        ],
        axis=-2,
    )
    best = xp.argmax(xp.stack([ww, xx, yy, zz], axis=-1), axis=-1)
    chosen = xp.astype(best[..., None] == xp.arange(4), matrix.dtype)
    quat = xp.sum(rows * chosen[..., None], axis=-2)
    quat = quat / xp.linalg.vector_norm(quat, axis=-1, keepdims=True)
    return xp.where(quat[..., :1] < 0, -quat, quat)


def quat_multiply(a: Any, b: Any) -> Any:
    """Hamilton product a * b of quaternions (..., 4) wxyz: rotate by b, then by a."""
    xp = array_namespace(a, b)
    aw, ax, ay, az = (a[..., i] for i in range(4))
    bw, bx, by, bz = (b[..., i] for i in range(4))
    return xp.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def quat_from_rotvec(rotvec: Any) -> Any:
    """Quaternion (..., 4) wxyz of the rotation by |rotvec| about rotvec (..., 3) [rad]."""
    xp = array_namespace(rotvec)
    angle = xp.linalg.vector_norm(rotvec, axis=-1, keepdims=True)
    small = angle < 1e-6
    scale = xp.where(small, 0.5 - angle**2 / 48, xp.sin(angle / 2) / xp.where(small, 1.0, angle))
    return xp.concat([xp.cos(angle / 2), scale * rotvec], axis=-1)


def skew(vector: Any) -> Any:
    """Cross-product matrices (..., 3, 3) of vectors (..., 3)."""
    xp = array_namespace(vector)
    x, y, z = vector[..., 0], vector[..., 1], vector[..., 2]
    o = xp.zeros_like(x)
    return xp.reshape(xp.stack([o, -z, y, z, o, -x, -y, x, o], axis=-1), (*vector.shape[:-1], 3, 3))


def so3_log(quat_wxyz: Any) -> Any:
    """Rotation vector (..., 3) [rad], angle in [0, pi], of unit quaternions (..., 4)."""
    xp = array_namespace(quat_wxyz)
    quat = xp.where(quat_wxyz[..., :1] < 0, -quat_wxyz, quat_wxyz)
    norm = xp.linalg.vector_norm(quat[..., 1:], axis=-1, keepdims=True)
    small = norm < 1e-12
    angle = 2 * xp.atan2(norm, quat[..., :1])
    return quat[..., 1:] * xp.where(small, 2.0, angle / xp.where(small, 1.0, norm))


def se3_log_and_jacobian(position: Any, matrix: Any) -> tuple[Any, Any]:
    """Logarithm [v, w] (N, 6) of transforms, and its right Jacobian's inverse (N, 6, 6).

    With T = exp(xi): log(T exp(d)) = xi + Jlog d. Formulae: Sola et al., "A micro Lie theory",
    eqs. 146, 174 and 179-180; for rotations under 1e-5 rad Jlog is the identity, as in mink.
    """
    xp = array_namespace(position, matrix)
    omega = so3_log(quat_from_matrix(matrix))
    t2 = xp.sum(omega * omega, axis=-1)[:, None, None]
    small = t2 < SMALL_ANGLE_SQUARED
    s2 = xp.where(small, 1.0, t2)
    theta = xp.sqrt(s2)
    sin, cos = xp.sin(theta), xp.cos(theta)
    eye = xp.eye(3, dtype=position.dtype)
    w = skew(omega)
    ww = w @ w
    beta = xp.where(small, 1 / 12 + t2 / 720, (1 - theta * sin / (2 * (1 - cos))) / s2)
    left_inverse = eye - 0.5 * w + beta * ww
    v = (left_inverse @ position[..., None])[..., 0]
    # Jlog(xi) = left Jacobian's inverse at -xi.
    inverse = eye + 0.5 * w + beta * ww
    b = (theta - sin) / (s2 * theta)
    c = (1 - 0.5 * s2 - cos) / s2**2
    d = (2 * theta - 3 * sin + theta * cos) / (2 * s2**2 * theta)
    vx, wx = skew(-v), -w
    vw, wv = vx @ wx, wx @ vx
    wvw, vww = wv @ wx, vw @ wx
    q = (
        0.5 * vx
        + b * (wv + vw + wvw)
        - c * (vww - xp.matrix_transpose(vww) - 3 * wvw)
        + d * (wvw @ wx + wx @ wvw)
    )
    top = xp.concat([inverse, -inverse @ q @ inverse], axis=-1)
    bottom = xp.concat([xp.zeros_like(w), inverse], axis=-1)
    jacobian = xp.concat([top, bottom], axis=-2)
    return xp.concat([v, omega], axis=-1), xp.where(small, xp.eye(6, dtype=v.dtype), jacobian)
