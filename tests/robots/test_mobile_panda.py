"""The mobile Panda: drives where its servos say, carries the arm, tucked where its spec says."""

from __future__ import annotations

import numpy as np

from octoworld.core.registry import BACKENDS, ROBOTS
from robots.mobile_panda.spec import BASE_JOINTS, BASE_RADIUS, TUCKED_TOOL
from robots.spec import GeomSpec
from sim.scene import RobotPlacement, Scene


def make_world():
    floor = GeomSpec("floor", "plane", (10.0, 10.0))
    scene = Scene("garage", (RobotPlacement(ROBOTS.get("mobile_panda")()),), static_geoms=(floor,))
    return BACKENDS.get("mujoco")(scene, 1)


def test_the_tucked_tool_is_over_the_base():
    world = make_world()
    np.testing.assert_allclose(world.pose("tool")[0, :3], TUCKED_TOOL, atol=5e-3)
    assert np.hypot(*TUCKED_TOOL[:2]) < BASE_RADIUS
    world.close()


def test_servos_bring_the_base_there_and_the_arm_stays_tucked():
    world = make_world()
    home = ROBOTS.get("mobile_panda")().home
    goal = np.array([0.8, -0.5, 1.2])
    control = np.array([[*goal, *(home[f"joint{i}"] for i in range(1, 8)), 0.04, 0.04]])
    assert world.control_names[:3] == ("drive_x", "drive_y", "drive_yaw")
    for _ in range(40):
        world.step(control, 20)
    np.testing.assert_allclose(world.joint_position(*BASE_JOINTS)[0], goal, atol=0.01)
    arm = world.joint_position(*(f"joint{i}" for i in range(1, 8)))[0]
    np.testing.assert_allclose(arm, [home[f"joint{i}"] for i in range(1, 8)], atol=0.02)
    assert abs(world.pose("base")[0, 2]) < 0.01
    world.close()
