"""What flight controllers read: the state of drones, and the set-point they are to follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from octoworld.core.arrays import array_namespace
from octoworld.core.errors import ActionError


class FlightView(Protocol):
    """State of drones, any leading shape; `world.flight` is one with (N, A)."""

    @property
    def position(self) -> Any:
        """(..., 3) in the world [m]."""
        ...

    @property
    def quat(self) -> Any:
        """(..., 4) wxyz, body to world."""
        ...

    @property
    def velocity(self) -> Any:
        """(..., 3) in the world [m/s]."""
        ...

    @property
    def omega_body(self) -> Any:
        """(..., 3) body rates [rad/s]."""
        ...


@dataclass
class DroneState:
    """A FlightView of arrays: a measured or estimated state, or part of a larger one."""

    position: Any
    quat: Any
    velocity: Any
    omega_body: Any


class Setpoint:
    """Flat outputs and their derivatives, views of one array (..., 14).

    Position, velocity, acceleration and jerk (..., 3) in the world [m, s]; yaw (...,) [rad] and its
    rate [rad/s].
    """

    WIDTH = 14

    def __init__(self, array: Any) -> None:
        if array.shape[-1:] != (self.WIDTH,):
            raise ActionError(f"set-point of shape {tuple(array.shape)}: expected (..., 14)")
        self.array = array

    @classmethod
    def at(
        cls, position: ArrayLike, velocity: ArrayLike = (0.0, 0.0, 0.0),
        acceleration: ArrayLike = (0.0, 0.0, 0.0), jerk: ArrayLike = (0.0, 0.0, 0.0),
        yaw: ArrayLike = 0.0, yaw_rate: ArrayLike = 0.0,
    ) -> Setpoint:  # fmt: skip
        """Set-point of numpy arrays; vectors (..., 3) and yaw (...,) are broadcast together."""
        vectors = [np.asarray(v, float) for v in (position, velocity, acceleration, jerk)]
        angles = [np.asarray(v, float)[..., None] for v in (yaw, yaw_rate)]
        if any(v.shape[-1:] != (3,) for v in vectors):
            raise ActionError(
                f"set-point vectors of shapes {[v.shape for v in vectors]}: expected (..., 3)"
            )
        shape = np.broadcast_shapes(*(v.shape[:-1] for v in (*vectors, *angles)))
        parts = [np.broadcast_to(v, (*shape, v.shape[-1])) for v in (*vectors, *angles)]
        return cls(np.concatenate(parts, axis=-1))

    @property
    def position(self) -> Any:
        """(..., 3) [m]."""
        return self.array[..., 0:3]

    @property
    def velocity(self) -> Any:
        """(..., 3) [m/s]."""
        return self.array[..., 3:6]

    @property
    def acceleration(self) -> Any:
        """(..., 3) [m/s^2]."""
        return self.array[..., 6:9]

    @property
    def jerk(self) -> Any:
        """(..., 3) [m/s^3]."""
        return self.array[..., 9:12]

    @property
    def yaw(self) -> Any:
        """(...,) [rad]."""
        return self.array[..., 12]

    @property
    def yaw_rate(self) -> Any:
        """(...,) [rad/s]."""
        return self.array[..., 13]


def vector(x: Any, y: Any, z: Any) -> Any:
    """(..., 3) of three arrays (...,)."""
    return array_namespace(x, y, z).stack([x, y, z], axis=-1)
