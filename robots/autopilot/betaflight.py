"""Betaflight SITL in the loop, in lockstep: state and sticks out, motors back, then physics.

Simulated time moves on only when the firmware has answered, however slow either of them is.

To run it with the true firmware (https://github.com/betaflight/betaflight):

    make TARGET=SITL                                       # "gazebo" packets
    obj/main/betaflight_SITL.elf --ip 127.0.0.1            # answers to our address, port 9002

once with the configurator (tcp://127.0.0.1:5761), or with `--config FILE` of CLI lines:

    feature RX_UDP
    set rates_type = ACTUAL                                # linear sticks: see packets.rc_channels
    set roll_rc_rate = 36                                  # and srate 36, expo 0; pitch, yaw alike
    aux 0 0 0 1700 2100 0 0                                # arm with AUX1 high
    set motor_pwm_protocol = PWM
    save

Arm with the throttle down, after some hundred steps at rest in which the gyro calibrates:

    spec, dt = ROBOTS.get("cf2x")(), 0.002
    placed = (RobotPlacement(spec, (0.0, 0.0, 0.05)),)
    world = BACKENDS.get("rotorcraft")(Scene("sitl", robots=placed, timestep=dt), 1)
    flight, before = world.flight, np.zeros(3)
    with Betaflight() as autopilot:
        for k in range(round(10 / dt)):
            velocity = flight.velocity[0, 0]
            channels = rc_channels(throttle(k * dt), rates_wanted(k * dt), armed=k * dt > 1)[0]
            motors = autopilot.step(
                k * dt, flight.position[0, 0], flight.quat[0, 0], velocity,
                flight.omega_body[0, 0], (velocity - before) / dt, channels)
            before = velocity.copy()
            world.step(rotor_speeds(motors, spec.rotorcraft)[None], 1)

with `throttle` in [0, 1] and `rates_wanted` (3,) [rad/s] your own. Another backend is another name.

What lockstep means here. The firmware sends one servo packet for each state packet, from whichever
turn of its control loop comes next, so its motors can stem from the state before. A build with
`EXTRA_FLAGS=-DENABLE_SIMULATOR_GYROPID_SYNC=1` runs the control loop once a state packet, and the
same simulation gives the same log twice. The firmware's clock follows ours when packets come more
often than 50 a simulated second; a pause of more than 0.5 s real time makes it take the next
packet as a first one. Steps of 2.5 ms and less are advised (target/SITL/README.md).

Several vehicles: each firmware needs ports of its own. They are constants of sitl.c, so `instance`
i expects a build whose ports are 10 i higher, as gym-pybullet-drones' clone_bfs.sh makes them.
"""

from __future__ import annotations

import socket
import time as clock
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ConfigError, OctoworldError

from .packets import BRIDGES, SERVO, Bridge, fdm_packet, motors_of, rc_packet


class AutopilotError(OctoworldError, ConnectionError):
    """The firmware does not answer, or answers nonsense."""


@dataclass(frozen=True)
class BetaflightConfig:
    """Where the firmware is, and how long to wait for it."""

    host: str = "127.0.0.1"
    """Address of the firmware."""
    bind: str = "127.0.0.1"
    """Our address, which the firmware was told with `--ip`."""
    motor_port: int = 9002
    """We listen here for servo packets (UDP)."""
    state_port: int = 9003
    """The firmware listens here for state packets (UDP)."""
    rc_port: int = 9004
    """The firmware listens here for stick packets (UDP)."""
    instance: int = 0
    """i of the i-th vehicle: 10 i is added to every port."""
    bridge: Bridge = "gazebo"
    """"gazebo": TARGET=SITL since 2026-04-24; "legacy": the same with ENABLE_GAZEBO_BRIDGE=0;
    "classic": releases before."""
    timeout: float = 0.1
    """Wait for an answer before the packet is sent again [s]; real time."""
    attempts: int = 20
    """Packets sent for one step before the firmware counts as gone."""
    origin: tuple[float, float, float] = (8.5417, 47.3769, 408.0)
    """Longitude [deg], latitude [deg] and altitude [m] of the world's origin, for the GPS."""

    def __post_init__(self) -> None:
        if self.bridge not in BRIDGES:
            raise ConfigError(f"bridge {self.bridge!r} is not one of {', '.join(BRIDGES)}")
        if not self.timeout > 0 or self.attempts < 1:
            raise ConfigError(
                f"timeout {self.timeout} s must be above 0 and attempts {self.attempts} at least 1"
            )
        for name in ("motor_port", "state_port", "rc_port"):
            port = getattr(self, name) + 10 * self.instance
            if not 0 < port < 65536:
                raise ConfigError(f"{name} {port}: expected 1 to 65535")


class Betaflight:
    """One vehicle's firmware; a context manager."""

    resent: int
    """State packets sent again because no answer came in time."""
    ignored: int
    """Packets that were no servo packets, or came too late for their step."""

    def __init__(self, config: BetaflightConfig | None = None) -> None:
        """Listen for motors. The firmware may start before or after.

        Raises:
            ConfigError: the motor port cannot be had.
        """
        self.config = config or BetaflightConfig()
        self.resent = self.ignored = 0
        self._first: NDArray[np.float64] | None = None
        self._last_time = float("-inf")
        self._packet = b""
        c, shift = self.config, 10 * self.config.instance
        self._state_address = (c.host, c.state_port + shift)
        self._rc_address = (c.host, c.rc_port + shift)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((c.bind, c.motor_port + shift))
        except OSError as error:
            self._socket.close()
            raise ConfigError(
                f"cannot listen on {c.bind}:{c.motor_port + shift} for motors "
                f"({error.strerror}); is another simulator running?"
            ) from None

    def step(
        self,
        time: float,
        position_world: ArrayLike,
        quat_wxyz: ArrayLike,
        velocity_world: ArrayLike,
        rates_body: ArrayLike,
        acceleration_world: ArrayLike,
        channels: ArrayLike,
    ) -> NDArray[np.float64]:
        """Tell the firmware the state and the sticks; wait for its motors M1..M4, (4,) in [0, 1].

        `send` and `receive` are its halves: with several vehicles, send to all, then receive.
        Arguments as `packets.fdm_packet` and `packets.rc_packet` describe them.

        Raises:
            ActionError: a number is not finite, or a channel out of range.
            ConfigError: time runs backwards.
            AutopilotError: no answer, or one that is not finite.
        """
        self.send(
            time, position_world, quat_wxyz, velocity_world, rates_body, acceleration_world,
            channels,
        )  # fmt: skip
        return self.receive()

    def send(
        self,
        time: float,
        position_world: ArrayLike,
        quat_wxyz: ArrayLike,
        velocity_world: ArrayLike,
        rates_body: ArrayLike,
        acceleration_world: ArrayLike,
        channels: ArrayLike,
    ) -> None:
        """The first half of `step`."""
        if time < self._last_time:
            # the firmware ignores packets older than its last, so no answer would ever come
            raise ConfigError(
                f"time {time} s is before {self._last_time} s: the autopilot's clock cannot go "
                "back; restart the firmware, or let time run on over resets"
            )
        if self._first is None:
            self._first = np.asarray(position_world, np.float64).copy()
        packet = fdm_packet(
            time, position_world, quat_wxyz, velocity_world, rates_body, acceleration_world,
            bridge=self.config.bridge, origin=self.config.origin, first_position=self._first,
        )  # fmt: skip
        sticks = rc_packet(time, channels)
        self._drain()
        self._last_time, self._packet = time, packet
        self._transmit(sticks, self._rc_address)
        self._transmit(packet, self._state_address)

    def receive(self) -> NDArray[np.float64]:
        """The second half of `step`."""
        if not self._packet:
            raise ConfigError("receive before send")
        for attempt in range(self.config.attempts):
            if attempt:
                # the same time again: the firmware answers it, and its clock stands still
                self.resent += 1
                self._transmit(self._packet, self._state_address)
            answer = self._listen(self.config.timeout)
            if answer is not None:
                self._packet = b""
                motors = motors_of(answer, self.config.bridge)
                if not np.isfinite(motors).all():
                    raise AutopilotError(f"Betaflight sent motors {motors.tolist()}")
                return motors
        host, port = self._state_address
        waited = self.config.attempts * self.config.timeout
        raise AutopilotError(
            f"no answer from Betaflight at {host}:{port} to {self.config.attempts} packets in "
            f"{waited:g} s: is betaflight_SITL.elf running, with --ip {self.config.bind}?"
        )

    def close(self) -> None:
        """Free the port."""
        self._socket.close()

    def __enter__(self) -> Betaflight:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _transmit(self, packet: bytes, address: tuple[str, int]) -> None:
        try:
            self._socket.sendto(packet, address)
        except ConnectionRefusedError:
            pass  # nobody listens yet: told by an earlier packet's echo; `receive` tries again
        except OSError as error:
            raise AutopilotError(
                f"cannot send to Betaflight at {address[0]}:{address[1]} ({error.strerror})"
            ) from None

    def _listen(self, seconds: float) -> bytes | None:
        """The next servo packet within `seconds`, or None."""
        deadline = clock.monotonic() + seconds
        while (left := deadline - clock.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                packet = self._socket.recv(2048)
            except (TimeoutError, ConnectionRefusedError):
                continue
            if len(packet) == SERVO.size:
                return packet
            self.ignored += 1
        return None

    def _drain(self) -> None:
        """Throw away what came after the last step was answered: it has no time stamp."""
        self._socket.setblocking(False)
        while True:
            try:
                self._socket.recv(2048)
                self.ignored += 1
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                continue
