"""The Panda as data: it compiles, stands still, and carries what it says."""

import numpy as np

from octoworld.core.registry import ROBOTS
from octoworld.core.rotations import matrix_from_quat
from robots.panda import panda
from robots.shapes import between, quat_from_z
from sim.backends.mujoco import MujocoWorld
from sim.scene import RobotPlacement, Scene


def test_registered_as_a_function_that_returns_the_spec():
    assert ROBOTS.get("panda")() == panda()
    assert len(panda().actuators) == 9


def test_mass_is_that_of_the_sources():
    world = MujocoWorld(Scene("arm", robots=(RobotPlacement(panda()),)), 1, 1)
    arm = 0.629769 + 4.970684 + 0.646926 + 3.228604 + 3.587895 + 1.225946 + 1.666555 + 0.735522
    assert abs(world.model.body_mass.sum() - (arm + 0.73 + 2 * 0.015)) < 1e-9


def test_home_is_held_without_droop_or_vibration():
    spec = panda()
    world = MujocoWorld(Scene("arm", robots=(RobotPlacement(spec),)), 1, 1)
    home = np.array([[spec.home[a.joint] for a in spec.actuators]])
    before = world.pose("tool")
    world.step(home, 200)
    np.testing.assert_allclose(world.pose("tool")[:, :3], before[:, :3], atol=5e-4)
    assert np.abs(world.joint_velocity(*spec.arm_joints)).max() < 1e-3


def test_fingers_stay_together_and_close():
    spec = panda()
    world = MujocoWorld(Scene("arm", robots=(RobotPlacement(spec),)), 1, 1)
    control = np.array([[spec.home[a.joint] for a in spec.actuators]])
    control[:, 7:] = 0.0
    world.step(control, 40)
    fingers = world.joint_position(*spec.gripper_joints)
    np.testing.assert_allclose(fingers, 0.0, atol=2e-3)


def test_shapes_run_between_their_ends():
    geom = between("capsule", "bone", (0.1, 0.0, 0.0), (0.1, 0.3, 0.4), 0.02)
    axis = matrix_from_quat(np.array(geom.quat_wxyz))[:, 2] * geom.size[1]
    np.testing.assert_allclose(np.array(geom.position) + axis, [0.1, 0.3, 0.4], atol=1e-12)
    assert quat_from_z((0.0, 0.0, -2.0)) == (0.0, 1.0, 0.0, 0.0)
