"""The flight control modes. Actions are boxes [-1, 1]; 0 is always the calm choice.

They follow `BaseRLAviary` of gym-pybullet-drones; what differs, and why:

- rpm, one_d_rpm: the original's hover * (1 + 0.05 a) gives 0.9 to 1.1 weights, too little to catch
  a fall. Here thrust is linear in the action and covers the useful range; `rpm_scale=0.05` is the
  original.
- pid: the original's destinations are the ball of 1 m about the world's origin, half of it under
  the floor. Here `center` and `extent` give a box; steps of 1 m are kept.
- one_d_pid: the original takes the present x and y for the set-point, so nothing holds them. Here
  those of the first call after a reset are held.
- vel: the original takes a direction and a speed, |a_4| times 0.25 m/s for the Crazyflie: the
  direction jumps at 0, where policies start, and the speed is a walk's tenth. Here it is the
  velocity itself and a yaw rate.
- Inner loops run at the rate of the physics, not of the actions, and the original's PIDs for cf2p
  use cf2x's mixer, and are not reset with the episode; here memory is reset by world.
- rates (CTBR) and attitude are the action types asked for most in its issues (#172, #180).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import is_numpy_array

from octoworld.core.arrays import array_namespace

from .actions import FLIGHT_MODES, FlightControl, FlightMode
from .attitude import Attitude
from .controller import FlightController
from .dslpid import DSLPID
from .geometric import Geometric, PositionController
from .mellinger import Mellinger
from .rates import Rates
from .setpoint import FlightView, Setpoint
from .tracking import like, shortened

VELOCITY_SHARE = 0.3
"""Of a robot's highest speed, that a full action of vel asks for by default [-]."""


def _thrust(control: FlightControl, action: Any) -> Any:
    """Collective thrust (...,) [N] of an action: weight (1 + range a)."""
    weight = control.model.weight
    return weight + weight * control.thrust_share * action


@FLIGHT_MODES.register("rpm")
class Rpm(FlightMode):
    """A speed for each rotor."""

    name = "rpm"
    loops = False

    def __init__(self, control: FlightControl) -> None:
        super().__init__(control)
        self.action_names = tuple(f"rotor{i}" for i in range(control.num_rotors))
        self.memory["command"] = np.zeros((*control.shape, control.num_rotors))

    def begin(self, actions: Any, flight: FlightView) -> None:
        """Thrust of each rotor linear in its action, 0 is hover."""
        rotors, scale, most = self.model.rotors, self.config.rpm_scale, self.model.rotors.max_rpm
        if scale is None:
            a, b = rotors.thrust_coefficient, rotors.thrust_linear
            force = _thrust(self.control, actions) * (4 * a / self.model.num_rotors)
            speeds = (array_namespace(force).sqrt(force + b * b) - b) / (2 * a)
        else:
            speeds = self.model.hover_rpm * (1 + scale * actions)
        command = self.memory["command"]
        if is_numpy_array(command):
            np.minimum(np.maximum(speeds, 0.0), most, out=command)
        else:
            command[...] = speeds.clip(0.0, most)

    def inner(self, flight: FlightView) -> Any:
        """The same speeds for the whole control step."""
        return self.memory["command"]

    def start(self) -> dict[str, float]:
        """Hover."""
        return {"command": self.model.hover_rpm}


@FLIGHT_MODES.register("one_d_rpm")
class OneDimensionalRpm(Rpm):
    """One speed for all rotors."""

    name = "one_d_rpm"

    def __init__(self, control: FlightControl) -> None:
        super().__init__(control)
        self.action_names = ("rotors",)


class _Following(FlightMode):
    """Modes that give set-points to a position controller."""

    integral = True

    def __init__(self, control: FlightControl) -> None:
        super().__init__(control)
        config, rate = control.config, control.inner_frequency
        self.controller: PositionController | DSLPID
        if config.controller == "dslpid":
            self.controller = DSLPID(
                control.robot, control.shape, frequency=rate, gravity=control.gravity
            )
        else:
            kind = Mellinger if config.controller == "mellinger" else Geometric
            self.controller = kind(
                control.robot, control.shape, frequency=rate, gravity=control.gravity,
                integral=config.integral if self.integral else 0.0, latency=config.latency,
            )  # fmt: skip
        self.memory["setpoint"] = np.zeros((*control.shape, Setpoint.WIDTH))

    @property
    def setpoint(self) -> Setpoint:
        """What is followed now."""
        return Setpoint(self.memory["setpoint"])

    def inner(self, flight: FlightView) -> Any:
        """One step of the controller."""
        return self.controller.command(flight, self.setpoint)


@FLIGHT_MODES.register("pid")
class PositionMode(_Following):
    """A position, center + extent * a; the set-point is at most `step` away from the drone."""

    name = "pid"
    action_names = ("x", "y", "z")

    def __init__(self, control: FlightControl) -> None:
        super().__init__(control)
        self.center: Any = np.array(self.config.center)
        self.extent: Any = np.array(self.config.extent)

    def begin(self, actions: Any, flight: FlightView) -> None:
        """Set-point at rest."""
        config, position = self.config, flight.position
        if not is_numpy_array(position) and is_numpy_array(self.center):
            self.center, self.extent = like(self.center, position), like(self.extent, position)
        goal = self.center + self.extent * actions
        setpoint = self.setpoint
        setpoint.position[...] = position + shortened(goal - position, config.step)
        setpoint.yaw[...] = config.yaw


@FLIGHT_MODES.register("one_d_pid")
class HeightMode(_Following):
    """A height, the present one + `height_step` * a; x and y of the start are held."""

    name = "one_d_pid"
    action_names = ("dz",)

    def __init__(self, control: FlightControl) -> None:
        super().__init__(control)
        self.memory["is_new"] = np.ones(control.shape, bool)

    def start(self) -> dict[str, float]:
        """The place is taken at the first action."""
        return {"is_new": True}

    def begin(self, actions: Any, flight: FlightView) -> None:
        """Set-point at rest."""
        place, position, new = self.setpoint.position, flight.position, self.memory["is_new"]
        xp = array_namespace(position)
        place[..., :2] = xp.where(new[..., None], position[..., :2], place[..., :2])
        place[..., 2] = position[..., 2] + self.config.height_step * actions[..., 0]
        self.setpoint.yaw[...] = self.config.yaw
        new[...] = False


@FLIGHT_MODES.register("vel")
class VelocityMode(_Following):
    """A velocity in the world, max_velocity * (a_1, a_2, a_3), and a yaw rate by a_4."""

    name = "vel"
    action_names = ("vx", "vy", "vz", "yaw_rate")
    integral = False

    def __init__(self, control: FlightControl) -> None:
        super().__init__(control)
        self.memory["is_new"] = np.ones(control.shape, bool)
        speed = control.config.max_velocity
        self.max_velocity = VELOCITY_SHARE * self.model.rotors.max_speed if speed is None else speed

    def start(self) -> dict[str, float]:
        """The heading is taken at the first action."""
        return {"is_new": True}

    def begin(self, actions: Any, flight: FlightView) -> None:
        """Velocity within a ball, so that corners of the box are no faster."""
        setpoint, new = self.setpoint, self.memory["is_new"]
        velocity = actions[..., :3] * self.max_velocity
        setpoint.velocity[...] = shortened(velocity, self.max_velocity)
        setpoint.yaw_rate[...] = actions[..., 3] * self.config.max_yaw_rate
        xp, quat = array_namespace(velocity), flight.quat
        w, x, y, z = quat[..., 0], quat[..., 1], quat[..., 2], quat[..., 3]
        yaw = xp.atan2(2 * (x * y + w * z), w * w + x * x - y * y - z * z)
        setpoint.yaw[...] = xp.where(new, yaw, setpoint.yaw)
        new[...] = False

    def inner(self, flight: FlightView) -> Any:
        """The position's error is none; the heading goes on."""
        setpoint = self.setpoint
        setpoint.position[...] = flight.position
        rpm = super().inner(flight)
        setpoint.yaw[...] = setpoint.yaw + setpoint.yaw_rate / self.control.inner_frequency
        return rpm


class _Direct(FlightMode):
    """Modes whose target is four numbers for an inner controller."""

    controller: FlightController
    kind: type[Rates] | type[Attitude]

    def __init__(self, control: FlightControl) -> None:
        super().__init__(control)
        self.controller = self.kind(
            control.robot, control.shape, frequency=control.inner_frequency,
            latency=control.config.latency, gravity=control.gravity,
        )  # fmt: skip
        self.memory["target"] = np.zeros((*control.shape, 4))
        self.scale = np.array(self.scales())

    def scales(self) -> tuple[float, float, float]:
        """Of the first three numbers."""
        raise NotImplementedError

    def begin(self, actions: Any, flight: FlightView) -> None:
        """Scaled actions; the fourth is thrust."""
        target = self.memory["target"]
        scale = self.scale if is_numpy_array(target) else like(self.scale, target)
        target[..., :3] = actions[..., :3] * scale
        target[..., 3] = _thrust(self.control, actions[..., 3])

    def inner(self, flight: FlightView) -> Any:
        """One step of the controller."""
        return self.controller.command(flight, self.memory["target"])  # type: ignore[attr-defined]


@FLIGHT_MODES.register("rates")
class RatesMode(_Direct):
    """Body rates and collective thrust (CTBR): max_rates * a, thrust as in rpm."""

    name = "rates"
    action_names = ("roll_rate", "pitch_rate", "yaw_rate", "thrust")
    kind = Rates

    def scales(self) -> tuple[float, float, float]:
        """Body rates [rad/s]."""
        return self.config.max_rates


@FLIGHT_MODES.register("attitude")
class AttitudeMode(_Direct):
    """Roll, pitch, yaw rate and collective thrust."""

    name = "attitude"
    action_names = ("roll", "pitch", "yaw_rate", "thrust")
    kind = Attitude

    def scales(self) -> tuple[float, float, float]:
        """Angles [rad] and rate [rad/s]."""
        config = self.config
        return config.max_tilt, config.max_tilt, config.max_yaw_rate
