"""Numbers of a controller as one array, in the order that the kernels of `compiled.py` read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .controller import FlightController

MASS, GRAVITY, DT, KIND = 0, 1, 2, 3
KP, KV, KI = 4, 7, 10
INTEGRAL_LIMIT, DISTANCE_LIMIT, LOWEST, HIGHEST, TILT = 13, 14, 15, 16, 17
KR, KW, INERTIA = 18, 21, 24
MAX_FORCE, YAW_MARGIN, SQUARE, LINEAR, MAX_RPM, LEAD, RESPONSE = 33, 34, 35, 36, 37, 38, 39
DRAG = 40
CALM, MAX_JERK = 43, 44
SIZE = 45
GEOMETRIC, MELLINGER = 0.0, 1.0


def pack(controller: FlightController) -> NDArray[np.float64]:
    """(SIZE,) parameters of `controller`; units as in `Gains` and `FlightModel`."""
    p = np.zeros(SIZE)
    model, gains, rotors = controller.model, controller.gains, controller.model.rotors
    p[MASS], p[GRAVITY], p[DT] = model.mass, model.gravity, controller.dt
    p[KIND] = MELLINGER if controller.name == "mellinger" else GEOMETRIC
    p[KP : KP + 3], p[KV : KV + 3], p[KI : KI + 3] = gains.position, gains.velocity, gains.integral
    p[CALM], p[MAX_JERK] = gains.integral_speed, gains.max_jerk
    p[DRAG : DRAG + 3] = gains.drag
    p[INTEGRAL_LIMIT], p[DISTANCE_LIMIT] = gains.integral_limit, gains.distance_limit
    p[LOWEST], p[HIGHEST] = gains.min_acceleration, gains.max_acceleration
    p[TILT] = math.tan(gains.max_tilt)
    p[KR : KR + 3], p[KW : KW + 3] = gains.attitude, gains.rate
    p[INERTIA : INERTIA + 9] = model.inertia.ravel()
    p[MAX_FORCE], p[YAW_MARGIN] = controller.mixer.max_force, controller.mixer.yaw_margin
    p[SQUARE], p[LINEAR] = rotors.thrust_coefficient, rotors.thrust_linear
    p[MAX_RPM], p[LEAD], p[RESPONSE] = rotors.max_rpm, controller.lead_factor, controller.response
    return p
