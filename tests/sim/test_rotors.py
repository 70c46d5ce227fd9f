"""Rotor physics against published figures, closed forms, statistics; kernel against reference."""

import math

import numpy as np
import pytest

from octoworld.core.errors import ConfigError
from octoworld.core.registry import ROBOTS
from sim.rotors import AeroConfig, BatteryConfig, WindConfig, clean, compat
from sim.rotors.downwash import clean_downwash, compat_downwash
from sim.rotors.fleet import fleet
from sim.rotors.flight import Flight
from sim.rotors.forces import (
    bullet_damping,
    ground_effect,
    gyroscopic_torque,
    rotor_drag,
)
from sim.rotors.motion import reference_step
from sim.rotors.motors import battery_step, battery_voltage, delayed, motor_step
from sim.rotors.wind import normals, wind_start, wind_step, wind_velocity

from .rotor_scenes import SOLIDS, drones, row, scatter

CF = np.array([[[2267.18, 0.16, -0.11]] * 2])
RADIUS = np.full((1, 2), 2.31348e-2)


def test_ground_effect_of_the_crazyflie():
    lowest = np.array([0.25 * 2.31348e-2 * math.sqrt(15 * 11.36859 / 4)])
    force = np.ones((1, 4))
    heights = np.array([[0.05, 0.1, 0.2, 0.0]])
    got = ground_effect(force, heights, RADIUS[0, :1], np.array([11.36859]), lowest)
    # research figures of gym-pybullet-drones: 1.152 at 5 cm, 1.038 at 10 cm, 1.0095 at 20 cm
    np.testing.assert_allclose(got[0, :3], [0.1521, 0.0380, 0.0095], atol=1e-4)
    assert got[0, 3] == pytest.approx(4 / 15)


@pytest.mark.parametrize(("dz", "force"), [(1, 0.0758), (0.5, 0.303), (0.3, 0.843), (0.1, 7.58)])
def test_compat_downwash_on_the_axis(dz, force):
    position = np.array([[[0.0, 0, 1], [0, 0, 1 + dz]]])
    got = compat_downwash(position, CF, RADIUS)
    assert got[0, 0] == pytest.approx(force, rel=2e-3) and got[0, 1] == 0


def test_downwash_where_the_original_gives_nan():
    position = np.array([[[0.0, 0, 1], [0, 0, 1.6875]]])
    assert compat_downwash(position, CF, RADIUS)[0, 0] == pytest.approx(0.1604, rel=1e-2)
    position[0, 1, 0] = 0.01
    assert np.isfinite(compat_downwash(position, CF, RADIUS)).all()


def test_clean_downwash_is_bounded_monotone_and_needs_thrust():
    weight = np.full((1, 2), 0.027 * 9.81)

    def push(dz, dx=0.0, thrust=1.0):
        position = np.array([[[0.0, 0, 1], [dx, 0, 1 + dz]]])
        return clean_downwash(position, thrust * weight, CF, RADIUS, weight, weight, 1.0)[0, 0]

    below = [push(dz) for dz in np.geomspace(1e-6, 9, 60)]
    assert max(below) <= weight[0, 0] and (np.diff(below) <= 0).all()
    assert push(1.0) == pytest.approx(0.0758, rel=5e-3)
    aside = [push(0.6875, dx) for dx in np.linspace(0, 0.5, 40)]
    assert (np.diff(aside) < 0).all() and aside[5] > 0.3 * aside[0]
    assert push(0.5, thrust=0.0) == 0 and push(-0.5) == 0


def test_drag_and_damping_of_figures():
    drag = rotor_drag(
        np.array([1.0, 1, 1]), np.array(6060.5), np.array([9.1785e-7, 9.1785e-7, 10.311e-7]), 0.0
    )
    np.testing.assert_allclose(drag, [-0.00556, -0.00556, -0.00625], atol=1e-5)
    # measured in PyBullet: 5 m/s is damped by 1.2 m/s^2
    np.testing.assert_allclose(bullet_damping(np.array([5.0, 0, 0]), 0.04), [-1.2, 0, 0])


def test_momentum_of_rotors():
    # a rotor that turns counter-clockwise (spin -1) has momentum +z; a roll rate turns it to -y...
    h = 1e-6 * 1000 * 2 * math.pi / 60
    got = gyroscopic_torque(
        np.array([1000.0]), np.array([0.0]), np.array([-1.0]), np.array(1e-6), np.array([2.0, 0, 0])
    )
    np.testing.assert_allclose(got, -np.cross([2.0, 0, 0], [0, 0, h]))


def test_motor_reaches_63_percent_after_its_time_constant():
    tau, dt = 0.072, 1e-3
    rates, rpm = np.array([[1 / tau, 0, 1 / tau, 0]]), np.array([0.0])
    for _ in range(72):
        rpm = motor_step(rpm, np.array([1000.0]), rates, dt)
    assert rpm[0] == pytest.approx(1000 * (1 - math.exp(-1)), rel=1e-9)


def test_identified_motor_follows_its_equation():
    rates, rpm, c, dt = np.array([[7.36, 0, 0.0, 2.4e-4]]), 20000.0, 10000.0, 1e-5
    exact = rpm
    for _ in range(2000):
        exact += dt * 2.4e-4 * (c * c - exact * exact)
    got = np.array([rpm])
    for _ in range(20):
        got = motor_step(got, np.array([c]), rates, 1e-3)
    assert got[0] == pytest.approx(exact, rel=2e-3)


def test_delay_line_gives_old_commands():
    line, seen = np.zeros((2, 4, 1, 1)), []
    for k in range(8):
        head = np.array([k, k])
        seen.append(delayed(line, np.full((2, 1, 1), k + 1.0), head, np.array([3, 0]))[:, 0, 0])
    np.testing.assert_array_equal(np.array(seen)[:, 0], [0, 0, 0, 1, 2, 3, 4, 5])
    np.testing.assert_array_equal(np.array(seen)[:, 1], np.arange(1, 9))


def test_battery_empties_by_the_energy_it_gives():
    battery = BatteryConfig(resistance=0.0, empty_voltage=4.2)
    used, share = np.array(0.0), None
    for _ in range(100):
        used, share = battery_step(used, np.array(2.0), battery, 1.0)
    # 100 s of 2 W at 40 % efficiency and 4.2 V
    assert used == pytest.approx(100 * 5 / 4.2 / 900) and share == 1
    battery = BatteryConfig(resistance=0.1)
    voltage = battery_voltage(np.array(0.5), np.array(2.0), battery)
    assert voltage * (3.6 - voltage) / 0.1 == pytest.approx(5.0)
    # more than it can give
    assert battery_voltage(np.array(0.0), np.array(1e4), battery) == pytest.approx(2.1)


@pytest.mark.parametrize("kind", ["gusts", "dryden"])
def test_wind_has_the_variance_and_correlation_it_promises(kind):
    config = WindConfig((3, 0, 0), kind, (1.0, 0.5, 0.25), 0.4, (6.0, 6.0, 3.0))
    n, dt = 4000, 0.1
    key = np.arange(n, dtype=np.uint64)
    states = wind_start(config, normals(key, np.zeros(n, np.uint64), 5))
    start = wind_velocity(config, states)
    for k in range(1, 6):
        states = wind_step(config, states, normals(key, np.full(n, k, np.uint64), 5), dt)
    later = wind_velocity(config, states)
    for velocity in (start, later):
        np.testing.assert_allclose(velocity.mean(0), [3, 0, 0], atol=0.06)
        np.testing.assert_allclose(velocity.std(0), config.strength, rtol=0.05)
    tau = np.array([0.4] * 3 if kind == "gusts" else [2.0, 2.0, 1.0])
    expected = np.exp(-0.5 / tau)
    if kind == "dryden":  # across and vertical: (1 - t / 2 tau) e^(-t / tau)
        expected[1:] *= 1 - 0.25 / tau[1:]
    got = ((start - [3, 0, 0]) * (later - [3, 0, 0])).mean(0) / np.square(config.strength)
    np.testing.assert_allclose(got, expected, atol=0.06)


def test_noise_is_normal_and_depends_on_key_and_counter_alone():
    key = np.arange(20000, dtype=np.uint64)
    a = normals(key, np.zeros(20000, np.uint64), 5)
    np.testing.assert_allclose([a.mean(), a.std(), (a**3).mean()], [0, 1, 0], atol=0.02)
    assert abs(np.corrcoef(a[:-1, 0], a[1:, 0])[0, 1]) < 0.03
    np.testing.assert_array_equal(a[7:9], normals(key[7:9], np.zeros(2, np.uint64), 5))
    assert (a != normals(key, np.ones(20000, np.uint64), 5)).all()


AEROS = [
    compat("PYB"), compat("PYB_GND_DRAG_DW"), compat("PYB_DW"), compat("DYN"), clean(),
    clean(battery=BatteryConfig(), wind=WindConfig((1.0, 0.5, 0.0))), clean(integrator="rk4"),
]  # fmt: skip


@pytest.mark.parametrize("aero", AEROS, ids=lambda a: a.compat or a.integrator)
def test_kernel_equals_the_pure_functions(aero):
    rng = np.random.default_rng(5)
    models = ["cf2x" if aero.compat else "cf2x_L250", "cf2p", "cf2x"]
    scene = drones(row(3), models=models, aero=aero, static=SOLIDS)
    ships = fleet(scene)
    assert ships is not None
    flight = Flight(scene, ships, 48, contacts=True)
    scatter(flight.view, rng)
    flight.state[..., 13:17] = flight.view.quat
    command = rng.uniform(0, 20000, (48, 3, 4))
    assert 10 < flight.touching().sum() < 400
    expected = reference_step(flight, command, 3)
    flight.step(command, 3, None, np.zeros(48, bool))
    scale = np.maximum(1, np.abs(expected))
    assert (np.abs(flight.state - expected) / scale).max() < 1e-9


def test_config_errors_name_the_choices():
    with pytest.raises(ConfigError, match=r"compat 'PYB_X' is unknown. Known: PYB, "):
        AeroConfig(compat="PYB_X")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="integrator 'rk9': expected euler or rk4"):
        AeroConfig(integrator="rk9")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="latency -1"):
        AeroConfig(latency=-1)
    scene = drones(aero=clean())
    with pytest.raises(ConfigError, match="reproduces gravity"):
        fleet(type(scene)("x", scene.robots, aero=compat("PYB")))


def test_overlapping_spawn_names_both_drones():
    with pytest.raises(ConfigError, match=r"'d0/drone' and 'd1/drone' overlap .* 0.100 m apart"):
        fleet(drones([(0, 0, 1), (0.1, 0, 1)]))
    assert fleet(drones([(0, 0, 1), (0.1, 0, 1.1)])) is not None
    assert ROBOTS.get("cf2x")().rotorcraft.collision_radius == 0.06
