"""Body rates and collective thrust (CTBR) -> rotor speeds: the inner loop of racing quadcopters."""

from __future__ import annotations

from typing import Any

import numpy as np

from robots.spec import RobotSpec

from .controller import FlightController
from .setpoint import FlightView
from .tracking import cross, like, times


class Rates(FlightController):
    """M = J k_w (w_d - w) + w x J w: feedback linearisation with a proportional rate loop.

    (Faessler, Falanga & Scaramuzza 2017, eq. 6, without its integrator of the motors' state, which
    the lead of the rotor commands replaces.)
    """

    name = "rates"

    def __init__(self, robot: RobotSpec, shape: tuple[int, ...] = (), **options: Any) -> None:
        super().__init__(robot, shape, **options)
        self.reset()

    def command(self, flight: FlightView, target: Any) -> Any:
        """Rotor speeds (..., M) [rpm] for targets (..., 4): body rates [rad/s] and thrust [N]."""
        target = self._target(target, 4)
        if not self._compiled(flight):
            return self._rotor_commands(target[..., 3], self.torque(flight, target))
        from .compiled import rates

        rows, out = self._rows, np.empty((self.count, self.model.num_rotors))
        rates(
            rows(flight.omega_body, 3), rows(np.asarray(target, float), 4),
            rows(self.memory["rotor_speed"], out.shape[1]), self._parameters, self.mixer.inverse,
            out,
        )  # fmt: skip
        return out.reshape(*self.shape, out.shape[1])

    def torque(self, flight: FlightView, target: Any) -> Any:
        """(..., 3) [N m]."""
        omega = flight.omega_body
        inertia = like(self.model.inertia_rows, omega)
        angular = like(self.gains.rate, omega) * (target[..., :3] - omega)
        return times(inertia, angular) + cross(omega, times(inertia, omega))
