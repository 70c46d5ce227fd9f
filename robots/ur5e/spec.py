"""Universal Robots UR5e with a two-finger parallel gripper, drawn with primitives.

Kinematics, masses and centres of mass are Universal Robots' own ("DH Parameters for calculations of
kinematics and dynamics", support article); inertias, joint limits, speed and torque limits are
those of its `Universal_Robots_ROS2_Description` (`config/ur5e`), as are the link frames: each is
the Denavit-Hartenberg frame of its joint before the link's own shift. The gripper stands for a
Robotiq 2F-85: stroke, grip force, speed and length are the data sheet's, masses those of MuJoCo
Menagerie's `robotiq_2f85`; its four-bar linkages are replaced by two slides, so that pads move
straight and stay parallel. Radii of the drawn shapes are near those of Menagerie's
`universal_robots_ur5e`.
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
    Vec3,
)

GREY = (0.80, 0.81, 0.82, 1.0)
DARK = (0.22, 0.23, 0.25, 1.0)
BLUE = (0.42, 0.62, 0.78, 1.0)
FINGER = (0.10, 0.85, 0.90, 1.0)

_S = math.sqrt(0.5)
_TURN_FORTH: Quat = (_S, _S, 0.0, 0.0)
_TURN_BACK: Quat = (_S, -_S, 0.0, 0.0)

# Denavit-Hartenberg lengths [m].
D1, A2, A3, D4, D5, D6 = 0.1625, -0.425, -0.3922, 0.1333, 0.0997, 0.0996
# Lateral offsets of upper arm and forearm from the shoulder's axis [m] (ROS2 description).
UPPER_ARM_Z, FOREARM_Z = 0.138, 0.007

JOINTS: tuple[str, ...] = (
    "shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3",
)  # fmt: skip
_FULL, _HALF = (-2 * math.pi, 2 * math.pi), (-math.pi, math.pi)
RANGES = (_FULL, _FULL, _HALF, _FULL, _FULL, _FULL)
SPEED_LIMIT = math.pi
FORCE_LIMITS = (150.0, 150.0, 150.0, 28.0, 28.0, 28.0)

# One bandwidth for all joints, 35 rad/s at damping ratio 0.9, for the same reasons as the Panda's:
# kp = I w^2 and kd = 1.8 I w with I the diagonal of the mass matrix over the table
# (1.6 2.5 1.3 0.15 0.13 0.10 kg m^2, rotors of 0.1 included).
STIFFNESS = (1950.0, 3100.0, 1550.0, 190.0, 155.0, 125.0)
DAMPING_TIME = 1.8 / 35

# The 2F-85: 85 mm stroke, 235 N, 150 mm/s (data sheet). Stiffness as of the Panda's fingers.
FINGER_STIFFNESS = 1300.0
FINGER_DAMPING = 24.0
FINGER_FORCE = 235.0
FINGER_STROKE = 0.0425
TOOL_HEIGHT = 0.1493
"""From the flange to the middle of the open pads [m]."""

# Tool at (0.5, 0, 0.35), pointing down, fingers opening along y; elbow up.
HOME = (-0.269863625, -1.593921522, 1.564560765, -1.541435570, -math.pi / 2, -1.840659952)


def _link(
    index: int,
    parent: str,
    position: Vec3,
    quat: Quat,
    mass: float,
    com: Vec3,
    inertia: tuple[float, ...],
    geoms: tuple[GeomSpec, ...],
) -> BodySpec:
    xx, xy, xz, yy, yz, zz = inertia
    joint = JointSpec(
        JOINTS[index],
        "hinge",
        range=RANGES[index],
        damping=1.0,
        armature=0.1,
        velocity_limit=SPEED_LIMIT,
    )
    names = ("shoulder", "upper_arm", "forearm", "wrist_1", "wrist_2", "wrist_3")
    return BodySpec(
        f"{names[index]}_link", parent, position, quat, joint=joint, geoms=geoms, mass=mass,
        center_of_mass=com, inertia=(xx, yy, zz, xy, xz, yz), gravity_compensation=1.0,
    )  # fmt: skip


def _arm() -> tuple[BodySpec, ...]:
    drawn = {"rgba": BLUE, "collides": False}
    z, f = UPPER_ARM_Z, FOREARM_Z
    base = BodySpec(
        "base_link",
        # the arm's zero points along -x of its Denavit-Hartenberg base; turned, it points along +x
        quat_wxyz=(0.0, 0.0, 0.0, 1.0),
        geoms=(
            between("cylinder", "base_foot", (0, 0, 0), (0, 0, 0.03), 0.075, rgba=DARK),
            between("cylinder", "base_column", (0, 0, 0.03), (0, 0, 0.10), 0.062, rgba=GREY),
        ),
        mass=4.0,
        inertia=(0.00443333156, 0.00443333156, 0.0072, 0.0, 0.0, 0.0),
    )
    return (
        base,
        _link(
            0, "base_link", (0, 0, D1), (1, 0, 0, 0), 3.761, (0, -0.00193, -0.02561),
            (0.00700210, 0.00000073, -0.00001053, 0.00648091, 0.00049994, 0.00657286),
            (
                between("cylinder", "shoulder_pan", (0, 0, -0.062), (0, 0, 0.045), 0.06, rgba=GREY),
                between("cylinder", "shoulder_cap", (0, 0, 0), (0, 0.066, 0), 0.055, **drawn),
                between("cylinder", "shoulder_lift", (0, 0, 0), (0, -0.075, 0), 0.058, rgba=GREY),
            ),
        ),
        _link(
            1, "shoulder_link", (0, 0, 0), _TURN_FORTH, 8.058, (-0.2125, 0, 0.11336),
            (0.01505885, -0.00005400, 0.00000563, 0.33388086, -0.00000181, 0.33247207),
            (
                between("cylinder", "upper_hub", (0, 0, 0.078), (0, 0, 0.19), 0.06, rgba=GREY),
                between("cylinder", "upper_cap", (0, 0, 0.19), (0, 0, 0.205), 0.056, **drawn),
                between("capsule", "upper_tube", (0, 0, z), (A2, 0, z), 0.048, rgba=GREY),
                between("cylinder", "elbow_hub", (A2, 0, 0.07), (A2, 0, 0.19), 0.055, rgba=GREY),
                between("cylinder", "elbow_cap", (A2, 0, 0.19), (A2, 0, 0.203), 0.052, **drawn),
            ),
        ),
        _link(
            2, "upper_arm_link", (A2, 0, 0), (1, 0, 0, 0), 2.846, (-0.2422, 0, 0.0265),
            (0.00399632, -0.00001365, 0.00137272, 0.07879254, -0.00000660, 0.07848510),
            (
                between("cylinder", "forearm_hub", (0, 0, -0.05), (0, 0, 0.066), 0.054, rgba=GREY),
                between("cylinder", "forearm_cap", (0, 0, -0.063), (0, 0, -0.05), 0.05, **drawn),
                between("capsule", "forearm_tube", (0, 0, f), (A3, 0, f), 0.04, rgba=GREY),
                between("cylinder", "forearm_end", (A3, 0, -0.035), (A3, 0, 0.075), 0.041,
                        rgba=GREY),
            ),
        ),
        _link(
            3, "forearm_link", (A3, 0, D4), (1, 0, 0, 0), 1.37, (0, -0.01634, -0.0018),
            (0.00165491, -0.00000282, -0.00000438, 0.00135962, 0.00010157, 0.00126279),
            (
                between("cylinder", "wrist_1_hub", (0, 0, -0.055), (0, 0, 0.045), 0.042, rgba=GREY),
                between("cylinder", "wrist_1_cap", (0, 0, 0.045), (0, 0, 0.056), 0.039, **drawn),
                between("cylinder", "wrist_1_end", (0, 0, 0), (0, -0.052, 0), 0.041, rgba=GREY),
            ),
        ),
        _link(
            4, "wrist_1_link", (0, -D5, 0), _TURN_FORTH, 1.3, (0, 0.01634, -0.0018),
            (0.00135617, -0.00000274, 0.00000444, 0.00127827, -0.00005048, 0.00096614),
            (
                between("cylinder", "wrist_2_hub", (0, 0, -0.045), (0, 0, 0.045), 0.042, rgba=GREY),
                between("cylinder", "wrist_2_cap", (0, 0, 0.045), (0, 0, 0.056), 0.039, **drawn),
                between("cylinder", "wrist_2_end", (0, 0, 0), (0, 0.055, 0), 0.041, rgba=GREY),
            ),
        ),
        _link(
            5, "wrist_2_link", (0, D6, 0), _TURN_BACK, 0.365, (0, 0, -0.001159),
            (0.00018694, 0.00000006, -0.00000017, 0.00018908, -0.00000092, 0.00025756),
            (between("cylinder", "flange", (0, 0, -0.042), (0, 0, 0), 0.0375, rgba=DARK),),
        ),
    )  # fmt: skip


def _hand() -> tuple[BodySpec, ...]:
    # A 2F-85 is 75 mm wide and 95 mm long without its fingers; the pads are 22 mm wide. As with the
    # Panda, the pads' inner faces lie at y = 0, so that the gap is the joints' sum, and their tips
    # 9.5 mm beyond the tool centre point.
    palm = (
        between("cylinder", "coupling", (0, 0, 0), (0, 0, 0.014), 0.0375, rgba=DARK),
        GeomSpec("palm", "box", (0.030, 0.0375, 0.034), (0, 0, 0.048), rgba=DARK),
        GeomSpec("knuckles", "box", (0.0135, 0.052, 0.010), (0, 0, 0.080), rgba=GREY),
    )
    height = 0.092

    def finger(side: str, quat: Quat, joint: str) -> BodySpec:
        pad = GeomSpec(
            f"{side}_pad",
            "box",
            (0.011, 0.006, 0.0275),
            (0, 0.006, TOOL_HEIGHT + 0.0095 - 0.0275 - height),
            rgba=FINGER,
            friction=(2.0, 0.02, 0.0001),
            contact_dim=4,
            contact_time=0.01,
        )
        linkage = GeomSpec(
            f"{side}_linkage", "box", (0.010, 0.006, 0.0058), (0, 0.007, 0.0059), rgba=DARK,
            collides=False,
        )  # fmt: skip
        slide = JointSpec(
            joint,
            "slide",
            axis=(0.0, 1.0, 0.0),
            range=(0.0, FINGER_STROKE),
            damping=1.0,
            armature=0.1,
            velocity_limit=0.075,
        )
        return BodySpec(
            f"{side}_finger",
            "hand",
            (0, 0, height),
            quat,
            joint=slide,
            geoms=(pad, linkage),
            # a side's driver, coupler, spring link, follower and pad
            mass=0.0612794,
            center_of_mass=(0.0, 0.006, 0.02),
            inertia=(2.0e-5, 2.0e-5, 4.0e-6, 0.0, 0.0, 0.0),
            gravity_compensation=1.0,
        )

    return (
        BodySpec(
            "hand",
            "wrist_3_link",
            geoms=palm,
            sites=(SiteSpec("tool", (0, 0, TOOL_HEIGHT)), SiteSpec("flange")),
            mass=0.777441,
            center_of_mass=(0.0, 0.0, 0.0463),
            inertia=(0.000260285, 0.000225381, 0.000152708, 0.0, 0.0, 0.0),
            gravity_compensation=1.0,
        ),
        finger("left", (1.0, 0.0, 0.0, 0.0), "finger_joint1"),
        finger("right", (0.0, 0.0, 0.0, 1.0), "finger_joint2"),
    )


def _actuators() -> tuple[ActuatorSpec, ...]:
    arm = tuple(
        ActuatorSpec(f"{name}_servo", name, kp, kp * DAMPING_TIME, force, span)
        for name, kp, force, span in zip(JOINTS, STIFFNESS, FORCE_LIMITS, RANGES, strict=True)
    )
    grip = (FINGER_STIFFNESS, FINGER_DAMPING, FINGER_FORCE, (0.0, FINGER_STROKE))
    return arm + tuple(ActuatorSpec(f"finger_servo{i}", f"finger_joint{i}", *grip) for i in (1, 2))


@register_robot("ur5e")
def ur5e() -> RobotSpec:
    """The UR5e: 6 arm servos, then 2 finger servos; tool frame between the fingertips."""
    fingers = ("finger_joint1", "finger_joint2")
    return RobotSpec(
        name="ur5e",
        bodies=_arm() + _hand(),
        actuators=_actuators(),
        home=dict(zip(JOINTS, HOME, strict=True)) | dict.fromkeys(fingers, FINGER_STROKE),
        arm_joints=JOINTS,
        gripper_joints=fingers,
        gripper_range=(0.0, FINGER_STROKE),
        tool_site="tool",
        arm=ArmSpec(
            workspace=((0.28, -0.34, 0.012), (0.74, 0.34, 0.40)),
            reach_box=((0.38, -0.20, 0.06), (0.64, 0.20, 0.30)),
            fingers=("left_finger", "right_finger"),
        ),
        cameras=(
            CameraSpec(
                "wrist",
                position=(-0.085, 0.0, 0.075),
                look_at=(0.005, 0.0, 0.17),
                up=(1.0, 0.0, 0.0),
                fovy_deg=70.0,
                body="hand",
            ),
        ),
        equalities=(EqualitySpec(*fingers),),
        contact_excludes=(
            ("base_link", "shoulder_link"),
            ("shoulder_link", "forearm_link"),
            ("forearm_link", "wrist_2_link"),
            ("wrist_1_link", "wrist_3_link"),
            ("wrist_2_link", "hand"),
            ("wrist_3_link", "left_finger"),
            ("wrist_3_link", "right_finger"),
            ("left_finger", "right_finger"),
        ),
        source="Universal Robots' DH parameters article and Universal_Robots_ROS2_Description "
        "(config/ur5e); Robotiq 2F-85 data sheet; MuJoCo Menagerie robotiq_2f85",
    )
