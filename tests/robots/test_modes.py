"""Control modes: what an action does, on the kinematic arm and in physics."""

import numpy as np
import pytest

from octoworld.core.errors import UnknownNameError
from robots.control.modes import CONTROL_MODES, ControlConfig, control_mode
from robots.panda import panda
from sim.backends.mujoco import MujocoWorld
from sim.scene import RobotPlacement, Scene

DIMENSIONS = {"ee_delta_pos": 4, "ee_delta_pose": 7, "joint_delta_pos": 8, "joint_pos": 8}


def over_table(mode, count=4):
    joints = np.tile(mode.ik.home, (count, 1))
    target = mode.kinematics.tool_pose(joints)
    target[:, :3] = np.random.default_rng(0).uniform([0.4, -0.2, 0.1], [0.6, 0.2, 0.2], (count, 3))
    for _ in range(6):
        joints = mode.ik.solve(joints, target)
    return joints


def test_the_modes_are_registered():
    assert {n: control_mode(n, panda()).action_dim for n in CONTROL_MODES.names()} == DIMENSIONS


def test_numbers_of_an_action_have_names():
    names = {n: control_mode(n, panda()).action_names for n in CONTROL_MODES.names()}
    assert names["ee_delta_pose"] == ("dx", "dy", "dz", "rx", "ry", "rz", "gripper")
    assert names["joint_pos"][:2] == ("joint1.pos", "joint2.pos")
    assert names["joint_delta_pos"][6:] == ("joint7.delta", "gripper")


def test_unknown_mode_lists_the_choices():
    with pytest.raises(UnknownNameError, match="ee_delta_pos"):
        control_mode("ee_delta_position", panda())


@pytest.mark.parametrize("name", ["ee_delta_pos", "ee_delta_pose", "joint_delta_pos"])
def test_zero_action_holds_and_gripper_is_absolute(name):
    mode = control_mode(name, panda())
    joints = over_table(mode)
    actions = np.zeros((4, mode.action_dim))
    actions[:, -1] = [-1.0, 0.0, 1.0, 5.0]
    targets = mode.targets(actions, joints)
    assert targets.shape == (4, 9)
    np.testing.assert_allclose(targets[:, :7], joints, atol=5e-3)
    np.testing.assert_allclose(targets[:, 7], [0.0, 0.02, 0.04, 0.04])
    np.testing.assert_allclose(targets[:, 8], targets[:, 7])


def test_tool_shift_is_scaled_and_keeps_inside_the_workspace():
    mode = control_mode("ee_delta_pos", panda())
    joints = over_table(mode)
    before = mode.kinematics.tool_pose(joints)
    actions = np.tile([0.5, -0.5, 0.25, 1.0], (4, 1))
    after = mode.kinematics.tool_pose(mode.targets(actions, joints)[:, :7])
    np.testing.assert_allclose(after[:, :3] - before[:, :3],
                               np.tile([0.02, -0.02, 0.01], (4, 1)), atol=1e-3)  # fmt: skip
    for _ in range(10):
        joints = mode.targets(np.tile([0.0, 0.0, -1.0, 1.0], (4, 1)), joints)[:, :7]
    low = mode.kinematics.tool_pose(joints)[:, 2]
    np.testing.assert_allclose(low, mode.arm.workspace[0][2], atol=1e-3)


def test_turn_is_about_world_axes():
    mode = control_mode("ee_delta_pose", panda())
    joints = over_table(mode)
    actions = np.zeros((4, 7))
    actions[:, 5] = 1.0
    _, before = mode.kinematics.tool_frame(joints)
    _, after = mode.kinematics.tool_frame(mode.targets(actions, joints)[:, :7])
    turned = after @ before.transpose(0, 2, 1)
    angle = np.arctan2(turned[:, 1, 0], turned[:, 0, 0])
    np.testing.assert_allclose(angle, ControlConfig().rotation_step, atol=5e-3)


def test_joint_targets_respect_speed_limits():
    mode = control_mode("joint_pos", panda())
    joints = over_table(mode)
    targets = mode.targets(np.ones((4, 8)), joints)
    assert (np.abs(targets[:, :7] - joints) <= mode.kinematics.velocity_limit * 0.1 + 1e-9).all()


def test_physics_completes_a_full_step_in_one_control_period():
    spec = panda()
    mode = control_mode("ee_delta_pos", spec)
    count = 16
    world = MujocoWorld(Scene("arm", robots=(RobotPlacement(spec),)), count, 1)
    start = over_table(mode, count)
    world.set_joint_position(spec.arm_joints, start)
    world.refresh()
    rng = np.random.default_rng(1)
    shift = rng.normal(size=(count, 3))
    shift /= np.linalg.norm(shift, axis=1, keepdims=True)
    actions = np.concatenate([shift, np.ones((count, 1))], axis=1)
    before = world.pose("tool")[:, :3]
    targets = mode.targets(actions, start)
    done = []
    for _ in range(3):
        world.step(targets, 20)
        done.append(((world.pose("tool")[:, :3] - before) * shift).sum(axis=1) / 0.04)
    assert done[0].min() > 0.85
    assert done[0].max() < 1.08
    assert np.abs(done[2] - 1).max() < 0.05
