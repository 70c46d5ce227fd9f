"""Where each number lies in the arrays that the compiled step and the world share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .config import AeroConfig

# columns of a drone's state; rotor speeds follow
POSITION, QUAT, VELOCITY, OMEGA, PREVIOUS, USED, ROTORS = 0, 3, 7, 10, 13, 17, 18

# reals of a scene
DT, GX, GY, GZ, CONTACT_TIME, FRICTION, CAP = range(7)
CAPACITY, FULL_VOLTAGE, EMPTY_VOLTAGE, RESISTANCE, EFFICIENCY = range(7, 12)
REALS = 12

# switches of a scene
MODE, GROUND, DRAG, DOWNWASH, MOTORS, HAS_BATTERY, RK4, GYRO, CONTACTS = range(9)
SWITCHES = 9
CLEAN, PYB, DYN = range(3)

SHAPES = ("plane", "box", "sphere", "capsule", "cylinder", "ellipsoid")
"""Codes of obstacles' shapes. An ellipsoid collides as its bounding box."""
PLANE, BOX, SPHERE, CAPSULE, CYLINDER, ELLIPSOID = range(6)


def reals(aero: AeroConfig, dt: float, gravity: tuple[float, float, float]) -> NDArray[np.float64]:
    """The scene's real numbers, (REALS,)."""
    values = np.zeros(REALS)
    # shorter than 2.4 steps, an explicit spring-damper would ring
    contact_time = max(aero.contact.time_constant, 2.4 * dt)
    values[:CAPACITY] = dt, *gravity, contact_time, aero.contact.friction, aero.downwash_cap
    if aero.battery is not None:
        b = aero.battery
        values[CAPACITY:] = (
            3600 * b.capacity, b.full_voltage, b.empty_voltage, b.resistance, b.efficiency,
        )  # fmt: skip
    return values


def switches(aero: AeroConfig, contacts: bool) -> NDArray[np.int64]:
    """The scene's switches, (SWITCHES,)."""
    values = np.zeros(SWITCHES, np.int64)
    values[MODE] = {"": CLEAN, "DYN": DYN}.get(aero.compat, PYB)
    values[GROUND], values[DRAG] = aero.ground_effect, aero.drag
    values[DOWNWASH], values[MOTORS] = aero.downwash, aero.motors
    values[HAS_BATTERY] = aero.battery is not None
    values[RK4] = aero.integrator == "rk4"
    values[GYRO], values[CONTACTS] = aero.gyroscopic, contacts
    return values
