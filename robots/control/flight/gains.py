"""Gains of an airframe's controllers, derived from what it is: lag, authority and thrust."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from octoworld.core.errors import ConfigError
from robots.spec import Vec3

from .model import FlightModel

LEAD = 3.0
"""Times by which commands quicken the motors; more asks for commands beyond the speed range [-]."""
RATE_SHARE = 0.5
"""Gain of the rate loop times the lag below it [-]."""
POSITION_SHARE = 0.8
"""Gain of the velocity loop times the lag below it [-]; higher, as the attitude is fed forward."""
DAMPING = 0.8
SATURATING_ANGLE = 0.5
"""Attitude error that asks for all angular acceleration there is [rad]."""
YAW_SHARE = 0.5
"""Of the authority, and of the bandwidth of roll and pitch, that yaw gets [-]."""
SATURATING_DISTANCE = 1.0
"""Position error that asks for the steepest tilt [m]."""
MOST_TILT = math.radians(60)
LEAST_TILT = math.radians(10)
INTEGRAL_SHARE = 0.4
"""Most acceleration that the integral gives, over gravity: masses wrong by 40 % [-]."""
JERK_SHARE = 0.1
"""Most feedback of the attitude's rate, over its bandwidth [rad]; far off, more only sways."""
THRUST_RESERVE = 0.8
"""Share of all thrust that carries the weight at the steepest tilt [-]."""


@dataclass(frozen=True)
class Gains:
    """Of position, attitude and rate loops, over mass or inertia: any airframe has the same units.

    Vectors are by axis: world x y z for positions, body x y z for attitudes.
    """

    position: Vec3
    """Acceleration per position error [1/s^2]."""
    velocity: Vec3
    """Acceleration per velocity error [1/s]."""
    attitude: Vec3
    """Angular acceleration per attitude error [1/s^2]."""
    rate: Vec3
    """Angular acceleration per error of the body rates [1/s]."""
    integral: Vec3 = (0.0, 0.0, 0.0)
    """Acceleration per integrated position error [1/s^3]."""
    integral_limit: float = 1.0
    """Most that the integral of each axis becomes [m s]."""
    integral_speed: float = 0.2
    """Velocity error up to which positions are integrated, so that ways do not wind it up [m/s]."""
    distance_limit: float = math.inf
    """Longest position error that is answered in proportion; a longer one counts as this [m]."""
    min_acceleration: float = 0.0
    """Least vertical acceleration asked of the rotors, weight included [m/s^2]."""
    max_acceleration: float = math.inf
    """Most of it [m/s^2]."""
    drag: Vec3 = (0.0, 0.0, 0.0)
    """Drag that is fed forward: acceleration per speed of the set-point [1/s]."""
    max_jerk: float = math.inf
    """Most that errors, rather than the reference, turn the thrust vector ahead of time [m/s^3]."""
    max_tilt: float = math.radians(89)
    """Steepest thrust vector from the vertical [rad]."""
    lead: float = 1.0
    """Times by which rotor commands quicken the motors' lag; 1 leaves it."""

    def __post_init__(self) -> None:
        for name in ("position", "velocity", "attitude", "rate", "integral", "drag"):
            values = getattr(self, name)
            if len(values) != 3 or not all(v >= 0 for v in values):
                raise ConfigError(f"gains {name} {values}: expected three numbers, none below 0")
        if not 0 < self.max_tilt < math.pi / 2:
            raise ConfigError(f"gains max_tilt {self.max_tilt} must lie between 0 and pi/2 rad")
        if self.lead < 1:
            raise ConfigError(f"gains lead {self.lead} must be 1 or more")


def derive(
    model: FlightModel,
    frequency: float,
    *,
    integral: float = 0.0,
    latency: float = 0.0,
    lead: float = LEAD,
) -> Gains:
    """Gains for `model` whose loop runs at `frequency` [Hz].

    Inside out, every loop is slower than what it stands on:

    - Actuators lag by T = time constant / lead + one period + `latency` [s]. Commands lead the
      motors' known first order by the factor `lead`. A latency that also covers what one does not
      know (slower motors, delayed sensors) makes the loops as much more patient.
    - Rates: gain 0.5 / T. With attitude the closed loop T s^3 + s^2 + k_w s + k_R keeps every
      pole's damping above 0.6.
    - Attitude: k_R = (k_w / 2 zeta)^2, zeta = 0.8. An error of 0.5 rad asks for no more than the
      angular acceleration that the rotors reach from hover. Yaw may use half of its own.
    - Position: the attitude loop is a lag of k_w / k_R; 0.8 over all lags, zeta 0.8. An error
      of 1 m asks for no more than the steepest tilt gives; longer ones count as one whose
      acceleration it is.
    - Drag at hover is fed forward by the set-point's velocity (to first order, what Faessler,
      Franchi & Scaramuzza 2018 derive from flatness).
    - Tilt: what leaves a fifth of the thrust for control, 60 deg at most.

    `integral` [1/s] is the rate at which the position's integral takes over; 0 is none.
    """
    if not frequency > 0:
        raise ConfigError(f"control frequency {frequency} must be above 0 Hz")
    if integral < 0 or latency < 0 or lead < 1:
        raise ConfigError(
            f"integral rate {integral} 1/s and latency {latency} s must not be below 0, and lead "
            f"{lead} not below 1"
        )
    lag = model.time_constant / lead + 1 / frequency + latency
    slow = RATE_SHARE / lag / (2 * DAMPING)
    limits = [math.sqrt(a / SATURATING_ANGLE) for a in model.angular_authority()]
    limits[2] *= YAW_SHARE
    attitude = [min(slow, limit) for limit in limits]
    attitude[2] = min(attitude[2], YAW_SHARE * min(attitude[:2]))
    spare = THRUST_RESERVE * model.thrust_to_weight
    tilt = math.acos(1 / spare) if spare > 1 else 0.0
    tilt = min(MOST_TILT, max(LEAST_TILT, tilt))
    sideways = model.gravity * math.tan(tilt)
    upwards = model.gravity * min(1.0, model.thrust_to_weight - 1)
    turning = lag + 2 * DAMPING / min(attitude[:2])
    across = min(
        POSITION_SHARE / turning / (2 * DAMPING), math.sqrt(sideways / SATURATING_DISTANCE)
    )
    up = min(RATE_SHARE / lag / (2 * DAMPING), 2 * across, math.sqrt(upwards / SATURATING_DISTANCE))
    bandwidth = (across, across, up)
    return Gains(
        position=_vec(w * w for w in bandwidth),
        velocity=_vec(2 * DAMPING * w for w in bandwidth),
        attitude=_vec(w * w for w in attitude),
        rate=_vec(2 * DAMPING * w for w in attitude),
        integral=_vec(integral * w * w for w in bandwidth),
        integral_limit=(
            INTEGRAL_SHARE * model.gravity / (integral * min(bandwidth) ** 2) if integral else 1.0
        ),
        distance_limit=min(sideways / across**2, upwards / up**2),
        min_acceleration=model.gravity - 0.8 * upwards,
        max_acceleration=model.gravity * (1 + 0.9 * (model.thrust_to_weight - 1)),
        drag=_vec(model.drag / model.mass),
        max_jerk=JERK_SHARE * min(attitude[:2]) * model.gravity,
        max_tilt=tilt,
        lead=lead,
    )  # fmt: skip


def ctbr_gains(model: FlightModel, frequency: float) -> Gains:
    """Position and attitude gains of gym-pybullet-drones' `CTBRControl`, over derived rate gains.

    K_P (3, 3, 8), K_D (2.5, 2.5, 5), body rates K_RATES (5, 5, 1) times the attitude error; written
    for the Crazyflie under Betaflight.
    """
    found = derive(model, frequency)
    return replace(
        found,
        position=(3.0, 3.0, 8.0),
        velocity=(2.5, 2.5, 5.0),
        attitude=_vec(k * w for k, w in zip((5.0, 5.0, 1.0), found.rate, strict=True)),
    )


def _vec(values: Iterable[float]) -> Vec3:
    x, y, z = values
    return (x, y, z)
