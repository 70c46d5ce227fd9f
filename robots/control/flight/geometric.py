"""Geometric tracking on SE(3): Lee, Leok & McClamroch, CDC 2010 (arXiv 1003.2005).

Thrust f = m a . R e_3 with a the wanted acceleration, and torque

    M = J (-k_R e_R - k_w e_w - w x (R^T R_d w_d)) + w x J w,    e_w = w - R^T R_d w_d.

w_d is the exact rate of the wanted attitude: a's derivative comes from the reference's jerk and
from the velocity and acceleration errors (Lee's appendix). The derivative of w_d is taken as 0,
since references carry no snap. Gains are over mass and inertia, by axis. An integral term
(Goodarzi, Lee & Leok, ECC 2013), drag fed forward, and limits of tilt, of long position errors and
of the errors' share in w_d are additions; gains can switch each off.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from octoworld.core.arrays import array_namespace
from octoworld.core.rotations import matrix_from_quat
from robots.spec import RobotSpec

from .controller import FlightController
from .setpoint import FlightView, Setpoint, vector
from .tracking import (
    TINY,
    attitude_along,
    attitude_error,
    cross,
    dot,
    like,
    next_integral,
    norm,
    shortened,
    times,
    wanted_acceleration,
)


class PositionController(FlightController):
    """A controller that follows set-points: `command(flight, setpoint) -> rpm`."""

    def __init__(self, robot: RobotSpec, shape: tuple[int, ...] = (), **options: Any) -> None:
        super().__init__(robot, shape, **options)
        self.memory["integral"] = np.zeros((*self.shape, 3))
        self.reset()

    def command(self, flight: FlightView, setpoint: Setpoint) -> Any:
        """Rotor speeds (..., M) [rpm] in 0 .. max_rpm; set-points are broadcast."""
        target = self._target(setpoint.array, Setpoint.WIDTH)
        if not self._compiled(flight):
            thrust, torque = self.wrench(flight, Setpoint(target))
            return self._rotor_commands(thrust, torque)
        from .compiled import track

        rows, out = self._rows, np.empty((self.count, self.model.num_rotors))
        track(
            rows(flight.position, 3), rows(flight.quat, 4), rows(flight.velocity, 3),
            rows(flight.omega_body, 3), rows(np.asarray(target, np.float64), Setpoint.WIDTH),
            rows(self.memory["integral"], 3), rows(self.memory["rotor_speed"], out.shape[1]),
            self._parameters, self.mixer.inverse, out,
        )  # fmt: skip
        return out.reshape(*self.shape, out.shape[1])

    def wrench(self, flight: FlightView, setpoint: Setpoint) -> tuple[Any, Any]:
        """Thrust (...,) [N] and torque (..., 3) [N m]; the integral goes one period on."""
        gains, integral = self.gains, self.memory["integral"]
        error = flight.position - setpoint.position
        drift = flight.velocity - setpoint.velocity
        integral[...] = next_integral(integral, error, drift, self.dt, gains)
        wanted, limited = wanted_acceleration(
            setpoint, flight.position, flight.velocity, integral, gains, self.model.gravity
        )
        return self.attitude(flight, setpoint, wanted, limited)

    def attitude(
        self, flight: FlightView, setpoint: Setpoint, wanted: Any, limited: Any
    ) -> tuple[Any, Any]:
        """Thrust and torque that give the acceleration `wanted` (..., 3), gravity included."""
        raise NotImplementedError


class Geometric(PositionController):
    """Lee's controller; needs no tuning for an airframe, since `gains.derive` does it."""

    name = "geometric"

    def attitude(
        self, flight: FlightView, setpoint: Setpoint, wanted: Any, limited: Any
    ) -> tuple[Any, Any]:
        """Thrust (...,) and torque (..., 3) of the formulae above."""
        xp, gains, model = array_namespace(wanted), self.gains, self.model
        rotation = matrix_from_quat(unit(flight.quat))
        b1, b2, b3 = attitude_along(wanted, setpoint.yaw)
        thrust = thrust_along(wanted, rotation, self)
        # how the wanted acceleration moves: held still where a limit acts
        felt = rotation[..., 2] * (thrust / model.mass)[..., None]
        felt = felt - like((0.0, 0.0, model.gravity), felt)
        change = -like(gains.position, felt) * (flight.velocity - setpoint.velocity)
        change = change - like(gains.velocity, felt) * (felt - setpoint.acceleration)
        change = fed_forward(setpoint, self) + shortened(change, gains.max_jerk)
        change = xp.where(limited[..., None], 0.0, change)
        rates = desired_rates(wanted, change, setpoint, (b1, b2, b3))
        desired = xp.stack([b1, b2, b3], axis=-1)
        omega = flight.omega_body
        seen = times(xp.matrix_transpose(rotation) @ desired, rates)
        inertia = like(model.inertia_rows, felt)
        angular = (
            -like(gains.attitude, felt) * attitude_error(rotation, desired)
            - like(gains.rate, felt) * (omega - seen)
            - cross(omega, seen)
        )
        return thrust, times(inertia, angular) + cross(omega, times(inertia, omega))


def fed_forward(setpoint: Setpoint, controller: FlightController) -> Any:
    """Change per second of the acceleration that the reference asks for, j_d + D a_d (..., 3)."""
    return setpoint.jerk + like(controller.gains.drag, setpoint.jerk) * setpoint.acceleration


def thrust_along(wanted: Any, rotation: Any, controller: FlightController) -> Any:
    """Collective thrust f = m a . R e_3 (...,) [N], in 0 .. what all rotors give."""
    model = controller.model
    most = controller.mixer.max_force * model.num_rotors
    xp = array_namespace(wanted)
    return xp.clip(model.mass * dot(wanted, rotation[..., 2]), 0.0, most)


def desired_rates(wanted: Any, change: Any, setpoint: Setpoint, axes: tuple[Any, Any, Any]) -> Any:
    """Body rates w_d (..., 3) of R_d = [b1 b2 b3] while `wanted` changes by `change` per second.

    b3' = (a' - (b3 . a') b3) / |a|, C = b3 x c, b2' = (C' - (b2 . C') b2) / |C|, and
    w_d = (R_d^T R_d')^vee = (-b2 . b3', b1 . b3', -b1 . b2').
    """
    xp = array_namespace(wanted)
    b1, b2, b3 = axes
    turn = (change - b3 * dot(b3, change)[..., None]) / xp.clip(norm(wanted), TINY, None)
    cos, sin, flat = xp.cos(setpoint.yaw), xp.sin(setpoint.yaw), xp.zeros_like(setpoint.yaw)
    heading = vector(cos, sin, flat)
    heading_change = vector(-sin, cos, flat) * setpoint.yaw_rate[..., None]
    side = norm(cross(b3, heading))
    side_change = cross(turn, heading) + cross(b3, heading_change)
    about_z = -dot(b1, side_change) / xp.clip(side, TINY, None)[..., 0]
    return vector(-dot(b2, turn), dot(b1, turn), about_z)


def unit(quat: Any) -> Any:
    """Quaternions (..., 4) of length 1."""
    return quat / array_namespace(quat).linalg.vector_norm(quat, axis=-1, keepdims=True)
