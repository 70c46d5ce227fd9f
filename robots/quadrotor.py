"""A quadcopter of one's own: mass, arms, propellers and motors -> RobotSpec."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from octoworld.core.errors import ConfigError
from octoworld.core.registry import register_robot

from .airframe import airframe
from .rotorcraft import RotorcraftSpec, RotorSpec
from .spec import RobotSpec, Vec3

AIR_DENSITY = 1.225
"""Standard atmosphere at sea level [kg/m^3]."""
INCH = 0.0254


@dataclass(frozen=True)
class QuadrotorConfig:
    """What one knows of a quadcopter; the rest is derived."""

    name: str = "quadrotor"
    mass: float = 0.5
    """All of it [kg]."""
    arm_length: float = 0.125
    """Centre to motor [m]."""
    layout: Literal["x", "plus"] = "x"
    propeller_diameter: float = 5 * INCH
    """[m]."""
    thrust_to_weight: float = 4.0
    """Of all motors at full speed [-]."""
    thrust_number: float = 0.10
    """C_T = thrust / (density n^2 D^4), n in revolutions/s; 0.09-0.13 for hovering two-blade
    propellers (UIUC Propeller Data Site) [-]."""
    power_number: float = 0.05
    """C_P = power / (density n^3 D^5); 0.03-0.06 (the same source) [-]."""
    motor_mass: float | None = None
    """Of one motor with propeller [kg]; None: 8 % of the mass."""
    motor_time_constant: float = 0.05
    """First-order lag of the rotor speed [s]; 0 is immediate."""
    drag: Vec3 = (0.0, 0.0, 0.0)
    """Force per speed along body x y z [N s/m]."""
    height: float | None = None
    """Of the collision cylinder [m]; None: a third of the arm."""
    max_speed: float = 10.0
    """Highest commanded speed [m/s]."""

    def __post_init__(self) -> None:
        for field in (
            "mass", "arm_length", "propeller_diameter", "thrust_number", "power_number", "max_speed"
        ):  # fmt: skip
            if not getattr(self, field) > 0:
                raise ConfigError(f"quadrotor {field} {getattr(self, field)} must be above 0")
        if self.thrust_to_weight <= 1:
            raise ConfigError(
                f"quadrotor thrust_to_weight {self.thrust_to_weight} must be above 1, else it "
                "cannot fly"
            )
        if self.layout not in ("x", "plus"):
            raise ConfigError(f"quadrotor layout {self.layout!r}: expected x or plus")
        gap = self.arm_length * math.sqrt(2)
        if self.propeller_diameter >= gap:
            raise ConfigError(
                f"quadrotor propellers of {self.propeller_diameter:.3f} m overlap: motors are "
                f"{gap:.3f} m apart"
            )
        if self.motor_mass is not None and not 0 < 4 * self.motor_mass < self.mass:
            raise ConfigError(
                f"quadrotor motor_mass {self.motor_mass}: four of them must weigh less than the "
                f"whole ({self.mass} kg)"
            )


def thrust_coefficient(config: QuadrotorConfig) -> float:
    """Kf = C_T density D^4 / 3600 [N/rpm^2]."""
    return config.thrust_number * AIR_DENSITY * config.propeller_diameter**4 / 3600


def torque_coefficient(config: QuadrotorConfig) -> float:
    """Km = C_P density D^5 / (2 pi 3600) [N m/rpm^2]: torque is power over angular speed."""
    return config.power_number * AIR_DENSITY * config.propeller_diameter**5 / (2 * math.pi * 3600)


def principal_inertia(config: QuadrotorConfig) -> Vec3:
    """Ixx Iyy Izz [kg m^2]: four point motors on arms, and a flat box for all the rest.

    The box is one arm long, three fifths wide and a third high, as batteries between plates are.
    """
    motor = 0.08 * config.mass if config.motor_mass is None else config.motor_mass
    rest, arm = config.mass - 4 * motor, config.arm_length
    x, y, z = arm, 0.6 * arm, arm / 3
    # sum of y^2 over the motors is 2 arm^2 in either layout
    arms = 2 * motor * arm**2
    return (
        rest / 12 * (y * y + z * z) + arms,
        rest / 12 * (x * x + z * z) + arms,
        rest / 12 * (x * x + y * y) + 2 * arms,
    )


def quadrotor(config: QuadrotorConfig | None = None) -> RobotSpec:
    """The robot of `config`; motors as those of cf2x (layout x) or cf2p (plus)."""
    config = config or QuadrotorConfig()
    arm, kf = config.arm_length, thrust_coefficient(config)
    d = arm / math.sqrt(2)
    if config.layout == "x":
        positions = ((d, -d), (-d, -d), (-d, d), (d, d))
    else:
        positions = ((arm, 0.0), (0.0, arm), (-arm, 0.0), (0.0, -arm))
    radius = arm + config.propeller_diameter / 2
    rotorcraft = RotorcraftSpec(
        body="drone",
        rotors=tuple(
            RotorSpec(f"rotor{i}", (x, y, 0.0), (-1, 1, -1, 1)[i])
            for i, (x, y) in enumerate(positions)
        ),
        thrust_coefficient=kf,
        torque_coefficient=torque_coefficient(config),
        max_rpm=math.sqrt(config.thrust_to_weight * config.mass * 9.81 / (4 * kf)),
        propeller_radius=config.propeller_diameter / 2,
        ground_effect_coefficient=1.0,
        linear_drag=config.drag,
        motor_time_constant=config.motor_time_constant,
        arm_length=arm,
        collision_radius=radius,
        collision_height=arm / 3 if config.height is None else config.height,
        max_speed=config.max_speed,
    )
    return airframe(
        config.name, rotorcraft, config.mass, principal_inertia(config),
        source="derived from QuadrotorConfig",
        notes={"ground_effect_coefficient": "1: Cheeseman & Bennett 1955, to first order"},
    )  # fmt: skip


@register_robot("quadrotor")
def default_quadrotor() -> RobotSpec:
    """A 0.5 kg quadcopter with 5-inch propellers."""
    return quadrotor()
