"""Cameras: from points in the world to pixels. Cameras look along -z, +x right, +y up (OpenGL)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.rotations import matrix_from_quat
from robots.spec import CameraSpec


def look_at_axes(camera: CameraSpec) -> NDArray[np.float64]:
    """Rotation (3, 3) whose columns are the camera's x (right), y (up) and z (backward) axes.

    In the frame that carries the camera.

    Raises:
        ConfigError: it has neither `quat_wxyz` nor `look_at`, or looks along its `up`.
    """
    if camera.quat_wxyz is not None:
        return matrix_from_quat(np.asarray(camera.quat_wxyz, float))
    if camera.look_at is None:
        raise ConfigError(f"camera {camera.name!r} needs `look_at` or `quat_wxyz`")
    backward = np.subtract(camera.position, camera.look_at)
    right = np.cross(camera.up, backward)
    if np.linalg.norm(right) < 1e-9:
        raise ConfigError(f"camera {camera.name!r} looks along its `up`; choose another `up`")
    backward, right = backward / np.linalg.norm(backward), right / np.linalg.norm(right)
    return np.stack([right, np.cross(backward, right), backward], axis=1)


def intrinsics(camera: CameraSpec, size: tuple[int, int] | None = None) -> NDArray[np.float64]:
    """Pinhole matrix K (3, 3) [pixel] for images of `size` (H, W), default the camera's own.

    Pixels are square; (0, 0) is the upper left corner of the upper left pixel, v grows downward.
    """
    height, width = size or (camera.height, camera.width)
    focal = 0.5 * height / np.tan(0.5 * np.deg2rad(camera.fovy_deg))
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])


def extrinsics(camera: CameraSpec, body_pose: ArrayLike | None = None) -> NDArray[np.float64]:
    """Camera frame in the world as a homogeneous matrix, (4, 4) or (N, 4, 4).

    `body_pose` (N, 7) is the pose of the body that carries the camera; None: it is in the world.

    Raises:
        ConfigError: the camera is on a body and `body_pose` is missing.
    """
    local = np.eye(4)
    local[:3, :3], local[:3, 3] = look_at_axes(camera), camera.position
    if body_pose is None:
        if camera.body is not None:
            raise ConfigError(
                f"camera {camera.name!r} is on body {camera.body!r}: pass its pose (N, 7)"
            )
        return local
    body_pose = np.asarray(body_pose, float)
    carrier = np.zeros((*body_pose.shape[:-1], 4, 4))
    carrier[..., :3, :3] = matrix_from_quat(body_pose[..., 3:])
    carrier[..., :3, 3], carrier[..., 3, 3] = body_pose[..., :3], 1
    return carrier @ local


def image_matrix(camera: CameraSpec) -> NDArray[np.float64]:
    """Matrix (3, 4) of a camera in the world: points [x y z 1] to homogeneous image coordinates.

    Their quotients are x and y in [-1, 1] from the left edge and from the top.
    """
    pose = extrinsics(camera)
    k, size = intrinsics(camera), np.array([camera.width, camera.height])
    # right, up and backward to pixels times depth, then to [-1, 1] times depth
    to_pixels = np.array([[k[0, 0], 0, -k[0, 2]], [0, -k[1, 1], -k[1, 2]], [0, 0, -1.0]])
    to_unit = np.array([[2 / size[0], 0, -1], [0, 2 / size[1], -1], [0, 0, 1.0]])
    inverse = np.linalg.inv(pose)[:3]
    return np.asarray(to_unit @ to_pixels @ inverse, np.float64)


def projection(
    camera: CameraSpec,
    points_world: ArrayLike,
    body_pose: ArrayLike | None = None,
    size: tuple[int, int] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where world points (N, 3) appear: pixels (u, v) (N, 2), and depth (N,) along the view [m].

    Pixel (row r, column c) covers u in [c, c+1) and v in [r, r+1). Points behind the camera have a
    negative depth and NaN pixels. With `body_pose` (N, 7), point i is seen by camera i.
    """
    pose = extrinsics(camera, body_pose)
    offset = np.asarray(points_world, float) - pose[..., :3, 3]
    right, up, backward = np.moveaxis(
        np.einsum("...ji,...j->...i", pose[..., :3, :3], offset), -1, 0
    )
    depth = -backward
    k = intrinsics(camera, size)
    safe = np.where(depth > 0, depth, np.nan)
    return np.stack([k[0, 2] + k[0, 0] * right / safe, k[1, 2] - k[1, 1] * up / safe], -1), depth
