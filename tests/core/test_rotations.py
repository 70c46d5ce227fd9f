"""Rotations against mink's Lie groups and against each other."""

import mink
import numpy as np

from octoworld.core.rotations import (
    matrix_from_quat,
    quat_from_matrix,
    quat_from_rotvec,
    quat_multiply,
    se3_log_and_jacobian,
    so3_log,
)


def random_quats(count: int = 50, seed: int = 0) -> np.ndarray:
    quat = np.random.default_rng(seed).normal(size=(count, 4))
    return quat / np.linalg.norm(quat, axis=1, keepdims=True)


def test_matrix_and_quaternion_are_inverse():
    quat = random_quats()
    quat[0] = [0.0, 1.0, 0.0, 0.0]  # half turns have w = 0
    back = quat_from_matrix(matrix_from_quat(quat))
    np.testing.assert_allclose(np.abs((quat * back).sum(axis=1)), 1.0, atol=1e-12)


def test_product_and_logarithm_agree_with_mink():
    a, b = random_quats(seed=1), random_quats(seed=2)
    product = quat_multiply(a, b)
    logs = so3_log(a)
    for i in range(len(a)):
        expected = (mink.SO3(a[i]) @ mink.SO3(b[i])).as_matrix()
        np.testing.assert_allclose(matrix_from_quat(product[i]), expected, atol=1e-12)
        np.testing.assert_allclose(mink.SO3.exp(logs[i]).as_matrix(), matrix_from_quat(a[i]),
                                   atol=1e-12)  # fmt: skip
    np.testing.assert_allclose(so3_log(quat_from_rotvec(logs)), logs, atol=1e-9)


def test_logarithm_of_a_transform_and_its_jacobian_agree_with_mink():
    quat = random_quats(seed=3)
    quat[0] = [1.0, 0.0, 0.0, 0.0]
    position = np.random.default_rng(4).normal(size=(50, 3))
    log, jacobian = se3_log_and_jacobian(position, matrix_from_quat(quat))
    for i in range(50):
        transform = mink.SE3.from_rotation_and_translation(mink.SO3(quat[i]), position[i])
        np.testing.assert_allclose(log[i], transform.log(), atol=1e-9)
        np.testing.assert_allclose(jacobian[i], transform.jlog(), atol=1e-7)
