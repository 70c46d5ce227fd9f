"""Batched inverse kinematics against mink, and its limits."""

import mink
import numpy as np
import pytest

from octoworld.core.rotations import matrix_from_quat
from robots.control.ik import InverseKinematics
from robots.control.mink_ik import MinkIk
from robots.panda import panda

DOWN = [0.0, 1.0, 0.0, 0.0]


@pytest.fixture(scope="module")
def ik() -> InverseKinematics:
    return InverseKinematics(panda())


def table_poses(count: int, seed: int = 0) -> np.ndarray:
    xyz = np.random.default_rng(seed).uniform([0.35, -0.3, 0.02], [0.65, 0.3, 0.25], (count, 3))
    return np.concatenate([xyz, np.tile(DOWN, (count, 1))], axis=1)


def postures(ik: InverseKinematics, pose: np.ndarray) -> np.ndarray:
    joints = np.tile(ik.home, (len(pose), 1))
    for _ in range(4):
        joints = ik.solve(joints, pose)
    return joints


def test_one_step_equals_mink(ik):
    rng = np.random.default_rng(0)
    joints = ik.home + rng.normal(0, 0.15, (30, 7))
    target = ik.kinematics.tool_pose(joints)
    target[:, :3] += rng.uniform(-0.04, 0.04, (30, 3))
    target[::2, 3:] = DOWN
    step = ik.delta(joints, target[:, :3], matrix_from_quat(target[:, 3:]))
    one = MinkIk(panda())
    for i in range(30):
        one.configuration.update(joints[i])
        one.frame_task.set_target(
            mink.SE3.from_rotation_and_translation(mink.SO3(target[i, 3:]), target[i, :3])
        )
        expected = mink.solve_ik(
            one.configuration, [one.frame_task, one.posture_task], dt=1.0, solver="daqp",
            damping=ik.config.damping, limits=[],
        )  # fmt: skip
        np.testing.assert_allclose(step[i], expected, atol=1e-6)


def test_machine_code_is_the_array_function(ik):
    rng = np.random.default_rng(3)
    joints = ik.home + rng.normal(0, 0.3, (200, 7))
    target = ik.kinematics.tool_pose(joints + rng.normal(0, 0.2, joints.shape))
    target[:20] = ik.kinematics.tool_pose(joints[:20])  # nothing to turn: the series
    target[20:40, 3:] = DOWN
    position, rotation = target[:, :3], matrix_from_quat(target[:, 3:])
    expected = joints
    for _ in range(ik.config.iterations):
        expected = expected + ik.delta(expected, position, rotation)
    np.testing.assert_allclose(ik._compiled(joints, position, rotation), expected, atol=1e-9)


def test_a_control_step_is_reached(ik):
    pose = table_poses(64)
    joints = postures(ik, pose)
    target = pose.copy()
    target[:, :3] += np.random.default_rng(1).uniform(-0.023, 0.023, (64, 3))
    reached = ik.kinematics.tool_pose(ik.solve(joints, target, dt=0.1))
    assert ik.num_limited == 0
    assert np.abs(reached[:, :3] - target[:, :3]).max() < 1e-3
    assert np.abs((reached[:, 3:] * target[:, 3:]).sum(axis=1)).min() > 1 - 1e-5


def test_limits_hold_and_only_limited_worlds_go_to_mink(ik):
    pose = table_poses(8)
    joints = postures(ik, pose)
    target = pose.copy()
    target[3, :3] += [0.0, 0.3, 0.2]  # farther than 0.1 s allow
    answer = ik.solve(joints, target, dt=0.1)
    assert ik.num_limited == 1
    reach = ik.kinematics.velocity_limit * 0.1
    assert (np.abs(answer - joints) <= reach + 1e-9).all()
    assert (answer >= ik.kinematics.lower - 1e-9).all()
    assert (answer <= ik.kinematics.upper + 1e-9).all()
    moved = ik.kinematics.tool_pose(answer)[3, :3] - pose[3, :3]
    assert moved @ target[3, :3] - moved @ pose[3, :3] > 0


def test_joint_limit_of_the_elbow_is_kept(ik):
    joints = np.tile(ik.home, (1, 1))
    target = ik.kinematics.tool_pose(joints)
    target[0, :3] = [1.2, 0.0, 0.5]  # out of reach: the elbow would stretch beyond its limit
    for _ in range(10):
        joints = ik.solve(joints, target, dt=0.1)
        assert (joints <= ik.kinematics.upper + 1e-9).all()
        assert (joints >= ik.kinematics.lower - 1e-9).all()


def test_teleoperation_follows_a_target():
    one = MinkIk(panda())
    joints = one.home
    target = one.tool_pose(joints) + np.array([0.1, 0.1, -0.1, 0, 0, 0, 0])
    for _ in range(15):
        step = one.track(joints, target, dt=0.1)
        assert (np.abs(step - joints) <= one.velocity_limit * 0.1 + 1e-9).all()
        joints = step
    np.testing.assert_allclose(one.tool_pose(joints)[:3], target[:3], atol=2e-3)
