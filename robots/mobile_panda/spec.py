"""A Panda on a round holonomic base with a camera mast: a robot for homes.

The arm is `robots.panda`; the base is a generic one of the size of those on the market (TIAGo:
0.54 m across, 1 m/s; PAL Robotics' data sheet). Its three joints are servos along x, y, about z.
"""

from __future__ import annotations

import math
from dataclasses import replace

from octoworld.core.registry import register_robot
from robots.panda.spec import panda
from robots.spec import ActuatorSpec, BodySpec, GeomSpec, JointSpec, RobotSpec, Vec3

BASE_RADIUS = 0.27
"""[m]."""
BASE_HEIGHT = 0.36
"""Of the deck that carries the arm [m]."""
MOUNT: Vec3 = (0.08, 0.0, BASE_HEIGHT)
"""Of the arm's foot in the base's frame [m]."""
MAST: Vec3 = (0.08, -0.22, 1.42)
"""Head of the camera mast in the base's frame [m]: beside the arm, which does not hide the view."""
BASE_JOINTS = ("base_x", "base_y", "base_yaw")
TURNED_BACK = 2.6
"""First joint of the tucked arm: what it carries is over the base, not in the view ahead [rad]."""
TUCKED = (TURNED_BACK, -0.735, 0.0, -2.292, 0.0, 1.557, 0.785398)
"""Arm joints while driving: the tool 0.32 m from the arm's axis, 0.5 m up, pointing down [rad]."""
TUCKED_TOOL: Vec3 = (
    MOUNT[0] + 0.32 * math.cos(TURNED_BACK), 0.32 * math.sin(TURNED_BACK), MOUNT[2] + 0.50,
)  # fmt: skip
"""Where the tool is then, in the base's frame [m]."""

_SHELL = (0.25, 0.28, 0.34, 1.0)
_DECK = (0.85, 0.86, 0.88, 1.0)
_MASS = 60.0
_EXTENT = 50.0


def _carriage(name: str, parent: str | None, axis: Vec3) -> BodySpec:
    """One of the two bodies between the world and the base; light, as they exist on paper only."""
    slide = JointSpec(name, "slide", axis=axis, range=(-_EXTENT, _EXTENT), velocity_limit=1.0)
    return BodySpec(
        f"{name}_carriage", parent, joint=slide, mass=0.1,
        inertia=(0.001, 0.001, 0.001, 0.0, 0.0, 0.0),
    )  # fmt: skip


def _base() -> tuple[BodySpec, ...]:
    x, y, top = MAST
    shapes = (
        GeomSpec(
            "base_shell", "cylinder", (BASE_RADIUS, BASE_HEIGHT / 2 - 0.02),
            (0, 0, BASE_HEIGHT / 2 + 0.01), rgba=_SHELL,
        ),
        GeomSpec(
            "base_deck", "cylinder", (BASE_RADIUS * 0.97, 0.005), (0, 0, BASE_HEIGHT - 0.006),
            rgba=_DECK, collides=False,
        ),
        GeomSpec(
            "base_mast", "box", (0.02, 0.02, (top - BASE_HEIGHT) / 2 - 0.05),
            (x, y, (top + BASE_HEIGHT) / 2 - 0.05), rgba=_SHELL, collides=False,
        ),
    )  # fmt: skip
    turn = JointSpec("base_yaw", "hinge", axis=(0.0, 0.0, 1.0), velocity_limit=2.0)
    base = BodySpec(
        "base", "base_y_carriage", joint=turn, geoms=shapes, mass=_MASS,
        center_of_mass=(0.0, 0.0, 0.12), inertia=(1.9, 1.9, 2.2, 0.0, 0.0, 0.0),
    )  # fmt: skip
    return (
        _carriage("base_x", None, (1.0, 0.0, 0.0)),
        _carriage("base_y", "base_x_carriage", (0.0, 1.0, 0.0)),
        base,
    )


def _drives() -> tuple[ActuatorSpec, ...]:
    # 15 rad/s at damping ratio 1 for base and arm together (80 kg, 6 kg m^2 with the arm out): the
    # base hardly gives way when the arm moves
    line = {"stiffness": 80 * 225.0, "damping": 80 * 30.0, "force_limit": 600.0}
    turn = {"stiffness": 6 * 225.0, "damping": 6 * 30.0, "force_limit": 200.0}
    return (
        ActuatorSpec("drive_x", "base_x", range=(-_EXTENT, _EXTENT), **line),
        ActuatorSpec("drive_y", "base_y", range=(-_EXTENT, _EXTENT), **line),
        ActuatorSpec("drive_yaw", "base_yaw", range=(-100.0, 100.0), **turn),
    )


@register_robot("mobile_panda")
def mobile_panda() -> RobotSpec:
    """Base (x, y, yaw), then the Panda's 7 arm servos and 2 finger servos; arm tucked."""
    arm = panda()
    mounted = tuple(
        replace(body, parent="base", position=MOUNT) if body.name == "link0" else body
        for body in arm.bodies
    )
    home = arm.home | dict(zip(arm.arm_joints, TUCKED, strict=True))
    return replace(
        arm,
        name="mobile_panda",
        bodies=_base() + mounted,
        actuators=_drives() + arm.actuators,
        home=home | dict.fromkeys(BASE_JOINTS, 0.0),
        source=f"{arm.source}; base: generic, of TIAGo's size",
    )
