"""Minimum-snap tracking controller of Mellinger & Kumar, ICRA 2011.

Thrust u_1 = m a . z_B and torques u_2..4 = J (-K_R e_R - K_w e_w) with e_w = w - w_d, where w_d are
the body rates of the reference alone: h = (j - (z_B . j) z_B) / |a|, p = -h . y_B, q = h . x_B and
r = yaw' z_W . z_B (their section III; w_d is not turned into the present body frame, and there is
no gyroscopic term). j is the reference's jerk with that of the drag fed forward. Gains are over
mass and inertia.
"""

from __future__ import annotations

from typing import Any

from octoworld.core.arrays import array_namespace
from octoworld.core.rotations import matrix_from_quat

from .geometric import PositionController, fed_forward, thrust_along, unit
from .setpoint import FlightView, Setpoint, vector
from .tracking import TINY, attitude_along, attitude_error, dot, like, norm, times


class Mellinger(PositionController):
    """Mellinger's controller with gains derived for the airframe, or given."""

    name = "mellinger"

    def attitude(
        self, flight: FlightView, setpoint: Setpoint, wanted: Any, limited: Any
    ) -> tuple[Any, Any]:
        """Thrust (...,) and torque (..., 3) of the formulae above."""
        xp, gains, model = array_namespace(wanted), self.gains, self.model
        rotation = matrix_from_quat(unit(flight.quat))
        b1, b2, b3 = attitude_along(wanted, setpoint.yaw)
        jerk = fed_forward(setpoint, self)
        turn = (jerk - b3 * dot(b3, jerk)[..., None]) / xp.clip(norm(wanted), TINY, None)
        rates = vector(-dot(b2, turn), dot(b1, turn), setpoint.yaw_rate * b3[..., 2])
        error = attitude_error(rotation, xp.stack([b1, b2, b3], axis=-1))
        angular = -like(gains.attitude, rates) * error
        angular = angular - like(gains.rate, rates) * (flight.omega_body - rates)
        return thrust_along(wanted, rotation, self), times(like(model.inertia_rows, rates), angular)
