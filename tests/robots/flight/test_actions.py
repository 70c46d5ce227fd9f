"""Control modes: what actions mean, in flight; memory, rates, errors."""

import numpy as np
import pytest
import torch

from octoworld.core.errors import ActionError, ConfigError, UnknownNameError
from robots.control.flight.actions import FLIGHT_MODES, FlightConfig, FlightControl
from robots.control.flight.setpoint import DroneState, Setpoint
from robots.crazyflie.spec import cf2p, cf2x, cf2x_l250
from robots.quadrotor import default_quadrotor
from robots.racer.spec import racer

DIMENSIONS = {
    "attitude": 4, "one_d_pid": 1, "one_d_rpm": 1, "pid": 3, "rates": 4, "rpm": 4, "vel": 4
}  # fmt: skip
UP = FlightConfig(center=(0.0, 0.0, 5.0))


def control(mode, num_worlds=1, robot=cf2x, **options):
    options = {"frequency": 48, "physics_frequency": 240, **options}
    return FlightControl(robot(), num_worlds, 1, mode, **options)


def fly(world, flight_control, action, seconds):
    num = world.flight.position.shape[0]
    actions = np.broadcast_to(action, (num, 1, flight_control.action_dim))
    for _ in range(round(seconds * flight_control.frequency)):
        flight_control.begin(actions, world.flight)
        for _ in range(flight_control.inner_steps):
            rpm = flight_control.inner(world.flight)
            world.step(rpm.reshape(num, -1), flight_control.inner_substeps)
    return world.flight


def test_the_modes_are_registered():
    assert {n: control(n).action_dim for n in FLIGHT_MODES.names()} == DIMENSIONS


@pytest.mark.parametrize("name", ["rpm", "one_d_rpm", "rates", "attitude"])
@pytest.mark.parametrize("robot", [cf2x, racer, cf2x_l250, default_quadrotor])
def test_thrust_is_linear_and_zero_hovers(sky, name, robot):
    """0 carries the weight; 1 and -1 lie as far from it, as far as the rotors go."""
    c, world = control(name, robot=robot), sky(robot())
    spec, thrusts = c.model.rotors, []
    for level in (-1.0, 0.0, 0.5, 1.0):
        c.reset()
        action = np.zeros((1, 1, c.action_dim))
        action[..., -1 if name in ("rates", "attitude") else slice(None)] = level
        c.begin(action, world.flight)
        if name in ("rates", "attitude"):
            thrusts.append(c.memory["target"][0, 0, 3])
        else:
            rpm = c.inner(world.flight)[0, 0]
            assert 0 <= rpm.min() <= rpm.max() <= spec.max_rpm
            thrusts.append(sum(spec.thrust(w) for w in rpm))
    span = min(1.0, c.model.thrust_to_weight - 1)
    expected = c.model.weight * (1 + span * np.array([-1.0, 0.0, 0.5, 1.0]))
    np.testing.assert_allclose(thrusts, expected, rtol=1e-9, atol=1e-9)


def test_the_original_scale_is_an_option(sky):
    c = control("rpm", config=FlightConfig(rpm_scale=0.05))
    action = np.array([[[-1.0, 0.0, 0.5, 1.0]]])
    rpm = c.command(action, sky(cf2x()).flight)
    np.testing.assert_allclose(rpm[0, 0], c.model.hover_rpm * (1 + 0.05 * action[0, 0]))


def test_pid_goes_to_its_place(sky, disturb):
    world = sky(cf2x(), 8)
    disturb(world)
    c = control("pid", 8, config=UP)
    state = fly(world, c, [0.5, -0.5, 1.0], 7)
    np.testing.assert_allclose(state.position - [0.5, -0.5, 6.0], 0, atol=0.02)


def test_pid_steps_are_short(sky):
    world, c = sky(cf2x()), control("pid", config=FlightConfig(center=(0, 0, 50.0), step=0.7))
    c.begin(np.zeros((1, 1, 3)), world.flight)
    np.testing.assert_allclose(Setpoint(c.memory["setpoint"]).position[0, 0], [0, 0, 5.7])


def test_pid_with_the_original_controller(sky):
    """DSLPID inside, at the rate of the actions as in the original: `command` is enough."""
    config = FlightConfig(center=(0, 0, 5.2), controller="dslpid", inner_frequency=48)
    world, c = sky(cf2p()), control("pid", robot=cf2p, config=config)
    assert (c.inner_steps, c.inner_substeps) == (1, 5)
    for _ in range(48 * 8):
        world.step(c.command(np.zeros((1, 1, 3)), world.flight).reshape(1, 4), 5)
    np.testing.assert_allclose(world.flight.position[0, 0], [0, 0, 5.2], atol=0.1)


def test_height_mode_holds_the_place(sky, disturb):
    world = sky(cf2x(), 5)
    disturb(world)
    place = world.flight.position[..., :2].copy()
    state = fly(world, control("one_d_pid", 5), [0.0], 6)
    np.testing.assert_allclose(state.position[..., :2], place, atol=0.02)
    before = state.position[..., 2].copy()
    assert (fly(world, control("one_d_pid", 5), [1.0], 1).position[..., 2] > before + 0.05).all()


def test_velocity_is_flown_and_the_heading_kept(sky, disturb):
    world = sky(cf2x(), 5)
    disturb(world)
    c = control("vel", 5, config=FlightConfig(max_velocity=2.0, max_yaw_rate=1.0))
    state = fly(world, c, [0.5, -0.25, 0.1, 0.0], 4)
    np.testing.assert_allclose(
        state.velocity, np.broadcast_to([1.0, -0.5, 0.2], (5, 1, 3)), atol=0.05
    )
    state = fly(world, c, [0.0, 0.0, 0.0, 0.5], 3)
    np.testing.assert_allclose(state.omega_body[..., 2], 0.5, atol=0.03)
    c.begin(np.ones((5, 1, 4)), state)
    speeds = np.linalg.norm(Setpoint(c.memory["setpoint"]).velocity, axis=-1)
    np.testing.assert_allclose(speeds, 2.0)


def test_rates_and_attitude_are_flown(sky):
    state = fly(sky(cf2x()), control("rates"), [0.1, -0.05, 0.1, 0.0], 0.5)
    np.testing.assert_allclose(
        state.omega_body[0, 0], np.array([0.2, -0.1, 0.1]) * np.pi, atol=0.02
    )
    state = fly(sky(cf2x()), control("attitude"), [0.5, 0.0, 0.0, 0.1], 1.0)
    np.testing.assert_allclose(2 * np.arcsin(state.quat[0, 0, 1]), np.radians(15), atol=0.01)


@pytest.mark.parametrize("name", DIMENSIONS)
def test_memory_decides_all(sky, disturb, name):
    """Saved memory and state give the same commands again; worlds reset alone equal new ones."""
    world, c = sky(cf2x(), 4), control(name, 4, config=UP)
    disturb(world)
    rng = np.random.default_rng(0)
    for _ in range(5):
        fly(world, c, rng.uniform(-0.3, 0.3, c.action_dim), 1 / 48)
    memory, state, action = c.save(), world.snapshot(), rng.uniform(-0.3, 0.3, c.action_dim)
    once = fly(world, c, action, 0.25).position.copy()
    c.restore(memory)
    world.restore(state)
    np.testing.assert_array_equal(fly(world, c, action, 0.25).position, once)

    c.reset(np.array([True, False, True, False]))
    new = control(name, 4, config=UP)
    actions = np.broadcast_to(action, (4, 1, c.action_dim))
    c.begin(actions, world.flight)
    new.begin(actions, world.flight)
    used, fresh = c.inner(world.flight).copy(), new.inner(world.flight)
    np.testing.assert_array_equal(used[[0, 2]], fresh[[0, 2]])
    # the motors are immediate here, so what is left of the past is where the start was
    if name in ("one_d_pid", "vel"):
        assert (used[[1, 3]] != fresh[[1, 3]]).any()


@pytest.mark.parametrize("name", DIMENSIONS)
def test_drones_of_a_world_are_alike(sky, disturb, name):
    """Two worlds of three drones are commanded as six worlds of one."""
    world = sky(cf2x(), 6)
    disturb(world)
    names = ("position", "quat", "velocity", "omega_body")
    shaped = DroneState(**{k: getattr(world.flight, k).reshape(2, 3, -1) for k in names})
    one = control(name, 6)
    many = FlightControl(cf2x(), 2, 3, name, frequency=48, physics_frequency=240)
    actions = np.random.default_rng(3).uniform(-1, 1, (6, 1, one.action_dim))
    one.begin(actions, world.flight)
    many.begin(actions.reshape(2, 3, -1), shaped)
    np.testing.assert_array_equal(many.inner(shaped), one.inner(world.flight).reshape(2, 3, 4))


@pytest.mark.parametrize("name", DIMENSIONS)
def test_torch_gives_the_same(sky, disturb, name):
    world = sky(cf2x(), 6)
    disturb(world)
    state = world.flight
    tensors = DroneState(
        **{
            k: torch.tensor(getattr(state, k))
            for k in ("position", "quat", "velocity", "omega_body")
        }
    )
    a, b = control(name, 6, config=UP), control(name, 6, config=UP)
    actions = np.random.default_rng(3).uniform(-0.5, 0.5, (6, 1, a.action_dim))
    for _ in range(3):
        a.begin(actions, state)
        b.begin(torch.tensor(actions), tensors)
        for _ in range(a.inner_steps):
            got = b.inner(tensors)
            assert isinstance(got, torch.Tensor)
            np.testing.assert_allclose(got.numpy(), a.inner(state), rtol=1e-9, atol=1e-2)


def test_bad_input(sky):
    with pytest.raises(UnknownNameError, match="rates"):
        control("rate")
    with pytest.raises(ConfigError, match="48 Hz does not divide the inner loop frequency 250 Hz"):
        control("rates", physics_frequency=250)
    with pytest.raises(ConfigError, match="100 Hz does not divide the physics frequency 240 Hz"):
        control("pid", frequency=50, config=FlightConfig(inner_frequency=100))
    with pytest.raises(ConfigError, match="not for 'racer'"):
        control("pid", robot=racer, config=FlightConfig(controller="dslpid"))
    with pytest.raises(ConfigError, match="controller 'mpc'"):
        FlightConfig(controller="mpc")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="thrust_range 0"):
        FlightConfig(thrust_range=0)
    with pytest.raises(ConfigError, match="num_worlds 0"):
        control("rpm", 0)
    c, state = control("rates", 2), sky(cf2x(), 2).flight
    with pytest.raises(ConfigError, match="5 inner steps"):
        c.command(np.zeros((2, 1, 4)), state)
    with pytest.raises(ActionError, match=r"shape \(2, 4\): expected \(2, 1, 4\)"):
        c.begin(np.zeros((2, 4)), state)
    with pytest.raises(ActionError, match="finite"):
        c.begin(np.full((2, 1, 4), np.nan), state)
