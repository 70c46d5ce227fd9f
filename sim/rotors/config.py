"""AeroConfig: what the air, the motors and the ground do in a scene, as one frozen dataclass."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from octoworld.core.errors import ConfigError

COMPAT_GRAVITY = (0.0, 0.0, -9.8)
"""Gravity of gym-pybullet-drones [m/s^2]."""
COMPAT_TIMESTEP = 1 / 240
"""Its physics step [s]."""
WIND_KINDS = ("constant", "gusts", "dryden")
COMPAT_MODES = ("PYB", "PYB_GND", "PYB_DRAG", "PYB_DW", "PYB_GND_DRAG_DW", "DYN")


@dataclass(frozen=True)
class WindConfig:
    """Air that moves: a mean, and turbulence about it."""

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Mean wind, world axes [m/s]."""
    kind: Literal["constant", "gusts", "dryden"] = "constant"
    """`gusts`: first-order Gauss-Markov about the mean; `dryden`: MIL-F-8785C at low altitude."""
    strength: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Standard deviation of the turbulence along world x y z [m/s]."""
    time_constant: float = 1.0
    """Correlation time of `gusts` [s]."""
    length: tuple[float, float, float] = (20.0, 20.0, 5.0)
    """Scale lengths of `dryden`: along, across, vertical [m]."""

    def __post_init__(self) -> None:
        if self.kind not in WIND_KINDS:
            raise ConfigError(
                f"wind kind {self.kind!r} is unknown. Known: {', '.join(WIND_KINDS)}."
            )
        if min(self.strength) < 0 or not (self.time_constant > 0 and min(self.length) > 0):
            raise ConfigError(
                f"wind strength {self.strength} must not be below 0, time_constant "
                f"{self.time_constant} and length {self.length} must be above 0"
            )


@dataclass(frozen=True)
class BatteryConfig:
    """A Thevenin battery: its voltage falls with charge and current, and bounds the rotor speed.

    Current follows from the rotors' torque. That of gym-pybullet-drones' Crazyflie is four times
    that of the identified sets, so there use those.
    """

    capacity: float = 0.25
    """[A h]; 0.25 is the Crazyflie 2.1's."""
    full_voltage: float = 4.2
    """Open circuit, charged [V]; the highest rotor speed is reached here."""
    empty_voltage: float = 3.0
    """Open circuit, empty [V]."""
    resistance: float = 0.1
    """Internal [ohm]."""
    efficiency: float = 0.4
    """Shaft power over electric power [-]."""

    def __post_init__(self) -> None:
        if not (self.capacity > 0 and self.resistance >= 0 and 0 < self.efficiency <= 1):
            raise ConfigError(
                f"battery capacity {self.capacity} must be above 0, resistance {self.resistance} "
                f"not below 0, efficiency {self.efficiency} above 0 and at most 1"
            )
        if not 0 < self.empty_voltage <= self.full_voltage:
            raise ConfigError(
                f"battery empty_voltage {self.empty_voltage} must be above 0 and at most "
                f"full_voltage {self.full_voltage}"
            )


@dataclass(frozen=True)
class ContactConfig:
    """The spring-damper contacts of the `rotorcraft` backend; see `sim/rotors/contact.py`."""

    time_constant: float = 0.004
    """In which penetration dies out [s]; at least 2.4 physics steps are taken."""
    friction: float = 0.5
    """Coulomb coefficient [-]."""

    def __post_init__(self) -> None:
        if not (self.time_constant > 0 and self.friction >= 0):
            raise ConfigError(
                f"contact time_constant {self.time_constant} must be above 0, friction "
                f"{self.friction} not below 0"
            )


@dataclass(frozen=True)
class AeroConfig:
    """Physics of rotorcraft. The defaults are the `clean` set; `compat(mode)` gives the other."""

    ground_effect: bool = True
    """Thrust rises close to what is below."""
    drag: bool = True
    """Drag of body and rotors against the air's velocity."""
    downwash: bool = True
    """The wake of higher drones pushes lower ones down."""
    motors: bool = True
    """First-order motors with the constants of the robot's spec; False: speeds are immediate."""
    gyroscopic: bool = True
    """Angular momentum of the propellers, where the spec gives their inertia."""
    latency: float = 0.0
    """Of commands [s], rounded to physics steps."""
    battery: BatteryConfig | None = None
    wind: WindConfig | None = None
    contact: ContactConfig = ContactConfig()
    downwash_cap: float = 1.0
    """Most that all wakes together push, in weights of the drone below [-] (clean set)."""
    integrator: Literal["euler", "rk4"] = "euler"
    """Of the `rotorcraft` backend: semi-implicit Euler, or Runge-Kutta 4 (clean set alone)."""
    compat: Literal["", "PYB", "PYB_GND", "PYB_DRAG", "PYB_DW", "PYB_GND_DRAG_DW", "DYN"] = ""
    """Mode of gym-pybullet-drones to reproduce; empty is the clean set."""

    def __post_init__(self) -> None:
        if self.compat and self.compat not in COMPAT_MODES:
            raise ConfigError(
                f"aero compat {self.compat!r} is unknown. Known: {', '.join(COMPAT_MODES)}."
            )
        if self.integrator not in ("euler", "rk4"):
            raise ConfigError(f"aero integrator {self.integrator!r}: expected euler or rk4")
        if self.compat and self.integrator != "euler":
            raise ConfigError("aero compat reproduces an Euler step; integrator must be 'euler'")
        if not (0 <= self.latency < math.inf and self.downwash_cap >= 0):
            raise ConfigError(
                f"aero latency {self.latency} must be finite, and neither it nor downwash_cap "
                f"{self.downwash_cap} below 0"
            )


def clean(**options: object) -> AeroConfig:
    """The set that is right: body-frame drag, bounded downwash, height over what is below."""
    return replace(AeroConfig(), **options)  # type: ignore[arg-type]


def compat(mode: str = "PYB") -> AeroConfig:
    """The set that reproduces a physics mode of gym-pybullet-drones, with its quirks.

    `PYB`: Bullet's hidden damping, and motor forces turned by the rotation of the step before.
    `_GND`, `_DRAG`, `_DW` add ground effect over world z = 0, drag with coefficients along world
    axes and the speeds of the step before, unbounded downwash. `DYN`: no damping and no lag,
    torques from arm / sqrt(2).
    """
    return AeroConfig(
        ground_effect="_GND" in mode,
        drag="_DRAG" in mode,
        downwash="_DW" in mode,
        motors=False,
        gyroscopic=False,
        compat=mode,  # type: ignore[arg-type]
    )
