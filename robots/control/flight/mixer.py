"""Mixer: collective thrust and body torques <-> rotor speeds; saturated, it keeps the attitude.

Priorities are those of PX4's multirotor mixer in airmode (`MultirotorMixer::mix_airmode_rp` and
`mix_yaw`): roll and pitch come first, and the collective thrust moves to make room for them; yaw
gets what is left, and may move the thrust by a small margin only. Faessler, Falanga & Scaramuzza
2017 (RA-L 2(2)) order them the same way: a quadrotor that keeps its attitude can still be saved.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from octoworld.core.arrays import array_namespace
from octoworld.core.errors import ConfigError

from .model import FlightModel
from .tracking import like

YAW_MARGIN = 0.15
"""Share of a rotor's thrust by which yaw may move the collective [-]; PX4's MINIMUM_YAW_MARGIN."""


class Mixer:
    """Allocation of one airframe; every method takes any leading shape, numpy or torch."""

    def __init__(self, model: FlightModel, yaw_margin: float = YAW_MARGIN) -> None:
        if not 0 <= yaw_margin <= 1:
            raise ConfigError(f"mixer yaw_margin {yaw_margin}: expected 0 to 1")
        self.model, self.yaw_margin = model, yaw_margin
        self.allocation = model.allocation()
        """(4, M) rotor thrusts -> thrust and torques."""
        self.inverse = np.ascontiguousarray(np.linalg.pinv(self.allocation))
        """(M, 4) thrust and torques -> rotor thrusts of least norm."""
        self._allocation_rows = tuple(map(tuple, self.allocation.tolist()))
        self._inverse_rows = tuple(map(tuple, self.inverse.tolist()))
        self.max_force = model.max_rotor_thrust
        """Of one rotor [N]."""

    def forces(self, thrust: Any, torque: Any) -> Any:
        """Rotor thrusts (..., M) [N] in 0 .. max_force: thrust (...,) [N], torque (..., 3) [N m].

        What is reachable comes out exactly. Else roll and pitch are kept (both scaled down when
        they alone exceed the range), the thrust shifted, and yaw trimmed.
        """
        xp = array_namespace(thrust, torque)
        inverse = like(self._inverse_rows, torque)
        most = self.max_force
        common = inverse[:, 0] * thrust[..., None]
        tilt = torque[..., :1] * inverse[:, 1] + torque[..., 1:2] * inverse[:, 2]
        yaw = torque[..., 2:] * inverse[:, 3]
        span = xp.max(tilt, axis=-1, keepdims=True) - xp.min(tilt, axis=-1, keepdims=True)
        tilt = tilt * xp.where(span > most, most / xp.where(span > 0, span, 1.0), 1.0)
        base = common + tilt
        base = base + _room(xp, base, most)
        # yaw: first the least shift of thrust that makes room on the tighter side, then the trim
        up, none = yaw > 0, xp.zeros_like(base)
        above = xp.min(xp.where(up, most - base - yaw, most), axis=-1, keepdims=True)
        below = xp.min(xp.where(yaw < 0, base + yaw, most), axis=-1, keepdims=True)
        shift = xp.maximum((above - below) / 2, xp.clip(above, None, 0.0))
        shift = xp.minimum(shift, xp.clip(-below, 0.0, None))
        shift = xp.clip(shift, -self.yaw_margin * most, self.yaw_margin * most)
        shift = xp.minimum(shift, most - xp.max(base, axis=-1, keepdims=True))
        base = base + xp.maximum(shift, -xp.min(base, axis=-1, keepdims=True))
        left = xp.where(up, most - base, base) / xp.where(yaw == 0, none + 1.0, xp.abs(yaw))
        left = xp.where(yaw == 0, none + 1.0, left)
        trim = xp.clip(xp.min(left, axis=-1, keepdims=True), 0.0, 1.0)
        return xp.clip(base + trim * yaw, 0.0, most)

    def rpm(self, thrust: Any, torque: Any) -> Any:
        """Rotor speeds (..., M) [rpm] for thrust (...,) [N] and torque (..., 3) [N m]."""
        return self.speed(self.forces(thrust, torque))

    def speed(self, force: Any) -> Any:
        """Speeds [rpm] of rotors that give `force` >= 0 [N], the root of (c1 + c2 w) w = f."""
        xp, rotors = array_namespace(force), self.model.rotors
        a, b = rotors.thrust_coefficient, rotors.thrust_linear
        rpm = (xp.sqrt(b * b + 4 * a * force) - b) / (2 * a)
        return xp.clip(rpm, 0.0, rotors.max_rpm)

    def wrench(self, rpm: Any) -> tuple[Any, Any]:
        """Thrust (...,) [N] and torque (..., 3) [N m] of rotor speeds (..., M) [rpm].

        Yaw uses the torque-to-thrust ratio at hover, as `forces` does.
        """
        xp, rotors = array_namespace(rpm), self.model.rotors
        force = (rotors.thrust_coefficient * rpm + rotors.thrust_linear) * rpm
        wrench = xp.sum(like(self._allocation_rows, rpm) * force[..., None, :], axis=-1)
        return wrench[..., 0], wrench[..., 1:]


def _room(xp: Any, base: Any, most: float) -> Any:
    """Shift (..., 1) that brings rotors (..., M), whose span fits, into 0 .. `most`."""
    low = xp.min(base, axis=-1, keepdims=True)
    high = xp.max(base, axis=-1, keepdims=True)
    return xp.where(low < 0, -low, 0.0) + xp.where(high > most, most - high, 0.0)
