"""One physics step of drones over numpy or torch arrays: the reference of the compiled kernel.

It is also what runs on a GPU. State is (N, A, 18 + M) in the columns of `layout.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from octoworld.core.arrays import array_namespace
from octoworld.core.rotations import matrix_from_quat, quat_from_rotvec, quat_multiply

from .algebra import cross, rotate, times, unrotate
from .config import AeroConfig
from .constants import BULLET_DAMPING
from .contact import contact_wrench, height_below
from .downwash import clean_downwash, compat_downwash
from .forces import (
    bullet_damping,
    ground_effect,
    gyroscopic_torque,
    rotor_drag,
    rotor_thrust,
    rotor_torque,
    speed_sum,
)
from .layout import (
    CONTACT_TIME,
    CONTACTS,
    OMEGA,
    POSITION,
    PREVIOUS,
    QUAT,
    ROTORS,
    USED,
    VELOCITY,
    reals,
)
from .motors import battery_step, motor_step, shaft_power
from .parameters import RotorParameters


@dataclass(frozen=True)
class Physics:
    """What does not change from step to step."""

    aero: AeroConfig
    dt: float
    """[s]."""
    gravity: tuple[float, float, float]
    """[m/s^2]."""
    shapes: Any
    """(O, 4) numpy: obstacles."""
    contacts: bool
    """Whether contacts push."""

    @cached_property
    def contact_time(self) -> float:
        """Time constant of contacts [s]."""
        return float(reals(self.aero, self.dt, self.gravity)[CONTACT_TIME])


@dataclass
class Rotors:
    """Rotor speeds over one step."""

    rpm: Any
    """(N, A, M) after it."""
    before: Any
    """(N, A) sum of speeds before it [rad/s]."""
    rate: Any
    """(N, A, M) change [rpm/s]."""
    used: Any
    """(N, A) share of the charge gone after it."""


def spin_rotors(physics: Physics, state: Any, command: Any, p: RotorParameters) -> Rotors:
    """Rotors after one step under `command` (N, A, M) [rpm]: battery, then motors."""
    xp = array_namespace(state)
    rpm, used = state[..., ROTORS:], state[..., USED]
    most = p.max_rpm[..., None]
    if physics.aero.battery is not None:
        used, share = battery_step(
            used, shaft_power(rpm, p.torque), physics.aero.battery, physics.dt
        )
        most = most * share[..., None]
    goal = xp.minimum(command, most + xp.zeros_like(command))
    new = motor_step(rpm, goal, p.rates, physics.dt) if physics.aero.motors else goal
    return Rotors(new, speed_sum(rpm), (new - rpm) / physics.dt, used)


def wrench(
    physics: Physics, state: Any, rotors: Rotors, p: RotorParameters, wind: Any, places: Any
) -> tuple[Any, Any, Any]:
    """World force (N, A, 3) [N], body torque (N, A, 3) [N m], thrust (N, A) [N]; no gravity.

    `wind` (N or 1, A, 3) [m/s]; `places` (N, O, 7).
    """
    xp = array_namespace(state)
    aero, mode = physics.aero, physics.aero.compat
    bullet = mode not in ("", "DYN")
    position, velocity = state[..., POSITION:QUAT], state[..., VELOCITY:OMEGA]
    omega, rpm = state[..., OMEGA:PREVIOUS], rotors.rpm
    now = matrix_from_quat(state[..., QUAT:VELOCITY])
    # PyBullet turns motor forces by cached link frames, one step old; GND refreshes the cache
    old = matrix_from_quat(state[..., PREVIOUS:USED]) if bullet else now
    fresh = now if aero.ground_effect else old
    lift = rotor_thrust(rpm, p.thrust)
    thrust = xp.sum(lift, axis=-1)
    up = unrotate(now, old[..., :, 2])
    levers = xp.sum(p.position * lift[..., None], axis=-2)
    yaw = xp.sum(rotor_torque(rpm, p.torque, p.spin), axis=-1)
    force = old[..., :, 2] * thrust[..., None]
    torque = cross(levers, up) + yaw[..., None] * up
    spots = [(places[:, o, :3], matrix_from_quat(places[:, o, 3:])) for o in range(places.shape[1])]
    if aero.ground_effect:
        hubs = position[..., None, :] + rotate(now[..., None, :, :], p.position)
        height = hubs[..., 2] if bullet else height_below(hubs, physics.shapes, spots)
        tilt = now[..., 2, 2][..., None]
        extra = ground_effect(lift, height, p.propeller_radius, p.ground_effect, p.lowest_height)
        extra = xp.where(tilt > 0, extra if bullet else extra * tilt, 0.0)
        force = force + fresh[..., :, 2] * xp.sum(extra, axis=-1)[..., None]
        arms = xp.sum(p.position * extra[..., None], axis=-2)
        torque = torque + xp.stack([arms[..., 1], -arms[..., 0], 0 * arms[..., 2]], axis=-1)
    if not mode:
        if aero.drag:
            air = unrotate(now, velocity - wind)
            force = force + rotate(now, rotor_drag(air, speed_sum(rpm), p.drag, p.linear_drag))
        if aero.gyroscopic:
            torque = torque + gyroscopic_torque(
                rpm, rotors.rate, p.spin, p.propeller_inertia, omega
            )
    elif bullet:
        if aero.drag:
            drag = rotor_drag(velocity, rotors.before, p.drag, xp.zeros_like(p.drag))
            force = force + rotate(fresh, unrotate(now, drag))
        force = force + p.mass[..., None] * bullet_damping(velocity, BULLET_DAMPING)
        torque = torque + times(p.inertia, bullet_damping(omega, BULLET_DAMPING))
    if aero.downwash and state.shape[1] > 1:
        if mode:
            push = compat_downwash(position, p.downwash, p.propeller_radius)
            axis = now if aero.ground_effect or mode == "DYN" else old
            force = force - axis[..., :, 2] * push[..., None]
        else:
            push = clean_downwash(
                position, thrust, p.downwash, p.propeller_radius, p.hover_thrust,
                p.hover_thrust, aero.downwash_cap,
            )  # fmt: skip
            force = force - xp.stack([0 * push, 0 * push, push], axis=-1)
    if physics.contacts:
        pushed = contact_wrench(
            (position, now, velocity, omega), p, physics.shapes, spots, physics.contact_time,
            aero.contact.friction,
        )  # fmt: skip
        force, torque = force + pushed[0], torque + pushed[1]
    return force, torque, thrust


def accelerations(
    physics: Physics, state: Any, force: Any, torque: Any, p: RotorParameters
) -> tuple[Any, Any]:
    """World acceleration [m/s^2] and body angular acceleration [rad/s^2], (N, A, 3) each."""
    xp = array_namespace(state)
    omega = state[..., OMEGA:PREVIOUS]
    g = xp.asarray(physics.gravity, dtype=state.dtype, device=getattr(state, "device", None))
    spin = times(p.inverse_inertia, torque - cross(omega, times(p.inertia, omega)))
    return force / p.mass[..., None] + g, spin


def advance(
    physics: Physics, state: Any, command: Any, p: RotorParameters, wind: Any, places: Any
) -> Any:
    """State (N, A, 18 + M) one physics step later; `command` (N, A, M) [rpm]."""
    rotors = spin_rotors(physics, state, command, p)
    if physics.aero.integrator == "rk4":
        motion = _rk4(physics, state, rotors, p, wind, places)
    else:
        motion = _euler(physics, state, rotors, p, wind, places)
    xp = array_namespace(state)
    return xp.concat(
        [motion, state[..., QUAT:VELOCITY], rotors.used[..., None], rotors.rpm], axis=-1
    )


def _euler(
    physics: Physics, state: Any, rotors: Rotors, p: RotorParameters, wind: Any, places: Any
) -> Any:
    """Semi-implicit: velocities, then pose with the exponential map of the new rates."""
    xp, dt = array_namespace(state), physics.dt
    force, torque, _ = wrench(physics, state, rotors, p, wind, places)
    a, b = accelerations(physics, state, force, torque, p)
    velocity = state[..., VELOCITY:OMEGA] + dt * a
    omega = state[..., OMEGA:PREVIOUS] + dt * b
    quat = quat_multiply(state[..., QUAT:VELOCITY], quat_from_rotvec(dt * omega))
    quat = quat / xp.linalg.vector_norm(quat, axis=-1, keepdims=True)
    return xp.concat([state[..., POSITION:QUAT] + dt * velocity, quat, velocity, omega], axis=-1)


def _rk4(
    physics: Physics, state: Any, rotors: Rotors, p: RotorParameters, wind: Any, places: Any
) -> Any:
    """Runge-Kutta 4 over positions, quaternions and velocities; rotor speeds stand still."""
    xp, dt = array_namespace(state), physics.dt

    def slope(motion: Any) -> Any:
        quat = motion[..., QUAT:VELOCITY]
        quat = quat / xp.linalg.vector_norm(quat, axis=-1, keepdims=True)
        whole = xp.concat(
            [motion[..., :QUAT], quat, motion[..., VELOCITY:], state[..., PREVIOUS:]], axis=-1
        )
        force, torque, _ = wrench(physics, whole, rotors, p, wind, places)
        a, b = accelerations(physics, whole, force, torque, p)
        half = 0.5 * motion[..., OMEGA:PREVIOUS]
        rates = xp.concat([xp.zeros_like(half[..., :1]), half], axis=-1)
        turn = quat_multiply(motion[..., QUAT:VELOCITY], rates)
        return xp.concat([motion[..., VELOCITY:OMEGA], turn, a, b], axis=-1)

    start = state[..., :PREVIOUS]
    k1 = slope(start)
    k2 = slope(start + 0.5 * dt * k1)
    k3 = slope(start + 0.5 * dt * k2)
    k4 = slope(start + dt * k3)
    end = start + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    quat = end[..., QUAT:VELOCITY]
    quat = quat / xp.linalg.vector_norm(quat, axis=-1, keepdims=True)
    return xp.concat([end[..., :QUAT], quat, end[..., VELOCITY:]], axis=-1)


def reference_step(flight: Any, command: Any, substeps: int = 1) -> Any:
    """State of a CPU `Flight` `substeps` steps on, by this reference; `flight` is not changed.

    Wind stands still and commands arrive at once.
    """
    physics = Physics(
        flight.aero, flight.dt, tuple(flight.real[1:4]), flight.shape,
        bool(flight.switch[CONTACTS]),
    )  # fmt: skip
    state = np.asarray(flight.state, np.float64)
    for _ in range(substeps):
        state = advance(physics, state, command, flight.parameters, flight.wind, flight.place)
    return state
