"""Every arm: its kinematics, masses, home and control, against MuJoCo and against its sources."""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (mujoco is a C extension without type stubs)

import mujoco
import numpy as np
import pytest

from octoworld.core.errors import ConfigError
from octoworld.core.registry import ROBOTS
from octoworld.core.rotations import matrix_from_quat
from robots.control.ik import InverseKinematics
from robots.control.mink_ik import MinkIk
from robots.control.modes import CONTROL_MODES, ControlConfig, control_mode
from robots.kinematics import Kinematics
from robots.spec import RobotSpec
from sim.backends.mujoco import MujocoWorld
from sim.scene import RobotPlacement, Scene

ARMS = ("panda", "so101", "ur5e")


@pytest.fixture(params=ARMS)
def spec(request) -> RobotSpec:
    return ROBOTS.get(request.param)()


def world_of(spec: RobotSpec, count: int = 1) -> MujocoWorld:
    return MujocoWorld(Scene("arm", robots=(RobotPlacement(spec),)), count, 1)


def home_of(spec: RobotSpec, count: int = 1) -> np.ndarray:
    return np.tile([spec.home[joint] for joint in spec.arm_joints], (count, 1))


def tools_in(spec: RobotSpec, count: int, seed: int = 0) -> np.ndarray:
    """Poses (n, 7) all over the arm's box, as far down as they are asked to point."""
    xyz = np.random.default_rng(seed).uniform(*spec.arm.reach_box, (count, 3))
    return np.concatenate([xyz, np.tile(spec.arm.tool_quat_wxyz, (count, 1))], axis=1)


def test_kinematics_equal_mujocos_tool(spec):
    arm, world = Kinematics(spec), world_of(spec, 20)
    joints = np.random.default_rng(0).uniform(arm.lower, arm.upper, (20, arm.num_joints))
    world.set_joint_position(spec.arm_joints, joints)
    world.refresh()
    pose, ours = world.pose(spec.tool_site), arm.tool_pose(joints)
    np.testing.assert_allclose(ours[:, :3], pose[:, :3], atol=1e-6)
    np.testing.assert_allclose(np.abs((ours[:, 3:] * pose[:, 3:]).sum(axis=1)), 1.0, atol=1e-9)


def test_home_is_held_for_five_seconds_without_touching_itself(spec):
    world = world_of(spec)
    assert world.model.nu == len(spec.actuators)
    before = world.pose(spec.tool_site)
    world.step(np.array([[spec.home[a.joint] for a in spec.actuators]]), 1000)
    after = world.pose(spec.tool_site)
    np.testing.assert_allclose(after[:, :3], before[:, :3], atol=2e-3)
    assert np.abs(world.joint_velocity(*spec.arm_joints)).max() < 1e-3
    at_home = mujoco.MjData(world.model)
    mujoco.mj_resetDataKeyframe(world.model, at_home, 0)
    mujoco.mj_forward(world.model, at_home)
    assert at_home.ncon == 0


def test_inverse_kinematics_comes_back_to_the_box(spec):
    """Over 97 % of 200 places within 2 mm; the 5-joint arm tilts instead."""
    ik, pose = InverseKinematics(spec), tools_in(spec, 200)
    joints = home_of(spec, 200)
    for _ in range(5):
        joints = ik.solve(joints, pose)
    error = np.linalg.norm(ik.kinematics.tool_pose(joints)[:, :3] - pose[:, :3], axis=1)
    assert (error < 2e-3).mean() > 0.97
    assert (joints >= ik.kinematics.lower - 1e-9).all()
    assert (joints <= ik.kinematics.upper + 1e-9).all()


def test_inverse_kinematics_comes_back_to_poses_that_joints_made(spec):
    ik, arm = InverseKinematics(spec), Kinematics(spec)
    rng = np.random.default_rng(1)
    joints = home_of(spec, 4000) + rng.uniform(-0.8, 0.8, (4000, arm.num_joints))
    pose = arm.tool_pose(np.clip(joints, arm.lower, arm.upper))
    low, high = spec.arm.workspace
    pose = pose[((pose[:, :3] > low) & (pose[:, :3] < high)).all(axis=1)][:200]
    assert len(pose) == 200
    found = home_of(spec, 200)
    for _ in range(10):
        found = ik.solve(found, pose)
    error = np.linalg.norm(arm.tool_pose(found)[:, :3] - pose[:, :3], axis=1)
    assert (error < 2e-3).mean() > 0.97


def test_machine_code_and_mink_take_the_same_step(spec):
    ik, one = InverseKinematics(spec), MinkIk(spec)
    rng = np.random.default_rng(3)
    joints = home_of(spec, 20) + rng.normal(0, 0.1, (20, len(spec.arm_joints)))
    target = ik.kinematics.tool_pose(joints)
    target[:, :3] += rng.uniform(-0.02, 0.02, (20, 3))
    position, rotation = target[:, :3], matrix_from_quat(target[:, 3:])
    steps = joints
    for _ in range(ik.config.iterations):
        steps = steps + ik.delta(steps, position, rotation)
    np.testing.assert_allclose(ik._compiled(joints, position, rotation), steps, atol=1e-9)
    free = np.full(len(spec.arm_joints), 50.0)
    for q, goal, expected in zip(joints[:5], target[:5], steps[:5], strict=True):
        np.testing.assert_allclose(one.solve(q, goal, -free, free), expected, atol=1e-5)


@pytest.mark.parametrize("name", CONTROL_MODES.names())
def test_every_control_mode_drives_every_arm(spec, name):
    mode = control_mode(name, spec)
    joints = mode.ik.solve(home_of(spec, 6), tools_in(spec, 6))
    for _ in range(4):
        joints = mode.ik.solve(joints, tools_in(spec, 6))
    size = {"ee_delta_pos": 4, "ee_delta_pose": 7}.get(name, len(spec.arm_joints) + 1)
    assert mode.action_dim == size
    actions = np.random.default_rng(0).uniform(-1, 1, (6, size))
    targets = mode.targets(actions, joints)
    assert targets.shape == (6, len(spec.actuators))
    columns = [a.joint for a in spec.actuators]
    arm = targets[:, [columns.index(j) for j in spec.arm_joints]]
    reach = mode.kinematics.velocity_limit * mode.config.period
    assert (np.abs(arm - joints) <= reach + 1e-9).all()
    closed, opened = spec.gripper_range
    gripper = targets[:, [columns.index(j) for j in spec.gripper_joints]]
    expected = closed + 0.5 * (actions[:, -1:] + 1) * (opened - closed)
    np.testing.assert_allclose(gripper, np.broadcast_to(expected, gripper.shape))


def test_shifts_are_exact_and_end_at_the_arms_own_workspace(spec):
    mode = control_mode("ee_delta_pos", spec)
    joints = home_of(spec, 8)
    middle = tools_in(spec, 8, seed=2)
    middle[:, :3] = 0.5 * (middle[:, :3] + np.mean(spec.arm.reach_box, axis=0))
    for _ in range(5):
        joints = mode.ik.solve(joints, middle)
    before = mode.kinematics.tool_pose(joints)[:, :3]
    actions = np.tile([0.25, -0.25, -0.125, 1.0], (8, 1))
    after = mode.kinematics.tool_pose(mode.targets(actions, joints)[:, : joints.shape[1]])
    np.testing.assert_allclose(after[:, :3] - before, 0.04 * actions[:, :3], atol=1.5e-3)
    for _ in range(12):
        joints = mode.targets(np.tile([0.0, 0.0, -0.6, 1.0], (8, 1)), joints)[:, : len(joints[0])]
    low = mode.kinematics.tool_pose(joints)[:, 2]
    np.testing.assert_allclose(low, spec.arm.workspace[0][2], atol=1e-3)
    lifted = ControlConfig(workspace_low=(-1.0, -1.0, 0.05))
    mode = control_mode("ee_delta_pos", spec, lifted)
    for _ in range(3):
        joints = mode.targets(np.zeros((8, 4)), joints)[:, : len(joints[0])]
    np.testing.assert_allclose(mode.kinematics.tool_pose(joints)[:, 2], 0.05, atol=1.5e-3)


def test_a_robot_without_an_arm_is_told_so():
    with pytest.raises(ConfigError, match="'cf2x' has no arm"):
        control_mode("ee_delta_pos", ROBOTS.get("cf2x")())


# -- against the sources ------------------------------------------------------------------------

DH = ((0, 0.1625, 90), (-0.425, 0, 0), (-0.3922, 0, 0), (0, 0.1333, 90), (0, 0.0997, -90),
      (0, 0.0996, 0))  # fmt: skip
"""Universal Robots' article: a [m], d [m], alpha [deg] of the UR5e."""


@pytest.mark.parametrize(
    "joints",
    [(0, 0, 0, 0, 0, 0), (0.3, -1.2, 1.4, -1.9, -1.1, 0.7), (-2.0, -2.2, -1.0, 0.4, 2.5, -3)],
)
def test_the_ur5es_flange_is_where_its_denavit_hartenberg_parameters_put_it(joints):
    frame = np.diag([-1.0, -1.0, 1.0, 1.0])  # our x is forward, UR's base looks back
    for angle, (a, d, alpha) in zip(joints, DH, strict=True):
        c, s = np.cos(angle), np.sin(angle)
        ca, sa = np.cos(np.radians(alpha)), np.sin(np.radians(alpha))
        frame = frame @ np.array(
            [[c, -s * ca, s * sa, a * c], [s, c * ca, -c * sa, a * s], [0, sa, ca, d], [0, 0, 0, 1]]
        )
    position, rotation = Kinematics(ROBOTS.get("ur5e")(), "flange").tool_frame(
        np.array([joints], float)
    )
    np.testing.assert_allclose(position[0], frame[:3, 3], atol=1e-3)
    np.testing.assert_allclose(rotation[0], frame[:3, :3], atol=1e-6)


URDF = (
    ((0.0388353, 0, 0.0624), (3.14159, 0, -3.14159)),
    ((-0.0303992, -0.0182778, -0.0542), (-1.5708, -1.5708, 0)),
    ((-0.11257, -0.028, 0), (0, 0, 1.5708)),
    ((-0.1349, 0.0052, 0), (0, 0, -1.5708)),
    ((0, -0.0611, 0.0181), (1.5708, 0.0486795, 3.14159)),
)
"""so101_new_calib.urdf: origin [m] and roll, pitch, yaw [rad] of the arm's joints."""
GRIPPER_FRAME = ((-0.0079, -0.000218121, -0.0981274), (0, 3.14159, 0))


def _origin(xyz, rpy) -> np.ndarray:
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy), np.sin(rpy)
    frame = np.eye(4)
    frame[:3, :3] = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    frame[:3, 3] = xyz
    return frame


@pytest.mark.parametrize("joints", [(0, 0, 0, 0, 0), (0.5, -0.9, 1.1, 0.4, -1.3)])
def test_the_so101s_gripper_frame_is_where_its_urdf_puts_it(joints):
    frame = np.eye(4)
    for angle, origin in zip(joints, URDF, strict=True):
        frame = frame @ _origin(*origin) @ _origin((0, 0, 0), (0, 0, angle))
    frame = frame @ _origin(*GRIPPER_FRAME)
    arm = Kinematics(ROBOTS.get("so101")(), "gripperframe")
    position, rotation = arm.tool_frame(np.array([joints], float))
    np.testing.assert_allclose(position[0], frame[:3, 3], atol=1e-5)
    np.testing.assert_allclose(rotation[0], frame[:3, :3], atol=1e-4)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("ur5e", 4.0 + 3.761 + 8.058 + 2.846 + 1.37 + 1.3 + 0.365 + 0.777441 + 2 * 0.0612794),
        ("so101", 0.147 + 0.100006 + 0.103 + 0.104 + 0.079 + 0.087 + 0.012),
    ],
)
def test_mass_is_that_of_the_sources(name, published):
    mass = world_of(ROBOTS.get(name)()).model.body_mass.sum()
    np.testing.assert_allclose(mass, published, atol=1e-6)


@pytest.mark.parametrize("name", ARMS)
def test_home_points_down_and_the_gripper_opens_along_y(name):
    spec = ROBOTS.get(name)()
    _, rotation = Kinematics(spec).tool_frame(home_of(spec))
    np.testing.assert_allclose(rotation[0], np.diag([1.0, -1.0, -1.0]), atol=1e-4)
