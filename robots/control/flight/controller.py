"""FlightController: what all controllers share: sizes, gains, memory, and the motors' lead."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from array_api_compat import is_numpy_array
from numpy.typing import ArrayLike, NDArray

from octoworld.core.arrays import array_namespace
from octoworld.core.errors import ActionError, ConfigError
from robots.spec import RobotSpec

from .gains import Gains, derive
from .mixer import Mixer
from .model import flight_model
from .parameters import pack
from .setpoint import FlightView


class Memory:
    """Arrays by name that decide what a controller does next, each with leading shape `shape`."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = tuple(shape)
        self.memory: dict[str, Any] = {}
        """Live arrays; `save` and `restore` copy them."""

    def reset(self, mask: ArrayLike | None = None) -> None:
        """Forget: all, or where `mask`, whose shape leads this controller's, is true."""
        for name, start in self._start().items():
            value = self.memory[name]
            if mask is None:
                value[...] = start
            else:
                value[self._where(mask)] = start

    def save(self) -> dict[str, Any]:
        """Copy of the memory."""
        return {name: _copy(value) for name, value in self.memory.items()}

    def restore(self, memory: Mapping[str, Any]) -> None:
        """Put a saved memory back; ConfigError when it is another controller's."""
        for name, value in self.memory.items():
            if name not in memory or tuple(memory[name].shape) != tuple(value.shape):
                found = {k: tuple(v.shape) for k, v in memory.items()}
                raise ConfigError(
                    f"controller memory {found} does not fit: expected {name!r} of shape "
                    f"{tuple(value.shape)}"
                )
        for name, value in self.memory.items():
            value[...] = memory[name]

    def follow(self, array: Any) -> None:
        """Move the memory to the kind, type and device of `array`, the state it is used with."""
        if is_numpy_array(array):
            return
        xp = array_namespace(array)
        for name, value in self.memory.items():
            if is_numpy_array(value):
                kind = array.dtype if value.dtype == np.float64 else None
                self.memory[name] = xp.asarray(value, dtype=kind, device=array.device)

    def _start(self) -> dict[str, float]:
        """Value of each memory after a reset."""
        return dict.fromkeys(self.memory, 0.0)

    def _where(self, mask: ArrayLike) -> NDArray[np.bool_]:
        chosen = np.asarray(mask, dtype=bool)
        if chosen.shape != self.shape[: chosen.ndim]:
            raise ConfigError(
                f"reset mask of shape {chosen.shape}: expected the first axes of {self.shape}"
            )
        return chosen


class FlightController(Memory):
    """Turns drones' states and targets into rotor speeds.

    Args:
        robot: a rotorcraft.
        shape: leading shape of all arrays, such as (worlds, drones); () is one drone.
        frequency: how often the controller is called [Hz].
        gains: None derives them from the airframe.
        integral: rate of the position's integral in derived gains [1/s].
        latency: further lag to expect of the rotors, in derived gains [s].
        gravity: [m/s^2].

    Gains are read once, at the start. numpy arrays of float64 go through the compiled kernels, all
    others through the array functions; both give the same numbers. Memory starts as numpy and
    follows the arrays it is called with.
    """

    name: ClassVar[str]

    def __init__(
        self,
        robot: RobotSpec,
        shape: tuple[int, ...] = (),
        *,
        frequency: float,
        gains: Gains | None = None,
        integral: float = 0.0,
        latency: float = 0.0,
        gravity: float = 9.81,
    ) -> None:
        super().__init__(shape)
        self.model = flight_model(robot, gravity)
        self.gains = gains or derive(self.model, frequency, integral=integral, latency=latency)
        if not frequency > 0:
            raise ConfigError(f"control frequency {frequency} must be above 0 Hz")
        self.frequency, self.dt = frequency, 1 / frequency
        self.mixer = Mixer(self.model)
        self.count = math.prod(self.shape)
        self.lead_factor, self.response = lead_factors(
            self.model.time_constant, self.gains.lead, self.dt
        )
        self._rotor_start = self.model.hover_rpm
        self.memory["rotor_speed"] = np.full((*self.shape, self.model.num_rotors), 0.0)
        self._parameters = pack(self)

    def _start(self) -> dict[str, float]:
        return {**super()._start(), "rotor_speed": self._rotor_start}

    def _compiled(self, flight: FlightView) -> bool:
        """True when the kernels can read `flight`; moves the memory to the kind of its arrays."""
        position = flight.position
        if tuple(position.shape[:-1]) != self.shape:
            raise ActionError(
                f"controller {self.name!r} was made for drones of shape {self.shape}, the state "
                f"has {tuple(position.shape[:-1])}"
            )
        self.follow(position)
        return is_numpy_array(position) and position.dtype == np.float64

    def _rows(self, array: Any, width: int) -> NDArray[np.float64]:
        """(..., width) as (B, width) for the kernels, without a copy where strides allow."""
        return array.reshape(self.count, width)

    def _target(self, array: Any, width: int) -> Any:
        """A target (..., width) broadcast to the controller's shape."""
        expected = (*self.shape, width)
        if array.shape != expected:
            try:
                return array_namespace(array).broadcast_to(array, expected)
            except (ValueError, RuntimeError) as error:
                raise ActionError(
                    f"target of shape {tuple(array.shape)} does not fit {expected} of controller "
                    f"{self.name!r}"
                ) from error
        return array

    def _rotor_commands(self, thrust: Any, torque: Any) -> Any:
        """Rotor speeds (..., M) [rpm] for a wrench, leading the motors' lag.

        c = w + (w_d - w) (1 - exp(-dt r/T)) / (1 - exp(-dt/T)) makes rotors of time constant T
        behave as of T / r; w is the model's own estimate of their speed, so nothing is measured.
        """
        wanted = self.mixer.rpm(thrust, torque)
        if self.lead_factor == 1:
            return wanted
        xp, speed = array_namespace(wanted), self.memory["rotor_speed"]
        most = self.model.rotors.max_rpm
        command = xp.clip(speed + (wanted - speed) * self.lead_factor, 0.0, most)
        self.memory["rotor_speed"][...] = speed + self.response * (command - speed)
        return command


def lead_factors(time_constant: float, lead: float, dt: float) -> tuple[float, float]:
    """Factor on rotor commands, and share of a command that rotors reach within `dt` [s]."""
    if time_constant <= 0 or lead == 1:
        return 1.0, 1.0
    share = -math.expm1(-dt / time_constant)
    return -math.expm1(-dt * lead / time_constant) / share, share


def _copy(value: Any) -> Any:
    return value.copy() if is_numpy_array(value) else value.clone()
