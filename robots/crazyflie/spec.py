"""Crazyflie 2.x: cf2x and cf2p as in gym-pybullet-drones, and four sets identified from flights.

cf2x (motors on the diagonals) and cf2p (motors on the axes): the numbers of gym-pybullet-drones'
URDF files, which cite Luis & Le Ny 2016 (arXiv 1608.05786), Forster 2015 (ETH, 20.500.11850/214143)
and Landry 2015 (MIT). cf2x_L250, cf2x_P250, cf2x_T350 and cf21B_500:
`drone_models/data/params.toml` of learnsyslab/drone-models (commit 6b8319a): mass, inertia, arms,
thrust and torque over rpm, rates of the rotors' speed, body-frame drag, propeller radius and
inertia.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from octoworld.core.registry import register_robot
from robots.airframe import airframe
from robots.rotorcraft import RotorcraftSpec, RotorSpec
from robots.spec import RobotSpec, Vec3

SPINS = (-1, 1, -1, 1)
GPD = "gym-pybullet-drones (Panerati et al. 2021): cf2 URDF files"
KF, KM = 3.16e-10, 7.94e-12  # [N/rpm^2], [N m/rpm^2]
MASS, ARM = 0.027, 0.0397  # [kg], [m]
DRAG: Vec3 = (9.1785e-7, 9.1785e-7, 10.311e-7)  # [N s/m / (rad/s)]
GROUND_EFFECT = 11.36859
DOWNWASH: Vec3 = (2267.18, 0.16, -0.11)
PROPELLER_RADIUS = 2.31348e-2  # [m]
THRUST_TO_WEIGHT = 2.25
GPD_GRAVITY = 9.8  # of its MAX_RPM


def hubs(positions: tuple[tuple[float, float], ...], spins: tuple[int, ...] = SPINS) -> tuple:
    """Rotors rotor0, rotor1, ... in the plane z = 0."""
    return tuple(
        RotorSpec(f"rotor{i}", (x, y, 0.0), spin)
        for i, ((x, y), spin) in enumerate(zip(positions, spins, strict=True))
    )


def diagonal(x: float, y: float) -> tuple[tuple[float, float], ...]:
    """Hubs of an X frame in the order front right, rear right, rear left, front left."""
    return ((x, -y), (-x, -y), (-x, y), (x, y))


def _original(name: str, positions: tuple[tuple[float, float], ...], inertia: Vec3) -> RobotSpec:
    rotorcraft = RotorcraftSpec(
        body="drone",
        rotors=hubs(positions),
        thrust_coefficient=KF,
        torque_coefficient=KM,
        max_rpm=math.sqrt(THRUST_TO_WEIGHT * MASS * GPD_GRAVITY / (4 * KF)),
        propeller_radius=PROPELLER_RADIUS,
        drag_coefficient=DRAG,
        ground_effect_coefficient=GROUND_EFFECT,
        downwash=DOWNWASH,
        arm_length=ARM,
        max_speed=30 / 3.6,
    )
    return airframe(name, rotorcraft, MASS, inertia, source=GPD)


@register_robot("cf2x")
def cf2x() -> RobotSpec:
    """Crazyflie 2.x flying as an X, as in gym-pybullet-drones."""
    return _original("cf2x", diagonal(0.028, 0.028), (1.4e-5, 1.4e-5, 2.17e-5))


@register_robot("cf2p")
def cf2p() -> RobotSpec:
    """Crazyflie 2.x flying as a plus, as in gym-pybullet-drones."""
    positions = ((ARM, 0.0), (0.0, ARM), (-ARM, 0.0), (0.0, -ARM))
    return _original("cf2p", positions, (2.3951e-5, 2.3951e-5, 3.2347e-5))


@dataclass(frozen=True)
class _Identified:
    """One set of drone-models' `params.toml`."""

    mass: float
    arm: float  # of x and of y
    inertia: Vec3
    thrust: tuple[float, float]  # linear [N/rpm], square [N/rpm^2]
    torque: tuple[float, float]  # linear [N m/rpm], square [N m/rpm^2]
    rates: tuple[float, float, float, float]
    drag: Vec3  # [N s/m]
    most: float  # thrust of one motor [N]
    radius: float
    propeller_inertia: float
    wake: bool = True


SETS = {
    "cf2x_L250": _Identified(
        0.0319, 0.03253, (16.8e-6, 16.8e-6, 29.8e-6),
        (-5.382196214637237e-7, 2.4582929831265485e-10),
        (1.410454111996297e-9, 1.4592584373980652e-12),
        (7.355623702172756, 0.0, 0.0, 0.00024443862952110715),
        (0.01471782, 0.01471782, 0.01277641), 0.12, 23.55e-3, 34.52e-9,
    ),
    "cf2x_P250": _Identified(
        0.0318, 0.03253, (16.8e-6, 16.8e-6, 29.8e-6),
        (-3.6200226530383495e-7, 1.6060924304100328e-10),
        (-2.2665265829562245e-9, 1.1149485566919186e-12),
        (5.172596691828673, 8.14774234381285e-5, 0.0, 0.0002095253491455741),
        (0.01351483, 0.01351483, 0.01677452), 0.12, 23.4e-3, 26.97e-9,
    ),
    "cf2x_T350": _Identified(
        0.0379, 0.03253, (16.8e-6, 16.8e-6, 29.8e-6),
        (-7.167227176573658e-7, 2.9401303690194613e-10),
        (5.815894847811497e-10, 1.331813874166509e-12),
        (11.374753209400291, 0.0, 0.0, 0.00037867688499079635),
        (0.01556697, 0.01556697, 0.02191672), 0.18, 25.4e-3, 38.93e-9,
    ),
    "cf21B_500": _Identified(
        0.04338, 0.035355, (25e-6, 28e-6, 49e-6),
        (-3.133427287299859e-7, 4.407354891648379e-10),
        (1.65886356219615e-9, 2.4693477924534137e-12),
        (13.996001897562685, 0.00011093207920685363, 5.933168530682111, 0.00031951312393561264),
        (0.02149163, 0.02149163, 0.02359736), 0.2, 27.5e-3, 38.93e-9, wake=False,
    ),
}  # fmt: skip


def _identified(name: str) -> RobotSpec:
    s = SETS[name]
    linear, square = s.thrust
    rotorcraft = RotorcraftSpec(
        body="drone",
        rotors=hubs(diagonal(s.arm, s.arm)),
        thrust_coefficient=square,
        thrust_linear=linear,
        torque_coefficient=s.torque[1],
        torque_linear=s.torque[0],
        max_rpm=(math.sqrt(linear**2 + 4 * square * s.most) - linear) / (2 * square),
        propeller_radius=s.radius,
        propeller_inertia=s.propeller_inertia,
        linear_drag=s.drag,
        ground_effect_coefficient=GROUND_EFFECT if s.wake else 0.0,
        downwash=DOWNWASH if s.wake else (0.0, 0.0, 0.0),
        motor_rates=s.rates,
        arm_length=math.hypot(s.arm, s.arm),
    )
    notes = {
        "inertia": "of cf2x_L250 for P250 and T350 too, as their source says",
        "propeller_radius": "marked 'to check' by the source",
        "ground_effect_coefficient": "gym-pybullet-drones' value of the Crazyflie 2.x"
        if s.wake else "none published; 0",
        "downwash": "gym-pybullet-drones' value of the Crazyflie 2.x"
        if s.wake else "none published; 0",
    }  # fmt: skip
    source = "learnsyslab/drone-models, drone_models/data/params.toml at 6b8319a"
    return airframe(name, rotorcraft, s.mass, s.inertia, source=source, notes=notes)


@register_robot("cf2x_L250")
def cf2x_l250() -> RobotSpec:
    """Identified Crazyflie 2.x of 31.9 g."""
    return _identified("cf2x_L250")


@register_robot("cf2x_P250")
def cf2x_p250() -> RobotSpec:
    """Identified Crazyflie 2.x of 31.8 g."""
    return _identified("cf2x_P250")


@register_robot("cf2x_T350")
def cf2x_t350() -> RobotSpec:
    """Identified Crazyflie 2.x of 37.9 g."""
    return _identified("cf2x_T350")


@register_robot("cf21B_500")
def cf21b_500() -> RobotSpec:
    """Identified Crazyflie 2.1 brushless of 43.4 g."""
    return _identified("cf21B_500")
