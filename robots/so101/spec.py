"""SO-101 follower arm (5 hinges and a jaw), drawn with primitives.

Frames, masses, centres of mass, inertias, joint ranges, damping, dry friction and armature are the
published numbers of TheRobotStudio's SO-ARM100 repository (Apache-2.0),
`Simulation/SO101/so101_new_calib.xml` and `.urdf`: each joint's zero is the middle of its range.
Speed and torque limits are the data sheet's of its STS3215 servos in the 12 V version (45 rpm
without load, 30 kg cm; the 7.4 V version has 19.5 kg cm; the URDF's limits are placeholders).
Outlines of the drawn shapes were measured on the repository's parts.
"""

from __future__ import annotations

import math

from octoworld.core.registry import register_robot
from robots.spec import (
    ActuatorSpec,
    ArmSpec,
    BodySpec,
    CameraSpec,
    GeomSpec,
    JointSpec,
    Quat,
    RobotSpec,
    SiteSpec,
    Vec3,
)

YELLOW = (0.95, 0.78, 0.12, 1.0)
MOTOR = (0.12, 0.12, 0.13, 1.0)
FINGER = (0.10, 0.85, 0.90, 1.0)

_S = math.sqrt(0.5)

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll")
RANGES = {
    "shoulder_pan": (-1.91986, 1.91986),
    "shoulder_lift": (-1.74533, 1.74533),
    "elbow_flex": (-1.69, 1.69),
    "wrist_flex": (-1.65806, 1.65806),
    "wrist_roll": (-2.74385, 2.84121),
    "gripper": (-0.17453, 1.74533),
}
SPEED_LIMIT = 45 * 2 * math.pi / 60
TORQUE_LIMIT = 30 * 0.0980665

# Stiffness is the MJCF's. Its damping of 2.731 N m s/rad leaves a ratio of 0.3; here the ratio is 1
# with the inertia of rotor and links (0.036 kg m^2), so that a step does not swing. The servos have
# no integral term and know nothing of the arm's weight: the stretched arm sags by 0.5 mm.
STIFFNESS = 998.22
DAMPING = 2 * math.sqrt(STIFFNESS * 0.036) - 0.60

# Tool at (0.22, 0, 0.07), pointing down, jaws opening along y.
HOME = (0.042546854, -0.103901086, 0.159019640, 1.515677796, -1.479569935)
OPEN = 1.0
"""Of the jaw in the arm's home pose, and of a full action [rad]."""


def _box(name: str, middle: Vec3, half: Vec3, *, motor: bool = False, **options) -> GeomSpec:
    rgba = options.pop("rgba", MOTOR if motor else YELLOW)
    return GeomSpec(name, "box", half, middle, rgba=rgba, **options)


def _body(
    name: str,
    parent: str | None,
    position: Vec3,
    quat: Quat,
    joint: str,
    mass: float,
    com: Vec3,
    inertia: tuple[float, float, float, float, float, float],
    geoms: tuple[GeomSpec, ...],
    sites: tuple[SiteSpec, ...] = (),
) -> BodySpec:
    hinge = JointSpec(
        joint, "hinge", range=RANGES[joint], damping=0.60, armature=0.028, friction_loss=0.052,
        velocity_limit=SPEED_LIMIT,
    )  # fmt: skip
    return BodySpec(
        name, parent, position, quat, joint=hinge, geoms=geoms, sites=sites, mass=mass,
        center_of_mass=com, inertia=inertia,
    )  # fmt: skip


def _bodies() -> tuple[BodySpec, ...]:
    motor, drawn = {"motor": True}, {"collides": False}
    pad = {"rgba": FINGER, "friction": (2.0, 0.02, 0.0001), "contact_dim": 4, "contact_time": 0.01}
    tip = (-0.0079, -0.000218121, -0.0981274)
    base = BodySpec(
        "base",
        geoms=(
            _box("base_foot", (0.0211, 0, 0.008), (0.0435, 0.0555, 0.008), **drawn),
            _box("base_holder", (0.0129, 0, 0.042), (0.040, 0.024, 0.026), **drawn),
            _box("base_motor", (0.0263, 0, 0.0441), (0.028, 0.0124, 0.028), **motor, **drawn),
            _box("base_board", (-0.0310, 0, 0.0474), (0.004, 0.0255, 0.021), **motor, **drawn),
        ),
        mass=0.147,
        center_of_mass=(0.0137179, -5.19711e-05, 0.0334843),
        inertia=(0.000114686, 0.000136117, 0.000130364, -4.59787e-07, 4.97151e-06, 9.75275e-08),
    )
    return (
        base,
        _body(
            "shoulder", "base", (0.0388353, -8.97657e-09, 0.0624), (0, 0, 1, 0), "shoulder_pan",
            0.100006, (-0.0307604, -1.66727e-05, -0.0252713),
            (8.3759e-05, 8.10403e-05, 2.39783e-05, 7.55525e-08, -1.16342e-06, 1.54663e-07),
            (
                _box("shoulder_yoke", (-0.0177, 0, -0.012), (0.0299, 0.023, 0.008)),
                _box("shoulder_holder", (-0.0316, 0.0012, -0.026), (0.019, 0.0275, 0.014), **drawn),
                _box("shoulder_motor", (-0.0304, 0, -0.0440), (0.0124, 0.0198, 0.0227), **motor),
            ),
        ),
        _body(
            "upper_arm", "shoulder", (-0.0303992, -0.0182778, -0.0542), (0.5, -0.5, -0.5, -0.5),
            "shoulder_lift", 0.103, (-0.0898471, -0.00838224, 0.0184089),
            (4.08002e-05, 0.000147318, 0.000142487, -1.97819e-05, -4.03016e-08, 8.97326e-09),
            (
                _box("upper_arm_left", (-0.022, 0, -0.0105), (0.034, 0.0122, 0.003), **drawn),
                _box("upper_arm_right", (-0.022, 0, 0.0505), (0.034, 0.0122, 0.003), **drawn),
                _box("upper_arm_beam", (-0.078, 0, 0.0201), (0.026, 0.0122, 0.0336)),
                _box("upper_arm_motor", (-0.1126, -0.0155, 0.0183), (0.0124, 0.0227, 0.0198),
                     **motor),
            ),
        ),
        _body(
            "lower_arm", "upper_arm", (-0.11257, -0.028, 0), (_S, 0, 0, _S), "elbow_flex",
            0.104, (-0.0980701, 0.00324376, 0.0182831),
            (2.87438e-05, 0.000159844, 0.00014529, 7.41152e-06, 1.26409e-06, -4.90188e-08),
            (
                _box("lower_arm_left", (-0.018, 0, -0.0095), (0.030, 0.0120, 0.003), **drawn),
                _box("lower_arm_right", (-0.018, 0, 0.0495), (0.030, 0.0120, 0.003), **drawn),
                _box("lower_arm_beam", (-0.068, 0, 0.0202), (0.022, 0.0120, 0.0322)),
                _box("lower_arm_holder", (-0.1047, 0.0035, 0.020), (0.014, 0.0184, 0.0282)),
                _box("lower_arm_motor", (-0.1224, 0.0052, 0.0183), (0.0227, 0.0124, 0.0198),
                     **motor),
            ),
        ),
        _body(
            "wrist", "lower_arm", (-0.1349, 0.0052, 0), (_S, 0, 0, -_S), "wrist_flex",
            0.079, (-0.000103312, -0.0386143, 0.0281156),
            (3.68263e-05, 2.5391e-05, 2.1e-05, 1.7893e-08, -5.28128e-08, 3.6412e-06),
            (
                _box("wrist_left", (0, -0.008, -0.0070), (0.0120, 0.020, 0.002), **drawn),
                _box("wrist_right", (0, -0.008, 0.0480), (0.0120, 0.020, 0.002), **drawn),
                _box("wrist_bracket", (-0.0022, -0.034, 0.0221), (0.0178, 0.010, 0.0290)),
                _box("wrist_motor", (0, -0.0450, 0.0306), (0.0124, 0.0155, 0.0227), **motor),
            ),
        ),
        _body(
            "gripper", "wrist", (0, -0.0611, 0.0181), (0.0172091, -0.0172091, 0.706897, 0.706897),
            "wrist_roll", 0.087, (0.000213627, 0.000245138, -0.025187),
            (2.75087e-05, 4.33657e-05, 3.45059e-05, -3.35241e-07, -5.7352e-06, -5.17847e-08),
            (
                _box("gripper_body", (-0.0110, -0.001, -0.0230), (0.0235, 0.0230, 0.0220)),
                _box("gripper_motor", (0.0077, 0.0005, -0.0234), (0.0227, 0.0198, 0.0124), **motor),
                _box("fixed_jaw", (-0.0235, 0, -0.0590), (0.0110, 0.0100, 0.0160)),
                _box("fixed_tip", (-0.0160, 0, -0.0895), (0.0070, 0.0070, 0.0149), **pad),
            ),
            (
                # as in the URDF, and turned about its z so that the jaws open along its y
                SiteSpec("gripperframe", tip, (0, 0, 1, 0)),
                SiteSpec("tool", tip, (0, _S, _S, 0)),
            ),
        ),
        _body(
            "moving_jaw", "gripper", (0.0202, 0.0188, -0.0234), (_S, _S, 0, 0), "gripper",
            0.012, (-0.00157495, -0.0300244, 0.0192755),
            (6.61427e-06, 1.89032e-06, 5.28738e-06, -3.19807e-07, -5.90717e-09, -1.09945e-07),
            (
                _box("jaw_hub", (0, -0.010, 0.0189), (0.0100, 0.0200, 0.0239), **drawn),
                _box("jaw_arm", (-0.002, -0.0420, 0.0190), (0.0070, 0.0180, 0.0085)),
                _box("jaw_tip", (-0.0050, -0.0700, 0.0190), (0.0060, 0.0120, 0.0065), **pad),
            ),
        ),
    )  # fmt: skip


def _actuators() -> tuple[ActuatorSpec, ...]:
    return tuple(
        ActuatorSpec(f"{joint}_servo", joint, STIFFNESS, DAMPING, TORQUE_LIMIT, span)
        for joint, span in RANGES.items()
    )


@register_robot("so101")
def so101() -> RobotSpec:
    """The SO-101: 5 arm servos, then the jaw's; tool frame at the tip of the fixed jaw."""
    return RobotSpec(
        name="so101",
        bodies=_bodies(),
        actuators=_actuators(),
        home=dict(zip(JOINTS, HOME, strict=True)) | {"gripper": OPEN},
        arm_joints=JOINTS,
        gripper_joints=("gripper",),
        gripper_range=(RANGES["gripper"][0], OPEN),
        tool_site="tool",
        arm=ArmSpec(
            workspace=((0.14, -0.16, 0.012), (0.34, 0.16, 0.20)),
            reach_box=((0.17, -0.10, 0.04), (0.31, 0.10, 0.15)),
            fingers=("gripper", "moving_jaw"),
            # 1 rad of orientation is worth 1 cm: up to z = 0.08 m the tool points down, higher up
            # the wrist's range ends and it tilts, and its position stays within 0.5 mm
            orientation_cost=0.01,
            posture_cost=0.001,
            lm_damping=1.0,
        ),
        cameras=(
            CameraSpec(
                "wrist",
                position=(0.0, -0.070, -0.040),
                look_at=(0.0, 0.005, -0.115),
                up=(0.0, 1.0, 0.0),
                fovy_deg=70.0,
                body="gripper",
            ),
        ),
        contact_excludes=(
            ("base", "shoulder"),
            ("base", "upper_arm"),
            ("shoulder", "lower_arm"),
            ("lower_arm", "gripper"),
            ("wrist", "moving_jaw"),
        ),
        source="TheRobotStudio/SO-ARM100, Simulation/SO101 (new calibration); Feetech STS3215 data "
        "sheet",
    )
