"""FlightControl: actions in [-1, 1] -> rotor speeds, by one of the registered control modes.

A control step of the environment lasts 1 / `frequency`. Modes with a loop inside call it
`inner_steps` times in that time, each for `inner_substeps` physics steps:

    control.begin(actions, world.flight)
    for _ in range(control.inner_steps):
        world.step(control.inner(world.flight).reshape(N, -1), control.inner_substeps)

so that a policy at 30 Hz still flies on a body-rate loop at 240 Hz.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from array_api_compat import is_numpy_array
from numpy.typing import ArrayLike

from octoworld.core.arrays import array_namespace
from octoworld.core.errors import ActionError, ConfigError
from octoworld.core.registry import Registry
from robots.spec import RobotSpec, Vec3

from .controller import FlightController, Memory
from .dslpid import DSLPID
from .model import flight_model
from .setpoint import FlightView

FLIGHT_MODES: Registry[type[FlightMode]] = Registry(
    "flight control mode", ("robots.control.flight.modes",)
)


@dataclass(frozen=True)
class FlightConfig:
    """Scales of the flight control modes, and what flies inside them."""

    controller: Literal["geometric", "mellinger", "dslpid"] = "geometric"
    """Of the modes pid, one_d_pid and vel; dslpid is gym-pybullet-drones', for cf2x and cf2p."""
    inner_frequency: float | None = None
    """Rate of the inner loop [Hz]; None: that of the physics."""
    thrust_range: float = 1.0
    """Share of the thrust that actions reach on both sides of hover [-]; at 1, -1 is no thrust, or
    as far below the weight as full thrust lies above it."""
    rpm_scale: float | None = None
    """For rpm and one_d_rpm instead: rpm = hover (1 + rpm_scale a); 0.05 in the original [-]."""
    center: Vec3 = (0.0, 0.0, 1.0)
    """Set-point of the action 0 of pid, in the world [m]."""
    extent: Vec3 = (1.0, 1.0, 1.0)
    """From there to the set-point of the action 1 [m]."""
    step: float = 1.0
    """Farthest that a set-point of pid lies from the drone [m]."""
    height_step: float = 0.1
    """Rise of a full action of one_d_pid [m]."""
    max_velocity: float | None = None
    """Speed of a full action of vel [m/s]; None: 0.3 of the robot's `max_speed`."""
    max_tilt: float = math.radians(30)
    """Roll and pitch of a full action of attitude [rad]."""
    max_yaw_rate: float = math.radians(90)
    """Of a full action of vel and attitude [rad/s]."""
    max_rates: Vec3 = (2 * math.pi, 2 * math.pi, math.pi)
    """Body rates of full actions of rates [rad/s]; 360 deg/s is Betaflight's in the original."""
    yaw: float = 0.0
    """Heading that pid and one_d_pid hold [rad]."""
    integral: float = 0.3
    """Rate at which the position's integral takes over in pid [1/s]; not of dslpid."""
    latency: float = 0.0
    """Lag of rotors beyond the spec's that the gains shall bear [s]: 0.05 bears 72 ms motors and
    20 ms of latency that are not in the spec."""

    def __post_init__(self) -> None:
        if self.controller not in ("geometric", "mellinger", "dslpid"):
            raise ConfigError(
                f"flight controller {self.controller!r}: expected geometric, mellinger or dslpid"
            )
        if not 0 < self.thrust_range <= 1:
            raise ConfigError(f"thrust_range {self.thrust_range}: expected above 0, at most 1")
        for name in ("step", "height_step", "max_velocity", "max_yaw_rate", "inner_frequency"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"flight config {name} {value} must be above 0")
        if not 0 < self.max_tilt < math.pi / 2:
            raise ConfigError(f"flight config max_tilt {self.max_tilt} must be in 0 .. pi/2 rad")


class FlightMode(ABC):
    """What an action means. `memory` is the control's, shared with the controller within."""

    name: ClassVar[str]
    action_names: tuple[str, ...]
    """What the K numbers of a drone's action are called."""
    loops: ClassVar[bool] = True
    """False: one command a control step."""
    controller: FlightController | DSLPID | None = None

    def __init__(self, control: FlightControl) -> None:
        self.control, self.config, self.model = control, control.config, control.model
        self.memory: dict[str, Any] = {}

    @abstractmethod
    def begin(self, actions: Any, flight: FlightView) -> None:
        """Take actions (N, A, K), already clipped."""

    @abstractmethod
    def inner(self, flight: FlightView) -> Any:
        """Rotor speeds (N, A, M) [rpm] for the next inner step."""

    def start(self) -> dict[str, float]:
        """Value of each memory after a reset, where it is not 0."""
        return {}


class FlightControl(Memory):
    """One control mode for the drones, all of one kind, of N worlds.

    Args:
        robot: the rotorcraft.
        num_worlds: N.
        num_drones: A, in each world.
        mode: name of a mode; UnknownNameError lists them.
        frequency: of actions [Hz].
        physics_frequency: of physics steps [Hz]; whole multiple of the others.
        config: scales.
        gravity: of the scene [m/s^2].
    """

    def __init__(
        self, robot: RobotSpec, num_worlds: int, num_drones: int = 1, mode: str = "rpm", *,
        frequency: float, physics_frequency: float, config: FlightConfig | None = None,
        gravity: float = 9.81,
    ) -> None:  # fmt: skip
        if num_worlds < 1 or num_drones < 1:
            raise ConfigError(f"num_worlds {num_worlds} and num_drones {num_drones} must be >= 1")
        super().__init__((num_worlds, num_drones))
        self.robot, self.gravity = robot, gravity
        self.config, self.model = config or FlightConfig(), flight_model(robot, gravity)
        spare = min(1.0, self.model.thrust_to_weight - 1)
        self.thrust_share = self.config.thrust_range * spare
        """Thrust of a full action over the weight, less 1 [-]."""
        kind = FLIGHT_MODES.get(mode)
        self.frequency, self.physics_frequency = frequency, physics_frequency
        self.inner_frequency = frequency
        if kind.loops:
            self.inner_frequency = self.config.inner_frequency or physics_frequency
        self.inner_steps = _times(self.inner_frequency, frequency, "control", "inner loop")
        """Calls of `inner` in a control step."""
        self.inner_substeps = _times(
            physics_frequency, self.inner_frequency, "inner loop", "physics"
        )
        """Physics steps after each."""
        self.mode = kind(self)
        self.action_dim = len(self.mode.action_names)
        if self.mode.controller is not None:
            self.mode.controller.memory.update(self.mode.memory)
            self.mode.memory = self.mode.controller.memory
        self.memory = self.mode.memory
        self.reset()

    @property
    def num_rotors(self) -> int:
        """M."""
        return self.model.num_rotors

    def begin(self, actions: ArrayLike, flight: FlightView) -> None:
        """Take actions (N, A, K), clipped to [-1, 1]; ActionError when not finite."""
        position = flight.position
        self.follow(position)
        expected = (*self.shape, self.action_dim)
        if is_numpy_array(position):
            array = np.asarray(actions, np.float64)
            bad = array.shape != expected or not np.isfinite(array.sum())
        else:
            xp = array_namespace(position)
            array = xp.asarray(actions, dtype=position.dtype, device=position.device)
            # no look at the values: that would wait for the accelerator at every step
            bad = tuple(array.shape) != expected
        if bad:
            raise ActionError(
                f"actions of shape {tuple(array.shape)}: expected {expected} finite numbers "
                f"(worlds, drones, {self.mode.name})"
            )
        if is_numpy_array(array):  # where np.clip costs five times as much
            array = np.minimum(np.maximum(array, -1.0), 1.0)
        else:
            array = array.clip(-1.0, 1.0)
        self.mode.begin(array, flight)

    def inner(self, flight: FlightView) -> Any:
        """Rotor speeds (N, A, M) [rpm] for the next `inner_substeps` physics steps."""
        return self.mode.inner(flight)

    def command(self, actions: ArrayLike, flight: FlightView) -> Any:
        """Rotor speeds (N, A, M) [rpm] for a whole control step, of modes with one inner step.

        ConfigError for others: held that long, their fast gains would oscillate.
        """
        if self.inner_steps != 1:
            raise ConfigError(
                f"mode {self.mode.name!r} has {self.inner_steps} inner steps: call begin and "
                f"inner, or set inner_frequency to the control's {self.frequency:g} Hz"
            )
        self.begin(actions, flight)
        return self.inner(flight)

    def _start(self) -> dict[str, float]:
        within = self.mode.controller
        return {
            **super()._start(), **({} if within is None else within._start()), **self.mode.start()
        }  # fmt: skip


def _times(fast: float, slow: float, slow_name: str, fast_name: str) -> int:
    if not (slow > 0 and fast > 0):
        raise ConfigError(f"{slow_name} {slow} and {fast_name} {fast} must be above 0 Hz")
    steps = round(fast / slow)
    if steps < 1 or abs(fast / slow - steps) > 1e-6 * steps:
        raise ConfigError(
            f"{slow_name} frequency {slow:g} Hz does not divide the {fast_name} frequency "
            f"{fast:g} Hz"
        )
    return steps
