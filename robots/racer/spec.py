"""The 0.83 kg racer of gym-pybullet-drones: numbers of its URDF file."""

from __future__ import annotations

import math

from octoworld.core.registry import register_robot
from robots.airframe import airframe
from robots.rotorcraft import RotorcraftSpec, RotorSpec
from robots.spec import RobotSpec

KF, KM = 8.47e-9, 2.13e-11  # [N/rpm^2], [N m/rpm^2]
MASS, INERTIA = 0.830, 0.003113  # [kg], [kg m^2]
THRUST_TO_WEIGHT = 4.17
HUBS = ((0.085, 0.0675), (-0.085, 0.0675), (-0.085, -0.0675), (0.085, -0.0675))
SPINS = (1, -1, 1, -1)


@register_robot("racer")
def racer() -> RobotSpec:
    """The racer; motors front left, rear left, rear right, front right."""
    rotors = tuple(
        RotorSpec(f"rotor{i}", (x, y, 0.0), spin)
        for i, ((x, y), spin) in enumerate(zip(HUBS, SPINS, strict=True))
    )
    rotorcraft = RotorcraftSpec(
        body="drone",
        rotors=rotors,
        thrust_coefficient=KF,
        torque_coefficient=KM,
        max_rpm=math.sqrt(THRUST_TO_WEIGHT * MASS * 9.8 / (4 * KF)),
        propeller_radius=12.7e-2,
        drag_coefficient=(9.1785e-7, 9.1785e-7, 10.311e-7),
        ground_effect_coefficient=11.36859,
        downwash=(2267.18, 0.16, -0.11),
        arm_length=0.109,
        max_speed=200 / 3.6,
    )
    return airframe(
        "racer", rotorcraft, MASS, (INERTIA, INERTIA, INERTIA), color=(0.75, 0.15, 0.15, 1.0),
        source="gym-pybullet-drones (Panerati et al. 2021): racer.urdf",
        notes={
            "propeller_radius": "a 5-inch propeller has 6.35 cm; the file gives its diameter",
            "drag_coefficient": "copied from the Crazyflie by the source, as are ground effect, "
            "downwash and the collision cylinder",
        },
    )  # fmt: skip
