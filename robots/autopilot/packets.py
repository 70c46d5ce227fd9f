"""Betaflight SITL's packets: byte layouts, frames and signs, as pure functions.

Source: betaflight/betaflight, src/platform/SIMULATOR/sitl.c, sitl_gyro.h and target/SITL/target.h
(commit 301d01ab, 2026-08-22), and src/test/sitl/sitl_harness.py, which closes the loop with it.

Our frames: world ENU (x east, y north, z up), body FLU (x forward, y left, z up), quaternions wxyz
from body to world. Betaflight's gyro and accelerometer axes are FLU too: positive roll lowers the
right side, positive pitch lowers the nose, positive yaw turns counter-clockwise seen from above
(rc.c negates the yaw stick, mixer.c the yaw term). sitl.c changes signs on the way in, so the
packet holds, for body rates w and specific force f:

    imu_angular_velocity_rpy   (wx, -wy, +wz) gazebo;  (wx, -wy, -wz) legacy, classic   [rad/s]
    imu_linear_acceleration    -f  (f = +9.81 on z at rest)                              [m/s^2]
    imu_orientation_quat       gazebo: q of ENU after half a turn about z, y and z negated;
                               else q of NWU (x north, y west)                       [w x y z]
    velocity_xyz               east, north, up                                           [m/s]
    position_xyz               longitude, latitude [deg], altitude [m]; gazebo: longitude and
                               latitude mirrored about those of the first packet
    pressure                   standard atmosphere                                       [Pa]

Half a turn and mirroring go together: the firmware undoes that its Gazebo world faces west where
ours faces east. The comment in sitl_gyro.h says that +wz is clockwise; a loop with the default
mixer is stable only with counter-clockwise, which is what the harness sends.
"""

from __future__ import annotations

import math
import struct
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ActionError, ConfigError
from octoworld.core.rotations import matrix_from_quat, quat_multiply

from ..rotorcraft import RotorcraftSpec

Bridge = Literal["gazebo", "legacy", "classic"]
BRIDGES: tuple[str, ...] = ("gazebo", "legacy", "classic")
FDM = struct.Struct("<18d")
"""fdm_packet: timestamp [s], rates 3, acceleration 3, quaternion 4, velocity 3, position 3,
pressure; 144 bytes."""
RC = struct.Struct("<d16H")
"""rc_packet: timestamp [s] and 16 channels [us]; 40 bytes."""
SERVO = struct.Struct("<4f")
"""servo_packet: four motors in [0, 1] ([-1, 1] with the 3D feature); 16 bytes."""
NUM_CHANNELS = 16
ROLL, PITCH, THROTTLE, YAW, AUX1 = range(5)
"""Channels in Betaflight's default order AETR1234 (pg/rx.c)."""
LOW, MIDDLE, HIGH = 1000, 1500, 2000
"""Pulse widths [us]."""
GRAVITY = 9.80665
"""The firmware's 1 g [m/s^2]."""
METRES_PER_DEGREE = 111_319.49
"""Of latitude (sitl_harness.py)."""
MOTORS = ((-1, -1), (1, -1), (-1, 1), (1, 1))
"""Signs of (x, y) of M1 rear right, M2 front right, M3 rear left, M4 front left (mixerQuadX)."""
SPINS = (1, -1, -1, 1)
"""Reaction torque of M1..M4 about body +z with the default mixer: M1 and M4 turn clockwise."""
CLASSIC_ORDER = (3, 0, 1, 2)
"""Where M1..M4 stand in the packet of firmware before commit 26524e20 (2026-04-24)."""
_ENU_TO_NWU = np.array([math.sqrt(0.5), 0.0, 0.0, -math.sqrt(0.5)])  # -90 deg about z
_HALF_TURN = np.array([0.0, 0.0, 0.0, 1.0])  # 180 deg about z


def fdm_packet(
    time: float,
    position_world: ArrayLike,
    quat_wxyz: ArrayLike,
    velocity_world: ArrayLike,
    rates_body: ArrayLike,
    acceleration_world: ArrayLike,
    *,
    bridge: Bridge = "gazebo",
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    first_position: ArrayLike = (0.0, 0.0, 0.0),
) -> bytes:
    """What one vehicle feels, for port 9003.

    Args:
        time: of the simulation [s]; never falls within a session.
        position_world: (3,) [m].
        quat_wxyz: (4,) body to world, a unit quaternion.
        velocity_world: (3,) [m/s].
        rates_body: (3,) angular velocity in body axes [rad/s].
        acceleration_world: (3,) of the body's origin, without gravity's pull taken out: 0 at rest
            and -9.81 on z in free fall [m/s^2].
        bridge: how the firmware was built.
        origin: longitude [deg], latitude [deg] and altitude [m] of the world's origin.
        first_position: of the session's first packet, about which "gazebo" firmware mirrors.

    Raises:
        ActionError: a number is not finite.
    """
    position, velocity, rates, acceleration, first = (
        np.asarray(v, np.float64)
        for v in (position_world, velocity_world, rates_body, acceleration_world, first_position)
    )
    quat = np.asarray(quat_wxyz, np.float64)
    force = specific_force(quat, acceleration)
    if bridge == "gazebo":
        rates = rates * (1, -1, 1)
        attitude = quat_multiply(_HALF_TURN, quat) * (1, 1, -1, -1)
        placed = 2 * first - position
    else:
        rates = rates * (1, -1, -1)
        attitude = quat_multiply(_ENU_TO_NWU, quat)
        placed = position
    latitude = origin[1] + placed[1] / METRES_PER_DEGREE
    longitude = origin[0] + placed[0] / (METRES_PER_DEGREE * math.cos(math.radians(origin[1])))
    altitude = origin[2] + position[2]
    values = np.array(
        [
            time, *rates, *-force, *attitude, *velocity, longitude, latitude, altitude,
            pressure(altitude),
        ]
    )  # fmt: skip
    if not np.isfinite(values).all():
        raise ActionError(f"state for the autopilot is not finite at {time} s: {values.tolist()}")
    return FDM.pack(*values)


def specific_force(quat_wxyz: ArrayLike, acceleration_world: ArrayLike) -> NDArray[np.float64]:
    """What an accelerometer feels, in body axes: R^T (a + g z); (..., 3) [m/s^2]."""
    rotation = matrix_from_quat(np.asarray(quat_wxyz, np.float64))
    felt = np.asarray(acceleration_world, np.float64) + np.array([0.0, 0.0, GRAVITY])
    return np.einsum("...ji,...j->...i", rotation, felt)


def pressure(altitude: float) -> float:
    """Standard atmosphere [m] -> [Pa]: 101325 (1 - 2.25577e-5 h)^5.25588 (sitl.c)."""
    return 101_325.0 * (1 - 2.25577e-5 * altitude) ** 5.25588


def rc_packet(time: float, channels: ArrayLike) -> bytes:
    """What the pilot's sticks say, for port 9004; `channels` (16,) [us], 1000 to 2000.

    Raises:
        ActionError: not 16 channels, or one outside 1000..2000.
    """
    values = np.asarray(channels, np.float64)
    if values.shape != (NUM_CHANNELS,):
        raise ActionError(f"channels of shape {values.shape}, expected ({NUM_CHANNELS},)")
    if not ((values >= LOW) & (values <= HIGH)).all():
        raise ActionError(f"channels must lie in {LOW}..{HIGH} us, got {values.tolist()}")
    return RC.pack(time, *np.rint(values).astype(int))


def rc_channels(
    throttle: ArrayLike, rates_body: ArrayLike, *, armed: bool = True, max_rate: float = 2 * math.pi
) -> NDArray[np.float64]:
    """Sticks that ask for a throttle and body rates in acro mode; (N,), (N, 3) -> (N, 16) [us].

    It is linear when the firmware's rates are: `set rates_type = ACTUAL`, and for each axis
    rc_rate = srate = max_rate in tens of deg/s, expo 0 (36 for the default of 360 deg/s, the value
    of gym-pybullet-drones' BetaAviary). AUX1 is high when armed.

    Args:
        throttle: [0, 1]; clipped.
        rates_body: roll, pitch, yaw about body FLU axes [rad/s]; clipped to `max_rate`.
        armed: state of AUX1.
        max_rate: rate at full stick [rad/s].
    """
    level = np.clip(np.atleast_1d(np.asarray(throttle, np.float64)), 0.0, 1.0)
    rates = np.clip(np.atleast_2d(np.asarray(rates_body, np.float64)) / max_rate, -1.0, 1.0)
    channels = np.full((len(level), NUM_CHANNELS), float(LOW))
    half = MIDDLE - LOW
    channels[:, ROLL] = MIDDLE + half * rates[:, 0]
    channels[:, PITCH] = MIDDLE + half * rates[:, 1]
    channels[:, YAW] = MIDDLE - half * rates[:, 2]  # stick to the right turns clockwise
    channels[:, THROTTLE] = LOW + (HIGH - LOW) * level
    channels[:, AUX1] = HIGH if armed else LOW
    return channels


def motors_of(packet: bytes, bridge: Bridge = "gazebo") -> NDArray[np.float64]:
    """Motors M1..M4 (4,) of a servo packet."""
    values = np.array(SERVO.unpack(packet), np.float64)
    return values[list(CLASSIC_ORDER)] if bridge == "classic" else values


def rotor_order(rotorcraft: RotorcraftSpec) -> tuple[int, ...]:
    """For each rotor of a quadcopter in X, which of M1..M4 (0 to 3) drives it.

    Raises:
        ConfigError: not four rotors on the diagonals, or they turn against the default mixer.
    """
    order = []
    for rotor in rotorcraft.rotors:
        x, y, _ = rotor.position
        corner = (round(math.copysign(1, x)), round(math.copysign(1, y)))
        if min(abs(x), abs(y)) < 0.2 * max(abs(x), abs(y)) or corner not in MOTORS:
            raise ConfigError(
                f"rotor {rotor.name!r} at ({x}, {y}) is on no diagonal: Betaflight's quadcopter is "
                "an X frame"
            )
        order.append(MOTORS.index(corner))
    if sorted(order) != [0, 1, 2, 3]:
        raise ConfigError(f"{len(order)} rotors for motors {order}: expected one in each quarter")
    for rotor, motor in zip(rotorcraft.rotors, order, strict=True):
        if rotor.spin != SPINS[motor]:
            raise ConfigError(
                f"rotor {rotor.name!r} turns against M{motor + 1} of Betaflight's default mixer: "
                "mirror the spins of the robot"
            )
    return tuple(order)


def rotor_speeds(
    motors: ArrayLike, rotorcraft: RotorcraftSpec, curve: Literal["thrust", "speed"] = "thrust"
) -> NDArray[np.float64]:
    """Motors M1..M4 in [0, 1], (..., 4) -> speeds in the order of the robot's rotors [rpm].

    Args:
        motors: as Betaflight gives them.
        rotorcraft: of an X quadcopter.
        curve: "thrust": a motor at u gives the share u of its greatest thrust, as in
            gym-pybullet-drones' BetaAviary; "speed": it turns at the share u of `max_rpm`, as bare
            ESCs nearly do.
    """
    share = np.clip(np.asarray(motors, np.float64), 0.0, 1.0)[..., list(rotor_order(rotorcraft))]
    if curve == "speed":
        return share * rotorcraft.max_rpm
    a, b = rotorcraft.thrust_coefficient, rotorcraft.thrust_linear
    thrust = share * rotorcraft.thrust(rotorcraft.max_rpm)
    return np.clip((np.sqrt(b * b + 4 * a * thrust) - b) / (2 * a), 0.0, rotorcraft.max_rpm)
