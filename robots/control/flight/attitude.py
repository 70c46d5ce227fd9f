"""Attitude control: roll, pitch, yaw rate and thrust -> rotor speeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from octoworld.core.arrays import array_namespace
from octoworld.core.rotations import matrix_from_quat
from robots.spec import RobotSpec

from .controller import FlightController
from .geometric import unit
from .setpoint import FlightView, vector
from .tracking import attitude_error, cross, like, times


class Attitude(FlightController):
    """Holds roll and pitch while the heading turns at a rate; the stick mode "angle" of autopilots.

    The wanted attitude is R_z(present yaw) R_y(pitch) R_x(roll), and its error and torque are those
    of the geometric controller (Lee et al. 2010).
    """

    name = "attitude"

    def __init__(self, robot: RobotSpec, shape: tuple[int, ...] = (), **options: Any) -> None:
        super().__init__(robot, shape, **options)
        self.reset()

    def command(self, flight: FlightView, target: Any) -> Any:
        """Rotor speeds (..., M) [rpm] for targets (..., 4).

        A target is roll [rad], pitch [rad] (within +-pi/2), rate about world z [rad/s], and the
        collective thrust [N].
        """
        target = self._target(target, 4)
        if not self._compiled(flight):
            return self._rotor_commands(target[..., 3], self.torque(flight, target))
        from .compiled import attitude

        rows, out = self._rows, np.empty((self.count, self.model.num_rotors))
        attitude(
            rows(flight.quat, 4), rows(flight.omega_body, 3), rows(np.asarray(target, float), 4),
            rows(self.memory["rotor_speed"], out.shape[1]), self._parameters, self.mixer.inverse,
            out,
        )  # fmt: skip
        return out.reshape(*self.shape, out.shape[1])

    def torque(self, flight: FlightView, target: Any) -> Any:
        """(..., 3) [N m]."""
        xp = array_namespace(target)
        rotation, omega = matrix_from_quat(unit(flight.quat)), flight.omega_body
        yaw = xp.atan2(rotation[..., 1, 0], rotation[..., 0, 0])
        desired = matrix_from_euler(target[..., 0], target[..., 1], yaw)
        zero = xp.zeros_like(yaw)
        spin = vector(zero, zero, target[..., 2])
        seen = times(xp.matrix_transpose(rotation), spin)
        inertia = like(self.model.inertia_rows, omega)
        angular = (
            -like(self.gains.attitude, omega) * attitude_error(rotation, desired)
            - like(self.gains.rate, omega) * (omega - seen)
            - cross(omega, seen)
        )
        return times(inertia, angular) + cross(omega, times(inertia, omega))


def matrix_from_euler(roll: Any, pitch: Any, yaw: Any) -> Any:
    """R_z(yaw) R_y(pitch) R_x(roll), (..., 3, 3) of angles (...,) [rad]."""
    xp = array_namespace(roll, pitch, yaw)
    cr, sr, cp, sp = xp.cos(roll), xp.sin(roll), xp.cos(pitch), xp.sin(pitch)
    cy, sy = xp.cos(yaw), xp.sin(yaw)
    rows = [
        cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr,
        sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr,
        -sp, cp * sr, cp * cr,
    ]  # fmt: skip
    return xp.reshape(xp.stack(rows, axis=-1), (*roll.shape, 3, 3))
