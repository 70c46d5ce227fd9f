"""Controllers: kernels against array functions, and flights of all kinds of airframes."""

from typing import Any

import numpy as np
import pytest
import torch

from octoworld.core.errors import ActionError, ConfigError
from octoworld.core.rotations import matrix_from_quat
from robots.control.flight.attitude import Attitude
from robots.control.flight.gains import Gains, ctbr_gains, derive
from robots.control.flight.geometric import Geometric, desired_rates
from robots.control.flight.mellinger import Mellinger
from robots.control.flight.model import flight_model
from robots.control.flight.rates import Rates
from robots.control.flight.setpoint import DroneState, Setpoint
from robots.control.flight.tracking import attitude_along, attitude_error
from robots.crazyflie.spec import cf2p, cf2x, cf21b_500
from robots.quadrotor import default_quadrotor
from robots.racer.spec import racer

ROBOTS = {"cf2x": cf2x, "cf2p": cf2p, "racer": racer, "quadrotor": default_quadrotor,
          "cf21B_500": cf21b_500}  # fmt: skip
FOLLOWERS = [Geometric, Mellinger]
TARGET = Setpoint.at([0.0, 0.0, 5.0])


def random_state(count, seed=0):
    rng = np.random.default_rng(seed)
    return DroneState(
        position=rng.normal(0, 1, (count, 3)),
        quat=rng.normal([1.5, 0, 0, 0], 1, (count, 4)),
        velocity=rng.normal(0, 1, (count, 3)),
        omega_body=rng.normal(0, 2, (count, 3)),
    )


def as_torch(state):
    return DroneState(**{k: torch.tensor(v) for k, v in vars(state).items()})


def random_target(kind, count, seed=1) -> Any:
    rng = np.random.default_rng(seed)
    if kind in FOLLOWERS:
        return Setpoint(rng.normal(0, 1, (count, 14)))
    return rng.normal([0, 0, 0, 1.0], 0.5, (count, 4))


def wrench(controller, state, target):
    if isinstance(controller, Geometric | Mellinger):
        return controller.wrench(state, target)
    return target[..., 3], controller.torque(state, target)


@pytest.mark.parametrize("kind", [Geometric, Mellinger, Attitude, Rates])
@pytest.mark.parametrize("name", ["cf2x", "cf21B_500", "quadrotor"])
def test_kernels_equal_the_array_functions(kind, name):
    """Saturated or not, with integral and motor lead, call after call; numpy, torch."""
    options = {"frequency": 100.0, "integral": 0.5}
    kernel, arrays, tensors = (kind(ROBOTS[name](), (64,), **options) for _ in range(3))
    for k in range(4):
        state, target = random_state(64, k), random_target(kind, 64, k)
        if kind in FOLLOWERS:  # some move as told, so that their position is integrated
            target.velocity[::2] = state.velocity[::2]
        rpm = kernel.command(state, target)
        expected = arrays._rotor_commands(*wrench(arrays, state, target))
        # a rotor trimmed to no thrust: the root turns 1e-17 N of rounding into 1e-4 rpm
        np.testing.assert_allclose(rpm, expected, rtol=1e-9, atol=1e-2)
        moved = Setpoint(torch.tensor(target.array)) if kind in FOLLOWERS else torch.tensor(target)
        got = tensors.command(as_torch(state), moved)
        assert isinstance(got, torch.Tensor)
        np.testing.assert_allclose(got.numpy(), rpm, rtol=1e-9, atol=1e-2)
    for key, value in kernel.memory.items():
        np.testing.assert_allclose(
            value, arrays.memory[key], rtol=1e-9, atol=1e-2 * (key == "rotor_speed")
        )
        assert value.any()


@pytest.mark.parametrize("kind", [Geometric, Mellinger, Attitude, Rates])
def test_a_batch_equals_its_drones(kind):
    state, target = random_state(6), random_target(kind, 6)
    batch = kind(cf2x(), (2, 3), frequency=240)
    rows = target.array if kind in FOLLOWERS else target
    shaped = DroneState(**{k: v.reshape(2, 3, -1) for k, v in vars(state).items()})
    wide = rows.reshape(2, 3, -1)
    rpm = batch.command(shaped, Setpoint(wide) if kind in FOLLOWERS else wide).reshape(6, 4)
    for i in range(6):
        one = DroneState(**{k: v[i] for k, v in vars(state).items()})
        row = Setpoint(rows[i]) if kind in FOLLOWERS else rows[i]
        np.testing.assert_array_equal(kind(cf2x(), frequency=240).command(one, row), rpm[i])


def test_desired_rates_are_the_derivative_of_the_attitude():
    rng, h = np.random.default_rng(4), 1e-6
    wanted, change = rng.normal([0, 0, 5], 1, (20, 3)), rng.normal(0, 3, (20, 3))
    setpoint = Setpoint(rng.normal(0, 1, (20, 14)))

    def attitude(t):
        axes = attitude_along(wanted + change * t, setpoint.yaw + setpoint.yaw_rate * t)
        return np.stack(axes, axis=-1)

    slope = (attitude(h) - attitude(-h)) / (2 * h)
    spin = attitude(0).transpose(0, 2, 1) @ slope
    expected = np.stack([spin[:, 2, 1], spin[:, 0, 2], spin[:, 1, 0]], axis=-1)
    got = desired_rates(wanted, change, setpoint, attitude_along(wanted, setpoint.yaw))
    np.testing.assert_allclose(got, expected, atol=1e-7)


def test_attitude_error_is_the_sine_about_the_axis():
    angle = 0.3
    turned = matrix_from_quat(np.array([np.cos(angle / 2), 0, np.sin(angle / 2), 0]))
    np.testing.assert_allclose(attitude_error(turned, np.eye(3)), [0, np.sin(angle), 0], atol=1e-12)


def test_hover_is_hover():
    """At rest on its point each rotor turns at the hover speed."""
    for make in ROBOTS.values():
        controller = Geometric(make(), frequency=240)
        state = DroneState(
            position=np.zeros(3), quat=np.array([1.0, 0, 0, 0]), velocity=np.zeros(3),
            omega_body=np.zeros(3),
        )  # fmt: skip
        rpm = controller.command(state, Setpoint.at([0.0, 0.0, 0.0]))
        np.testing.assert_allclose(rpm, controller.model.hover_rpm, rtol=1e-12)


def test_memory_is_saved_restored_and_reset_by_mask():
    controller = Geometric(cf21b_500(), (4, 2), frequency=240, integral=1.0)
    state = DroneState(**{k: v.reshape(4, 2, -1) for k, v in vars(random_state(8)).items()})
    near = Setpoint.at(state.position + 0.05, state.velocity)
    controller.command(state, near)
    saved = controller.save()
    second = controller.command(state, near)
    controller.restore(saved)
    np.testing.assert_array_equal(controller.command(state, near), second)
    controller.reset(np.array([True, False, False, True]))
    assert not controller.memory["integral"][[0, 3]].any()
    assert controller.memory["integral"][1:3].all()
    np.testing.assert_array_equal(
        controller.memory["rotor_speed"][[0, 3]], controller.model.hover_rpm
    )


def test_derived_loops_are_damped(airframes):
    """Poles of T s^3 + s^2 + k_w s + k_R with the actuators' lag T, for all kinds of airframes."""
    for robot in [*airframes(50), *(make() for make in ROBOTS.values())]:
        model = flight_model(robot)
        for hertz in (30, 100, 500):
            gains = derive(model, hertz)
            lag = model.time_constant / gains.lead + 1 / hertz
            for k_rate, k_attitude in zip(gains.rate, gains.attitude, strict=True):
                poles = np.roots([lag, 1, k_rate, k_attitude])
                assert (-poles.real / np.abs(poles)).min() > 0.6
            assert max(gains.attitude) ** 0.5 > 2 * gains.position[0] ** 0.5


def test_published_gains_are_an_option():
    model = flight_model(cf2x())
    gains = ctbr_gains(model, 240)
    assert gains.position == (3.0, 3.0, 8.0)
    np.testing.assert_allclose(np.divide(gains.attitude, gains.rate), [5, 5, 1])
    assert Geometric(cf2x(), frequency=240, gains=gains).gains is gains


def test_bad_input():
    with pytest.raises(ConfigError, match="frequency -1"):
        Geometric(cf2x(), frequency=-1)
    with pytest.raises(ConfigError, match=r"latency -0\.1"):
        derive(flight_model(cf2x()), 240, latency=-0.1)
    with pytest.raises(ConfigError, match="position"):
        Gains((1, 1, -1), (1, 1, 1), (1, 1, 1), (1, 1, 1))
    with pytest.raises(ConfigError, match=r"lead 0\.5"):
        Gains((1, 1, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1), lead=0.5)
    controller = Geometric(cf2x(), (3,), frequency=240)
    with pytest.raises(ActionError, match=r"shape \(3,\), the state has \(2,\)"):
        controller.command(random_state(2), TARGET)
    with pytest.raises(ActionError, match=r"target of shape \(2, 14\)"):
        controller.command(random_state(3), Setpoint(np.zeros((2, 14))))
    with pytest.raises(ActionError, match=r"\(\.\.\., 14\)"):
        Setpoint(np.zeros((3, 3)))
