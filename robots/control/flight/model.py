"""FlightModel: what a controller must know of a rotorcraft, taken from its RobotSpec."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from robots.rotorcraft import RotorcraftSpec
from robots.spec import RobotSpec


@dataclass(frozen=True)
class FlightModel:
    """Mass, inertia and rotors of one flying body; gravity is along world -z."""

    name: str
    mass: float
    """[kg]."""
    inertia: NDArray[np.float64]
    """(3, 3) about the centre of mass, body axes [kg m^2]."""
    rotors: RotorcraftSpec
    gravity: float = 9.81
    """[m/s^2]."""

    @property
    def num_rotors(self) -> int:
        """M."""
        return len(self.rotors.rotors)

    @property
    def weight(self) -> float:
        """[N]."""
        return self.mass * self.gravity

    @property
    def hover_rpm(self) -> float:
        """Speed of each rotor that carries the weight [rpm]."""
        return self.rotors.hover_rpm(self.mass, self.gravity)

    @property
    def max_rotor_thrust(self) -> float:
        """Thrust of one rotor at full speed [N]."""
        return self.rotors.thrust(self.rotors.max_rpm)

    @property
    def thrust_to_weight(self) -> float:
        """Of all rotors at full speed [-]."""
        return self.num_rotors * self.max_rotor_thrust / self.weight

    @property
    def torque_per_thrust(self) -> float:
        """Reaction torque over thrust of a rotor at hover [m].

        km / kf. Identified sets have linear terms too, with which it varies by speed.
        """
        rpm, rotors = self.hover_rpm, self.rotors
        torque = (rotors.torque_coefficient * rpm + rotors.torque_linear) * rpm
        return torque / rotors.thrust(rpm)

    @property
    def time_constant(self) -> float:
        """Lag of the rotor speeds about hover [s].

        With d rpm/dt = a (c - rpm) + b (c^2 - rpm^2) the rate about a speed is a + 2 b rpm; the
        slower one of speeding up and slowing down counts.
        """
        rates = self.rotors.motor_rates
        if rates is None:
            return self.rotors.motor_time_constant
        up, down = (a + 2 * b * self.hover_rpm for a, b in (rates[:2], rates[2:]))
        return 1 / min(up, down)

    @property
    def inertia_rows(self) -> tuple[tuple[float, ...], ...]:
        """The inertia as a constant that can be looked up."""
        return tuple(map(tuple, self.inertia.tolist()))

    @property
    def drag(self) -> NDArray[np.float64]:
        """(3,) drag per speed along the body's axes at hover [N s/m]."""
        speeds = self.num_rotors * self.hover_rpm * 2 * math.pi / 60
        return np.array(self.rotors.linear_drag) + np.array(self.rotors.drag_coefficient) * speeds

    def allocation(self) -> NDArray[np.float64]:
        """(4, M): rotor thrusts [N] -> thrust [N] and torques about body x, y, z [N m].

        Thrust f at hub (x, y) gives torque (y f, -x f); its reaction is spin km/kf f.
        """
        rotors = self.rotors.rotors
        x = [r.position[0] for r in rotors]
        y = [r.position[1] for r in rotors]
        yaw = [r.spin * self.torque_per_thrust for r in rotors]
        return np.array([np.ones(len(rotors)), y, np.negative(x), yaw])

    def angular_authority(self) -> NDArray[np.float64]:
        """(3,) angular acceleration reached from hover about each axis, both ways [rad/s^2].

        Rotor thrusts may move by the lesser of the hover thrust and what is left to the top.
        """
        per_rotor = self.weight / self.num_rotors
        margin = min(per_rotor, self.max_rotor_thrust - per_rotor)
        inverse = np.linalg.pinv(self.allocation())
        return margin / np.abs(inverse[:, 1:]).max(axis=0) / np.diag(self.inertia)


def flight_model(robot: RobotSpec, gravity: float = 9.81) -> FlightModel:
    """The flight model of `robot`; ConfigError when it has no rotors or cannot be controlled."""
    rotors = robot.rotorcraft
    if rotors is None:
        raise ConfigError(f"robot {robot.name!r} has no rotors; flight control needs a rotorcraft")
    body = next((b for b in robot.bodies if b.name == rotors.body), None)
    if body is None or body.mass is None or body.inertia is None:
        raise ConfigError(
            f"robot {robot.name!r}: body {rotors.body!r} must exist and state mass and inertia"
        )
    if not gravity > 0:
        raise ConfigError(f"gravity {gravity} must be above 0 m/s^2")
    xx, yy, zz, xy, xz, yz = body.inertia
    inertia = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    model = FlightModel(robot.name, body.mass, inertia, rotors, gravity)
    if np.linalg.matrix_rank(model.allocation(), tol=1e-9) < 4:
        raise ConfigError(
            f"robot {robot.name!r}: its {model.num_rotors} rotors do not give thrust and three "
            "torques independently; at least 4 rotors of both spins are needed"
        )
    if not math.isfinite(model.thrust_to_weight) or model.thrust_to_weight <= 1:
        raise ConfigError(
            f"robot {robot.name!r}: thrust-to-weight {model.thrust_to_weight:.2f} must be above 1"
        )
    return model
