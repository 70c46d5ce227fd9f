"""DSLPID: the Crazyflie controller of gym-pybullet-drones, `DSLPIDControl` of version 2.1.0.

Constants, clips, mixers and quirks are the original's; outputs agree to 1e-15. Quirks kept: the
rate error is a difference of Euler angles over the period, not the gyro's, and jumps by 2 pi / dt
where an angle wraps; the body rates are not used; the first call after a reset takes the Euler
angles before it for 0. At the original's 48 Hz it flies in a limit cycle (roll and pitch
+-0.8 deg); at 240 Hz it is smooth.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from array_api_compat import is_numpy_array
from numpy.typing import NDArray

from octoworld.core.arrays import array_namespace
from octoworld.core.errors import ActionError, ConfigError
from robots.spec import RobotSpec

from .controller import Memory
from .model import flight_model
from .setpoint import FlightView, Setpoint, vector
from .tracking import cross, dot, like, norm, times

FORCE_P, FORCE_I, FORCE_D = (0.4, 0.4, 1.25), (0.05, 0.05, 0.05), (0.2, 0.2, 0.5)
TORQUE_P = (70000.0, 70000.0, 60000.0)
TORQUE_I = (0.0, 0.0, 500.0)
TORQUE_D = (20000.0, 20000.0, 12000.0)
POSITION_INTEGRAL = (2.0, 2.0, 0.15)
ROTATION_INTEGRAL = (1.0, 1.0, 1500.0)
MOST_TORQUE = 3200.0
PWM_SCALE, PWM_OFFSET = 0.2685, 4070.3
PWM_LOW, PWM_HIGH = 20000.0, 65535.0
GRAVITY = 9.8
GIMBAL = 0.99999
"""|sine of pitch| above which PyBullet's getEulerFromQuaternion sets roll to 0."""
MEMORY = ("last_rpy", "integral_position", "integral_rotation")
MIXERS = {
    "cf2x": ((-0.5, -0.5, -1.0), (-0.5, 0.5, 1.0), (0.5, 0.5, -1.0), (0.5, -0.5, 1.0)),
    "cf2p": ((0.0, -1.0, -1.0), (1.0, 0.0, 1.0), (0.0, 1.0, -1.0), (-1.0, 0.0, 1.0)),
}


class DSLPID(Memory):
    """PID on position, then on attitude, in the units of the Crazyflie's motors.

    Args:
        robot: cf2x or cf2p; ConfigError for others, which the gains do not fit.
        shape: leading shape of all arrays, such as (worlds, drones); () is one drone.
        frequency: how often the controller is called [Hz].
        gravity: [m/s^2].
    """

    name: ClassVar[str] = "dslpid"

    def __init__(
        self, robot: RobotSpec, shape: tuple[int, ...] = (), *, frequency: float,
        gravity: float = GRAVITY,
    ) -> None:  # fmt: skip
        super().__init__(shape)
        if robot.name not in MIXERS:
            raise ConfigError(
                f"dslpid has gains for {' and '.join(MIXERS)} alone, not for {robot.name!r}; "
                "the geometric and mellinger controllers fly any rotorcraft"
            )
        if not frequency > 0:
            raise ConfigError(f"control frequency {frequency} must be above 0 Hz")
        self.model = flight_model(robot, gravity)
        self.frequency, self.dt = frequency, 1 / frequency
        self.mixer_rows = np.array(MIXERS[robot.name])
        self.count = math.prod(self.shape)
        for name in MEMORY:
            self.memory[name] = np.zeros((*self.shape, 3))
        self._scale = np.array(
            [self.dt, self.model.weight, self.model.rotors.thrust_coefficient, *FORCE_P, *FORCE_I,
             *FORCE_D, *TORQUE_P, *TORQUE_I, *TORQUE_D]
        )  # fmt: skip

    def command(
        self, flight: FlightView, setpoint: Setpoint, target_rpy_rates: Any = None
    ) -> NDArray[np.float64]:
        """Rotor speeds (..., 4) [rpm]; set-points' position, velocity and yaw are followed.

        `target_rpy_rates` (..., 3) [rad/s] are Euler rates, 0 when not given (the set-point's yaw
        rate is no part of the original).
        """
        position = flight.position
        if tuple(position.shape[:-1]) != self.shape:
            raise ActionError(
                f"controller 'dslpid' was made for drones of shape {self.shape}, the state has "
                f"{tuple(position.shape[:-1])}"
            )
        target = setpoint.array
        if is_numpy_array(position) and position.dtype == np.float64:
            from .compiled_dslpid import control

            target = np.broadcast_to(target, (*self.shape, Setpoint.WIDTH))
            rates = np.zeros(3) if target_rpy_rates is None else target_rpy_rates
            rates = np.broadcast_to(rates, (*self.shape, 3))
            out, n = np.empty((self.count, 4)), self.count
            control(
                position.reshape(n, 3), flight.quat.reshape(n, 4), flight.velocity.reshape(n, 3),
                np.asarray(target, np.float64).reshape(n, Setpoint.WIDTH), rates.reshape(n, 3),
                *(self.memory[name].reshape(n, 3) for name in MEMORY),
                self._scale, self.mixer_rows, out,
            )  # fmt: skip
            return out.reshape(*self.shape, 4)
        return self._arrays(flight, setpoint, target_rpy_rates)

    def _arrays(self, flight: FlightView, setpoint: Setpoint, target_rpy_rates: Any) -> Any:
        position = flight.position
        xp, memory = array_namespace(position), self.memory
        self.follow(position)
        rotation, rpy = bullet_matrix(flight.quat), bullet_rpy(flight.quat)
        error = setpoint.position - position
        limit = like(POSITION_INTEGRAL, position)
        integral = xp.minimum(
            xp.maximum(memory["integral_position"] + error * self.dt, -limit), limit
        )
        memory["integral_position"][...] = integral
        force = (
            like(FORCE_P, position) * error
            + like(FORCE_I, position) * integral
            + like(FORCE_D, position) * (setpoint.velocity - flight.velocity)
            + like((0.0, 0.0, self.model.weight), position)
        )
        along = xp.clip(dot(force, rotation[..., 2]), 0.0, None)
        kf = self.model.rotors.thrust_coefficient
        thrust = (xp.sqrt(along / (4 * kf)) - PWM_OFFSET) / PWM_SCALE
        b3 = force / norm(force)
        yaw = setpoint.yaw
        b2 = cross(b3, vector(xp.cos(yaw), xp.sin(yaw), xp.zeros_like(yaw)))
        b2 = b2 / norm(b2)
        desired = xp.stack([cross(b2, b3), b2, b3], axis=-1)
        m = xp.matrix_transpose(desired) @ rotation
        turn = vector(
            m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
        )
        rates = (memory["last_rpy"] - rpy) / self.dt
        if target_rpy_rates is not None:
            rates = rates + target_rpy_rates
        memory["last_rpy"][...] = rpy
        limit = like(ROTATION_INTEGRAL, position)
        integral = xp.minimum(
            xp.maximum(memory["integral_rotation"] - turn * self.dt, -limit), limit
        )
        memory["integral_rotation"][...] = integral
        torque = (
            -like(TORQUE_P, position) * turn
            + like(TORQUE_D, position) * rates
            + like(TORQUE_I, position) * integral
        )
        torque = xp.clip(torque, -MOST_TORQUE, MOST_TORQUE)
        pwm = thrust[..., None] + times(like(MIXERS[self.model.name], position), torque)
        return PWM_SCALE * xp.clip(pwm, PWM_LOW, PWM_HIGH) + PWM_OFFSET


def bullet_matrix(quat_wxyz: Any) -> Any:
    """PyBullet's getMatrixFromQuaternion, (..., 3, 3); quaternions of any length."""
    xp = array_namespace(quat_wxyz)
    w, x, y, z = (quat_wxyz[..., i] for i in range(4))
    s = 2 / (w * w + x * x + y * y + z * z)
    rows = [
        1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y),
        s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x),
        s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y),
    ]  # fmt: skip
    return xp.reshape(xp.stack(rows, axis=-1), (*quat_wxyz.shape[:-1], 3, 3))


def bullet_rpy(quat_wxyz: Any) -> Any:
    """PyBullet's getEulerFromQuaternion, (..., 3): roll, pitch, yaw of R_z R_y R_x [rad]."""
    xp = array_namespace(quat_wxyz)
    w, x, y, z = (quat_wxyz[..., i] for i in range(4))
    sine = -2 * (x * z - w * y)
    down, up = sine <= -GIMBAL, sine >= GIMBAL
    roll = xp.atan2(2 * (y * z + w * x), w * w - x * x - y * y + z * z)
    yaw = xp.atan2(2 * (x * y + w * z), w * w + x * x - y * y - z * z)
    pitch = xp.asin(xp.clip(sine, -1.0, 1.0))
    quarter = xp.full_like(pitch, math.pi / 2)
    yaw = xp.where(down, 2 * xp.atan2(x, -y), xp.where(up, 2 * xp.atan2(-x, y), yaw))
    pitch = xp.where(down, -quarter, xp.where(up, quarter, pitch))
    return vector(xp.where(down | up, xp.zeros_like(roll), roll), pitch, yaw)
