"""Airframe: a RotorcraftSpec with mass and inertia as a whole RobotSpec, drawn with primitives."""

from __future__ import annotations

import math

from .rotorcraft import RotorcraftSpec
from .shapes import between
from .spec import BodySpec, CameraSpec, GeomSpec, JointSpec, RobotSpec, SiteSpec, Vec3

DARK = (0.15, 0.16, 0.18, 1.0)
FRONT = (0.95, 0.45, 0.10, 1.0)
REAR = (0.25, 0.55, 0.90, 1.0)
CAMERA_FOVY = 60.0
"""Vertical field of view of the forward camera [deg]; gym-pybullet-drones' 60."""


def airframe(
    name: str,
    rotorcraft: RotorcraftSpec,
    mass: float,
    inertia: Vec3,
    *,
    color: tuple[float, float, float, float] = (0.85, 0.87, 0.90, 1.0),
    source: str = "",
    notes: dict[str, str] | None = None,
) -> RobotSpec:
    """The robot: one free body with its collision cylinder, arms, propellers and a camera.

    Args:
        name: of the robot.
        rotorcraft: rotors and aerodynamics; its `body` becomes the body's name.
        mass: [kg].
        inertia: principal moments about body x y z [kg m^2].
        color: of the hull.
        source: where the numbers come from.
        notes: by field.

    The front propellers (x > 0) are orange, so that pictures show the heading. The camera `front`
    looks along +x and rolls with the body. It sits before the propellers, so that it does not see
    them, but within the collision cylinder, so that it cannot look into what the drone touches.
    """
    body = rotorcraft.body
    radius, half = rotorcraft.collision_radius, rotorcraft.collision_height / 2
    reach = max(math.hypot(*r.position[:2]) for r in rotorcraft.rotors)
    blade = rotorcraft.propeller_radius or 0.4 * reach
    # propellers are drawn smaller than half the way to their neighbours
    gaps = [
        math.dist(a.position, b.position)
        for a in rotorcraft.rotors for b in rotorcraft.rotors if a is not b
    ]  # fmt: skip
    blade = min([blade, *(0.48 * g for g in gaps)])
    thick, top = 0.08 * reach, 0.6 * half
    look = {"collides": False, "rgba": DARK}
    geoms = [
        GeomSpec(f"{body}_hull", "cylinder", (radius, half), visible=False, mass=0.0),
        GeomSpec(
            f"{body}_core", "box", (0.35 * reach, 0.25 * reach, 0.7 * half), rgba=color,
            collides=False,
        ),
        GeomSpec(
            f"{body}_nose", "box", (0.08 * reach, 0.12 * reach, 0.4 * half),
            (0.4 * reach, 0.0, 0.0), rgba=FRONT, collides=False,
        ),
    ]  # fmt: skip
    for rotor in rotorcraft.rotors:
        x, y, z = rotor.position
        disc = (*(FRONT if x > 1e-9 else REAR)[:3], 0.6)
        geoms += [
            between("capsule", f"{body}_{rotor.name}_arm", (0, 0, 0), (x, y, z), thick, **look),
            GeomSpec(
                f"{body}_{rotor.name}_disc", "cylinder", (blade, 0.1 * half), (x, y, z + top),
                rgba=disc, collides=False,
            ),
        ]  # fmt: skip
    eye = min(max(r.position[0] for r in rotorcraft.rotors) + blade, radius)
    return RobotSpec(
        name=name,
        bodies=(
            BodySpec(
                body,
                joint=JointSpec(f"{body}_free", "free"),
                geoms=tuple(geoms),
                sites=tuple(SiteSpec(r.name, r.position) for r in rotorcraft.rotors),
                mass=mass,
                inertia=(*inertia, 0.0, 0.0, 0.0),
            ),
        ),
        actuators=(),
        home={},
        cameras=(
            CameraSpec(
                "front",
                position=(eye, 0.0, 0.0),
                look_at=(1.0 + eye, 0.0, 0.0),
                fovy_deg=CAMERA_FOVY,
                body=body,
                width=64,
                height=48,
            ),
        ),
        rotorcraft=rotorcraft,
        source=source,
        notes=notes or {},
    )
