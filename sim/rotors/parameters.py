"""RotorParameters: every physical number of the drones of N worlds, in two packed arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from octoworld.core.errors import ConfigError

from .config import AeroConfig

if TYPE_CHECKING:
    from robots.rotorcraft import RotorcraftSpec

BODY = {
    "mass": slice(0, 1), "inertia": slice(1, 7), "inverse_inertia": slice(7, 13),
    "drag": slice(13, 16), "linear_drag": slice(16, 19), "propeller_radius": slice(19, 20),
    "ground_effect": slice(20, 21), "lowest_height": slice(21, 22), "downwash": slice(22, 25),
    "max_rpm": slice(25, 26), "propeller_inertia": slice(26, 27), "disc_radius": slice(27, 28),
    "skin": slice(28, 29), "hover_thrust": slice(29, 30),
}  # fmt: skip
"""Columns of `RotorParameters.body`: [kg], xx yy zz xy xz yz [kg m^2] and of the inverse,
[N s/m / (rad/s)], [N s/m], [m], [-], [m], (see spec), [rpm], [kg m^2], [m], [m], [N]."""
BODY_COLUMNS = 30
ROTOR = {
    "position": slice(0, 3), "spin": slice(3, 4), "thrust": slice(4, 6), "torque": slice(6, 8),
    "rates": slice(8, 12),
}  # fmt: skip
"""Columns of `RotorParameters.rotor`: [m], [-], linear [N/rpm] and square [N/rpm^2], the same of
the torque, motor rates (a, b) up and down (see `RotorcraftSpec.motor_rates`)."""
ROTOR_COLUMNS = 12
IMMEDIATE = 1e30
"""Rate of a motor without lag [1/s]."""


class RotorParameters:
    """Named views of `body` (W, A, 30) and `rotor` (W, A, M, 12); W is N, or 1 while all are alike.

    A drone with fewer rotors than M has rotors of thrust 0.
    """

    def __init__(self, body: Any, rotor: Any) -> None:
        self.body, self.rotor = body, rotor

    def __getattr__(self, name: str) -> Any:
        """A named group: one number as (W, A) or (W, A, M), several with a last axis."""
        table, array = (BODY, self.body) if name in BODY else (ROTOR, self.rotor)
        if name not in table:
            raise AttributeError(name)
        where = table[name]
        single = where.stop - where.start == 1
        return array[..., where.start] if single else array[..., where]

    def expanded(self, num_worlds: int) -> RotorParameters:
        """A copy with a row for each world."""
        body = np.repeat(self.body, num_worlds // self.body.shape[0], axis=0)
        return RotorParameters(body, np.repeat(self.rotor, num_worlds // len(self.rotor), axis=0))

    def assign(self, rows: Any, values: Mapping[str, Any], nominal: RotorParameters) -> None:
        """Write parameters of the worlds `rows` (indices); see `FlyingWorld.set_parameters`."""
        for name, value in values.items():
            value = np.asarray(value, float)
            if not np.isfinite(value).all():
                raise ConfigError(f"set_parameters({name}): values must be finite")
            principal = value[..., :3] if name == "inertia" else value  # products may be negative
            if name in ("mass", "inertia") and not (principal > 0).all():
                raise ConfigError(f"set_parameters({name}): values must be above 0")
            if name == "motor_time_constant" and (value < 0).any():
                raise ConfigError(f"set_parameters({name}): values must not be below 0")
            if name == "mass":
                self.body[rows, :, 0] = value
            elif name == "inertia":
                full = np.zeros((*np.broadcast_shapes(value.shape[:-1], (1, 1)), 6))
                full[..., : value.shape[-1]] = value
                self.body[rows, :, 1:7] = full
                self.body[rows, :, 7:13] = inverse_symmetric(full)
            elif name == "drag_scale":
                self.body[rows, :, 13:19] = nominal.body[:, :, 13:19] * value[..., None]
            elif name in ("thrust_scale", "torque_scale"):
                where = ROTOR[name.removesuffix("_scale")]
                self.rotor[rows, ..., where] = nominal.rotor[..., where] * value[..., None]
            elif name == "motor_time_constant":
                rate = 1 / np.maximum(value, 1 / IMMEDIATE)
                self.rotor[rows, ..., 8:12] = rate[..., None] * np.array([1.0, 0.0, 1.0, 0.0])
            else:
                raise ConfigError(
                    f"set_parameters: unknown parameter {name!r}. Known: drag_scale, inertia, "
                    "mass, motor_time_constant, thrust_scale, torque_scale."
                )


def inverse_symmetric(inertia: Any) -> Any:
    """Inverses (..., 6) of symmetric matrices (..., 6), both xx yy zz xy xz yz."""
    xx, yy, zz, xy, xz, yz = np.moveaxis(np.asarray(inertia, float), -1, 0)
    a, b, c = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    determinant = xx * a + xy * b + xz * c
    rows = [a, xx * zz - xz * xz, xx * yy - xy * xy, b, c, xy * xz - xx * yz]
    return np.stack(rows, axis=-1) / determinant[..., None]


def parameters(
    drones: Sequence[tuple[RotorcraftSpec, float, Sequence[float]]], aero: AeroConfig
) -> RotorParameters:
    """Parameters (1, A, ...) of drones given as (spec, mass [kg], inertia xx yy zz xy xz yz)."""
    count = max(len(spec.rotors) for spec, _, _ in drones)
    body = np.zeros((1, len(drones), BODY_COLUMNS))
    rotor = np.zeros((1, len(drones), count, ROTOR_COLUMNS))
    for i, (spec, mass, inertia) in enumerate(drones):
        radius, effect = spec.propeller_radius, spec.ground_effect_coefficient
        values = {
            "mass": mass, "inertia": inertia, "inverse_inertia": inverse_symmetric(inertia),
            "drag": spec.drag_coefficient, "linear_drag": spec.linear_drag,
            "propeller_radius": radius, "ground_effect": effect,
            # under this height the formula of ground effect has no meaning (4/15 of thrust)
            "lowest_height": 0.25 * radius * math.sqrt(15 * effect / 4),
            "downwash": spec.downwash, "max_rpm": spec.max_rpm,
            "propeller_inertia": spec.propeller_inertia if aero.gyroscopic else 0.0,
            "disc_radius": spec.collision_radius - spec.collision_height / 2,
            "skin": spec.collision_height / 2, "hover_thrust": mass * 9.81,
        }  # fmt: skip
        for name, value in values.items():
            body[0, i, BODY[name]] = value
        rates = spec.motor_rates
        if rates is None or not aero.motors:
            tau = spec.motor_time_constant if aero.motors else 0.0
            rate = IMMEDIATE if tau == 0 else 1 / tau
            rates = (rate, 0.0, rate, 0.0)
        for j, hub in enumerate(spec.rotors):
            rotor[0, i, j, 0:3] = _dyn_position(spec, j) if aero.compat == "DYN" else hub.position
            rotor[0, i, j, 3:8] = (
                hub.spin, spec.thrust_linear, spec.thrust_coefficient,
                spec.torque_linear, spec.torque_coefficient,
            )  # fmt: skip
        rotor[0, i, :, 8:12] = rates
    return RotorParameters(body, rotor)


def _dyn_position(spec: RotorcraftSpec, index: int) -> tuple[float, float, float]:
    x, y, z = spec.rotors[index].position
    if not spec.arm_length:
        return (x, y, z)
    signs = (float(np.sign(x)), float(np.sign(y)))
    scale = spec.arm_length / math.hypot(*signs)
    return (signs[0] * scale, signs[1] * scale, 0.0)
