"""Kinematics against MuJoCo, finite differences and torch."""

import time

import mink
import numpy as np
import pytest
import torch

from octoworld.core.errors import ConfigError, UnknownNameError
from robots.control.mink_ik import arm_model
from robots.kinematics import Kinematics
from robots.panda import panda


@pytest.fixture(scope="module")
def arm() -> Kinematics:
    return Kinematics(panda())


def draw(arm: Kinematics, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(arm.lower, arm.upper, (count, arm.num_joints))


def test_frame_and_jacobian_equal_mujoco(arm):
    model = mink.Configuration(arm_model(panda()))
    joints = draw(arm, 20)
    position, rotation, jacobian = arm.frame_and_jacobian(joints)
    for i, q in enumerate(joints):
        model.update(q)
        frame = model.get_transform_frame_to_world("tool", "site")
        np.testing.assert_allclose(position[i], frame.translation(), atol=1e-12)
        np.testing.assert_allclose(rotation[i], frame.rotation().as_matrix(), atol=1e-12)
        # mink's Jacobian is in the tool's frame
        body = model.get_frame_jacobian("tool", "site")
        np.testing.assert_allclose(rotation[i].T @ jacobian[i, :3], body[:3], atol=1e-12)
        np.testing.assert_allclose(rotation[i].T @ jacobian[i, 3:], body[3:], atol=1e-12)


def test_linear_jacobian_equals_finite_differences(arm):
    joints = draw(arm, 4, seed=1)
    jacobian = arm.jacobian(joints)
    step = 1e-6
    for j in range(7):
        shift = np.zeros(7)
        shift[j] = step
        ahead, back = arm.tool_pose(joints + shift), arm.tool_pose(joints - shift)
        slope = (ahead - back)[:, :3] / (2 * step)
        np.testing.assert_allclose(jacobian[:, :3, j], slope, atol=1e-8)


def test_home_points_down_with_fingers_along_y(arm):
    spec = panda()
    home = np.array([[spec.home[j] for j in spec.arm_joints]])
    _, rotation = arm.tool_frame(home)
    np.testing.assert_allclose(rotation[0], np.diag([1.0, -1.0, -1.0]), atol=1e-9)


def test_torch_equals_numpy(arm):
    joints = draw(arm, 8)
    np.testing.assert_allclose(
        arm.tool_pose(torch.from_numpy(joints)).numpy(), arm.tool_pose(joints), atol=1e-12
    )


def test_is_fast_enough_for_256_worlds(arm):
    joints = draw(arm, 256)
    arm.frame_and_jacobian(joints)
    best = np.inf
    for _ in range(20):
        start = time.perf_counter()
        arm.frame_and_jacobian(joints)
        best = min(best, time.perf_counter() - start)
    assert best < 3e-3


def test_unknown_site_and_chain_without_arm_are_refused():
    with pytest.raises(UnknownNameError, match="tool"):
        Kinematics(panda(), "tol")
    spec = panda()
    with pytest.raises(ConfigError, match="joint8"):
        Kinematics(type(spec)(**{**vars(spec), "arm_joints": (*spec.arm_joints, "joint8")}))
