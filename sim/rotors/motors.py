"""Motors, command latency and battery: what stands between a command and a rotor's speed."""

from __future__ import annotations

from typing import Any

from octoworld.core.arrays import array_namespace

from .config import BatteryConfig
from .constants import RPM_TO_RAD


def motor_step(rpm: Any, command: Any, rates: Any, dt: float) -> Any:
    """Rotor speeds (..., M) [rpm] after `dt` [s] under `command` (..., M) [rpm].

    d rpm/dt = a (c - rpm) + b (c^2 - rpm^2), with (a, b) = rates[..., 0:2] while speeding up and
    [..., 2:4] while slowing down (identified by drone-models; b = 0 is a first-order lag with
    time constant 1/a). The rate a + b (c + rpm) is held over the step, which is exact for b = 0.
    """
    xp = array_namespace(rpm)
    up = command > rpm
    a = xp.where(up, rates[..., 0], rates[..., 2])
    b = xp.where(up, rates[..., 1], rates[..., 3])
    return command + (rpm - command) * xp.exp(-dt * (a + b * (command + rpm)))


def delayed(line: Any, command: Any, head: Any, delay: Any) -> Any:
    """Command of `delay` (N,) steps ago; writes `command` (N, A, M) into `line` (N, L, A, M).

    `head` (N,) counts steps since the reset; 0 <= delay < L.
    """
    xp = array_namespace(line)
    worlds = xp.arange(line.shape[0], device=getattr(line, "device", None))
    line[worlds, head % line.shape[1]] = command
    return line[worlds, (head - delay) % line.shape[1]]


def shaft_power(rpm: Any, torque: Any) -> Any:
    """Mechanical power (...,) [W] of rotors (..., M) whose torque is (t1 + t2 rpm) rpm."""
    xp = array_namespace(rpm)
    return xp.sum((torque[..., 0] + torque[..., 1] * rpm) * rpm * rpm, axis=-1) * RPM_TO_RAD


def battery_voltage(used: Any, power: Any, battery: BatteryConfig) -> Any:
    """Terminal voltage (...,) [V] with the share `used` of the charge gone, under shaft `power`.

    Thevenin: U = E - I R and U I = P / efficiency, hence U = (E + sqrt(E^2 - 4 R P/eff)) / 2, or
    E / 2, the point of most power, where the battery cannot give that much.
    """
    xp = array_namespace(used)
    spread = battery.full_voltage - battery.empty_voltage
    source = battery.full_voltage - spread * xp.clip(used, 0.0, 1.0)
    rest = source**2 - 4 * battery.resistance * power / battery.efficiency
    return 0.5 * (source + xp.sqrt(xp.clip(rest, 0.0, None)))


def battery_step(used: Any, power: Any, battery: BatteryConfig, dt: float) -> tuple[Any, Any]:
    """Share of charge used after `dt`, and the share (...,) of the highest speed still reached.

    A motor's free speed is proportional to its voltage.
    """
    xp = array_namespace(used)
    voltage = battery_voltage(used, power, battery)
    current = power / battery.efficiency / voltage
    used = xp.clip(used + current * dt / (3600 * battery.capacity), 0.0, 1.0)
    return used, voltage / battery.full_voltage
