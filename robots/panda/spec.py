"""Franka Emika Panda with its two-finger hand, drawn with primitives.

Frames, masses, centres of mass, inertias, servo stiffness and force limits are the published
numbers of MuJoCo Menagerie's `franka_emika_panda` (Apache-2.0), whose inertial parameters were
identified by Gaz et al., "Dynamic Identification of the Franka Emika Panda Robot With Retrieval of
Feasible Parameters", RA-L 2019. Velocity limits and the hand's travel are from Franka's data sheet.
"""

from __future__ import annotations

import math

from octoworld.core.registry import register_robot
from robots.shapes import between
from robots.spec import (
    ActuatorSpec,
    ArmSpec,
    BodySpec,
    CameraSpec,
    EqualitySpec,
    GeomSpec,
    JointSpec,
    Quat,
    RobotSpec,
    SiteSpec,
)

WHITE = (0.90, 0.92, 0.93, 1.0)
DARK = (0.20, 0.21, 0.23, 1.0)
FINGER = (0.10, 0.85, 0.90, 1.0)

_S = math.sqrt(0.5)
_TURN_BACK: Quat = (_S, -_S, 0.0, 0.0)
_TURN_FORTH: Quat = (_S, _S, 0.0, 0.0)

# Joint ranges [rad] (Menagerie, equal to the data sheet) and speed limits [rad/s] (data sheet).
RANGES = (
    (-2.8973, 2.8973),
    (-1.7628, 1.7628),
    (-2.8973, 2.8973),
    (-3.0718, -0.0698),
    (-2.8973, 2.8973),
    (-0.0175, 3.7525),
    (-2.8973, 2.8973),
)
VELOCITY_LIMITS = (2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61)
FORCE_LIMITS = (87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0)

# Menagerie's servos (kp 4500 / 4500 / 3500 / 3500 / 2000 / 2000 / 2000 N m/rad, kd = kp / 10) have
# a pole at 10 rad/s: only 63 % of a step is done after one control period of 0.1 s. Here all joints
# have one bandwidth, 35 rad/s at damping ratio 0.9: kp = I w^2, kd = 1.8 I w = kp / 19, with I the
# diagonal of the mass matrix over the table (2.1 2.4 1.6 1.1 0.13 0.15 0.11 kg m^2). A 4 cm step is
# 89-94 % done after 0.1 s; overshoot is under 8 %. Stiffer servos make grasped objects creep:
# at a 5 ms physics step the implicit integration of kd then departs from the motion that the
# contact solver assumed (7 mm instead of 1 mm per 3 cm carried, at Menagerie's stiffness).
STIFFNESS = (2600.0, 2950.0, 1900.0, 1400.0, 160.0, 190.0, 130.0)
DAMPING_TIME = 1.8 / 35

# The hand: 0.08 m stroke, 70 N continuous (data sheet). Each finger has a servo of its own, tied by
# an equality. Menagerie's tendon servo (100 N/m) is scaled up so that a 45 mm block feels 30 N.
FINGER_STIFFNESS = 1300.0
FINGER_DAMPING = 24.0
FINGER_FORCE = 70.0
FINGER_STROKE = 0.04

# Franka's ready pose: the gripper points down and opens along y (Menagerie's last joint, -pi/4,
# opens it along x).
HOME = (0.0, 0.0, 0.0, -math.pi / 2, 0.0, math.pi / 2, math.pi / 4)


def _joint(index: int) -> JointSpec:
    return JointSpec(
        f"joint{index}",
        "hinge",
        range=RANGES[index - 1],
        damping=1.0,
        armature=0.1,
        velocity_limit=VELOCITY_LIMITS[index - 1],
    )


def _arm() -> tuple[BodySpec, ...]:
    look = {"rgba": WHITE, "collides": False}
    dark = {"rgba": DARK, "collides": False}
    return (
        BodySpec(
            "link0",
            geoms=(
                between("cylinder", "link0_base", (0, 0, 0), (0, 0, 0.14), 0.075, **look),
                GeomSpec("link0_foot", "box", (0.06, 0.055, 0.03), (-0.06, 0, 0.03), **look),
            ),
            mass=0.629769,
            center_of_mass=(-0.041018, -0.00014, 0.049974),
            inertia=(0.00315, 0.00388, 0.004285, 8.2904e-7, 0.00015, 8.2299e-6),
        ),
        BodySpec(
            "link1",
            "link0",
            (0, 0, 0.333),
            joint=_joint(1),
            geoms=(between("capsule", "link1_tube", (0, 0, -0.19), (0, 0, -0.02), 0.06, **look),),
            mass=4.970684,
            center_of_mass=(0.003875, 0.002081, -0.04762),
            inertia=(0.70337, 0.70661, 0.0091170, -0.00013900, 0.0067720, 0.019169),
            gravity_compensation=1.0,
        ),
        BodySpec(
            "link2",
            "link1",
            quat_wxyz=_TURN_BACK,
            joint=_joint(2),
            geoms=(
                between("cylinder", "link2_hub", (0, 0, -0.07), (0, 0, 0.07), 0.06, **dark),
                between("capsule", "link2_tube", (0, -0.02, 0), (0, -0.17, 0), 0.057, **look),
            ),
            mass=0.646926,
            center_of_mass=(-0.003141, -0.02872, 0.003495),
            inertia=(0.0079620, 2.8110e-2, 2.5995e-2, -3.925e-3, 1.0254e-2, 7.04e-4),
            gravity_compensation=1.0,
        ),
        BodySpec(
            "link3",
            "link2",
            (0, -0.316, 0),
            _TURN_FORTH,
            joint=_joint(3),
            geoms=(
                between("capsule", "link3_tube", (0, 0, -0.13), (0, 0, -0.04), 0.055, **look),
                between("capsule", "link3_arm", (0, 0, -0.02), (0.0825, 0, 0), 0.05, **look),
            ),
            mass=3.228604,
            center_of_mass=(2.7518e-2, 3.9252e-2, -6.6502e-2),
            inertia=(3.7242e-2, 3.6155e-2, 1.083e-2, -4.761e-3, -1.1396e-2, -1.2805e-2),
            gravity_compensation=1.0,
        ),
        BodySpec(
            "link4",
            "link3",
            (0.0825, 0, 0),
            _TURN_FORTH,
            joint=_joint(4),
            geoms=(
                between("cylinder", "link4_hub", (0, 0, -0.065), (0, 0, 0.065), 0.055, **dark),
                between("capsule", "link4_arm", (0, 0, 0), (-0.0825, 0.11, 0), 0.052, **look),
            ),
            mass=3.587895,
            center_of_mass=(-5.317e-2, 1.04419e-1, 2.7454e-2),
            inertia=(2.5853e-2, 1.9552e-2, 2.8323e-2, 7.796e-3, -1.332e-3, 8.641e-3),
            gravity_compensation=1.0,
        ),
        BodySpec(
            "link5",
            "link4",
            (-0.0825, 0.384, 0),
            _TURN_BACK,
            joint=_joint(5),
            geoms=(
                between("capsule", "link5_tube", (0, 0, -0.26), (0, 0, -0.02), 0.05, rgba=WHITE),
            ),
            mass=1.225946,
            center_of_mass=(-1.1953e-2, 4.1065e-2, -3.8437e-2),
            inertia=(3.5549e-2, 2.9474e-2, 8.627e-3, -2.117e-3, -4.037e-3, 2.29e-4),
            gravity_compensation=1.0,
        ),
        BodySpec(
            "link6",
            "link5",
            quat_wxyz=_TURN_FORTH,
            joint=_joint(6),
            geoms=(
                between("cylinder", "link6_hub", (0, 0, -0.05), (0, 0, 0.05), 0.05, **dark),
                between("capsule", "link6_arm", (0, 0, 0), (0.088, 0, 0), 0.046, **look),
            ),
            mass=1.666555,
            center_of_mass=(6.0149e-2, -1.4117e-2, -1.0517e-2),
            inertia=(1.964e-3, 4.354e-3, 5.433e-3, 1.09e-4, -1.158e-3, 3.41e-4),
            gravity_compensation=1.0,
        ),
        BodySpec(
            "link7",
            "link6",
            (0.088, 0, 0),
            _TURN_FORTH,
            joint=_joint(7),
            geoms=(
                between(
                    "cylinder", "link7_flange", (0, 0, -0.02), (0, 0, 0.107), 0.042, rgba=WHITE
                ),
            ),
            mass=0.735522,
            center_of_mass=(1.0517e-2, -4.252e-3, 6.1597e-2),
            inertia=(1.2516e-2, 1.0027e-2, 4.815e-3, -4.28e-4, -1.196e-3, -7.41e-4),
            gravity_compensation=1.0,
        ),
    )


def _hand() -> tuple[BodySpec, ...]:
    # The palm's outline (0.204 x 0.063 x 0.066 m) and the tool centre point, 0.1034 m from the
    # flange, are Franka's; the pads' inner faces lie at y = 0, so that the gap is the joints' sum.
    eighth: Quat = (math.cos(math.pi / 8), 0.0, 0.0, -math.sin(math.pi / 8))
    palm = GeomSpec("palm", "box", (0.0315, 0.102, 0.033), (0, 0, 0.033), rgba=DARK)

    def finger(side: str, quat: Quat, joint: str) -> BodySpec:
        pad = GeomSpec(
            f"{side}_pad",
            "box",
            (0.010, 0.006, 0.0275),
            (0, 0.006, 0.027),
            rgba=FINGER,
            friction=(2.0, 0.02, 0.0001),
            contact_dim=4,
            contact_time=0.01,
        )
        slide = JointSpec(
            joint,
            "slide",
            axis=(0.0, 1.0, 0.0),
            range=(0.0, FINGER_STROKE),
            damping=1.0,
            armature=0.1,
            velocity_limit=0.05,
        )
        return BodySpec(
            f"{side}_finger",
            "hand",
            (0, 0, 0.0584),
            quat,
            joint=slide,
            geoms=(pad,),
            mass=0.015,
            inertia=(2.375e-6, 2.375e-6, 7.5e-7, 0.0, 0.0, 0.0),
            gravity_compensation=1.0,
        )

    return (
        BodySpec(
            "hand",
            "link7",
            (0, 0, 0.107),
            eighth,
            geoms=(palm,),
            sites=(SiteSpec("tool", (0, 0, 0.1034)),),
            mass=0.73,
            center_of_mass=(-0.01, 0, 0.03),
            inertia=(0.001, 0.0025, 0.0017, 0.0, 0.0, 0.0),
            gravity_compensation=1.0,
        ),
        finger("left", (1.0, 0.0, 0.0, 0.0), "finger_joint1"),
        finger("right", (0.0, 0.0, 0.0, 1.0), "finger_joint2"),
    )


def _actuators() -> tuple[ActuatorSpec, ...]:
    arm = tuple(
        ActuatorSpec(f"servo{i + 1}", f"joint{i + 1}", kp, kp * DAMPING_TIME, force, RANGES[i])
        for i, (kp, force) in enumerate(zip(STIFFNESS, FORCE_LIMITS, strict=True))
    )
    grip = (FINGER_STIFFNESS, FINGER_DAMPING, FINGER_FORCE, (0.0, FINGER_STROKE))
    return arm + tuple(ActuatorSpec(f"finger_servo{i}", f"finger_joint{i}", *grip) for i in (1, 2))


@register_robot("panda")
def panda() -> RobotSpec:
    """The Panda: 7 arm servos, then 2 finger servos; tool frame between the fingertips."""
    arm_joints = tuple(f"joint{i}" for i in range(1, 8))
    fingers = ("finger_joint1", "finger_joint2")
    return RobotSpec(
        name="panda",
        bodies=_arm() + _hand(),
        actuators=_actuators(),
        home=dict(zip(arm_joints, HOME, strict=True)) | dict.fromkeys(fingers, FINGER_STROKE),
        arm_joints=arm_joints,
        gripper_joints=fingers,
        gripper_range=(0.0, FINGER_STROKE),
        tool_site="tool",
        arm=ArmSpec(
            # at 0.012 the fingertips clear the table by 2.5 mm
            workspace=((0.28, -0.34, 0.012), (0.74, 0.34, 0.40)),
            reach_box=((0.38, -0.20, 0.06), (0.64, 0.20, 0.30)),
            fingers=("left_finger", "right_finger"),
        ),
        cameras=(
            CameraSpec(
                "wrist",
                position=(-0.075, 0.0, 0.045),
                look_at=(0.005, 0.0, 0.125),
                up=(1.0, 0.0, 0.0),
                fovy_deg=70.0,
                body="hand",
            ),
        ),
        equalities=(EqualitySpec(*fingers),),
        contact_excludes=(
            ("link5", "link7"),
            ("link5", "hand"),
            ("link7", "left_finger"),
            ("link7", "right_finger"),
            ("left_finger", "right_finger"),
        ),
        source="MuJoCo Menagerie franka_emika_panda; Gaz et al. 2019; Franka data sheet",
    )
