"""RotorcraftSpec: the rotors and the aerodynamics of a flying robot, as pure data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from octoworld.core.errors import ConfigError

from .spec import Vec3


@dataclass(frozen=True)
class RotorSpec:
    """One motor with its propeller; thrust acts along the body's +z."""

    name: str
    position: Vec3
    """Of the hub in the body's frame [m]."""
    spin: int
    """Sign of the reaction torque about body +z: -1 for a propeller that turns counter-clockwise
    seen from above, +1 for a clockwise one."""


@dataclass(frozen=True)
class RotorcraftSpec:
    """What the air does to one flying body; control is one speed a rotor [rpm]."""

    body: str
    """Name of the body that carries the rotors, without the robot's prefix."""
    rotors: tuple[RotorSpec, ...]
    """In the order of the control vector."""
    thrust_coefficient: float
    """kf: thrust of a rotor = kf rpm^2 (+ `thrust_linear` rpm) [N/rpm^2]."""
    torque_coefficient: float
    """km: reaction torque of a rotor = km rpm^2 (+ `torque_linear` rpm) [N m/rpm^2]."""
    max_rpm: float
    """Highest rotor speed [rpm]."""
    thrust_linear: float = 0.0
    """[N/rpm]; of identified sets."""
    torque_linear: float = 0.0
    """[N m/rpm]; of identified sets."""
    propeller_radius: float = 0.0
    """[m]; 0 takes ground effect and downwash away."""
    propeller_inertia: float = 0.0
    """Of one rotor about its axis [kg m^2]."""
    drag_coefficient: Vec3 = (0.0, 0.0, 0.0)
    """Force per speed and per sum of rotor speeds, x y z [N s/m / (rad/s)] (Forster 2015)."""
    linear_drag: Vec3 = (0.0, 0.0, 0.0)
    """Force per speed, x y z of the body, whatever the rotors do [N s/m]."""
    ground_effect_coefficient: float = 0.0
    """[-] (Shi et al. 2019; Danjun et al. 2015)."""
    downwash: Vec3 = (0.0, 0.0, 0.0)
    """Gaussian downwash: strength [N], slope of its width [-], offset of its width [m]."""
    motor_time_constant: float = 0.0
    """First-order lag of the rotor speed [s]; 0 is immediate."""
    motor_rates: tuple[float, float, float, float] | None = None
    """Instead of the time constant, as identified: d rpm/dt = a (c - rpm) + b (c^2 - rpm^2) with
    the command c; (a, b) while speeding up, then (a, b) while slowing down [1/s], [1/(rpm s)]."""
    arm_length: float = 0.0
    """Centre to hub [m]; 0: from the hubs. The DYN mode of gym-pybullet-drones takes torques from
    it instead of the hubs' positions."""
    collision_radius: float = 0.06
    """Of the bounding cylinder [m]."""
    collision_height: float = 0.025
    """Full height of the bounding cylinder [m]."""
    max_speed: float = 8.333
    """Highest commanded speed [m/s]."""

    def __post_init__(self) -> None:
        if not self.rotors:
            raise ConfigError(f"rotorcraft on body {self.body!r} has no motors")
        if self.max_rpm <= 0 or self.thrust_coefficient <= 0:
            raise ConfigError(
                f"rotorcraft on body {self.body!r}: max_rpm {self.max_rpm} and thrust_coefficient "
                f"{self.thrust_coefficient} must be above 0"
            )
        if not 0 < self.collision_height <= 2 * self.collision_radius:
            raise ConfigError(
                f"rotorcraft on body {self.body!r}: collision_height {self.collision_height} must "
                f"be above 0 and at most twice collision_radius {self.collision_radius}"
            )

    def thrust(self, rpm: float) -> float:
        """Thrust of one rotor at `rpm` [N]."""
        return (self.thrust_coefficient * rpm + self.thrust_linear) * rpm

    def rpm(self, thrust: float) -> float:
        """Speed at which one rotor gives `thrust` >= 0 [N] -> [rpm]."""
        a, b = self.thrust_coefficient, self.thrust_linear
        return (math.sqrt(b * b + 4 * a * thrust) - b) / (2 * a)

    def hover_rpm(self, mass: float, gravity: float = 9.81) -> float:
        """Speed at which all rotors together carry `mass` [kg] -> [rpm]."""
        return self.rpm(mass * gravity / len(self.rotors))
