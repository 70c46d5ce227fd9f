"""The rotorcraft backend: the World contract, closed forms, other engines, contacts, bad input."""

from typing import Any

import numpy as np
import pytest

from octoworld.core.errors import ActionError, ConfigError, UnknownNameError
from octoworld.core.registry import BACKENDS
from octoworld.core.rotations import matrix_from_quat
from robots.spec import BodySpec, GeomSpec, JointSpec
from sim.rotors import BatteryConfig, WindConfig, clean, compat
from sim.world import World

from .rotor_scenes import FLOOR, PLATE, SOLIDS, drones, quiet, row, scatter

HOVER = 14468.43


@pytest.fixture
def make():
    worlds: list[Any] = []

    def build(scene, num_worlds=1, backend="rotorcraft", **options) -> Any:
        worlds.append(BACKENDS.get(backend)(scene, num_worlds, **options))
        return worlds[-1]

    yield build
    for world in worlds:
        world.close()


def constant(world, rpm=HOVER):
    return np.full((world.num_worlds, len(world.control_names)), rpm)


def test_it_is_a_world_with_names(make):
    world = make(drones(row(2), models=["cf2x", "racer"], static=[FLOOR], bodies=[PLATE]), 3)
    contract: World = world
    assert isinstance(contract, World)
    assert world.control_names[0] == "d0/rotor0" and len(world.control_names) == 8
    assert world.flight.position.shape == (3, 2, 3)
    np.testing.assert_allclose(world.pose("d1/drone")[1], [0.5, 0, 1, 1, 0, 0, 0])
    np.testing.assert_allclose(world.pose("d0/rotor0")[0, :3], [0.028, -0.028, 1])
    np.testing.assert_allclose(world.pose("plate")[2, :3], [2, 0, 0.5])
    assert world.joint_position().shape == (3, 0)
    for call in (world.pose, world.velocity, world.color, world.joint_position):
        with pytest.raises(UnknownNameError, match="nobody"):
            call("nobody")


@pytest.mark.parametrize("backend", ["rotorcraft", "mujoco"])
def test_velocity_of_a_site_on_a_spinning_drone(make, backend):
    world = make(drones(aero=quiet()), 2, backend)
    world.set_pose("d0/drone", np.tile([0, 0, 1, 0.6, 0, 0.8, 0], (2, 1)))
    world.set_velocity("d0/drone", np.array([[1, 2, 3, 0.5, -1, 2]] * 2))
    world.refresh()
    arm = world.pose("d0/rotor0")[0, :3] - world.pose("d0/drone")[0, :3]
    speed = np.array([1, 2, 3]) + np.cross([0.5, -1, 2], arm)
    np.testing.assert_allclose(world.velocity("d0/rotor0")[0], [*speed, 0.5, -1, 2], atol=1e-12)
    rates = matrix_from_quat(np.array([0.6, 0, 0.8, 0])).T @ [0.5, -1, 2]
    np.testing.assert_allclose(world.flight.omega_body[1, 0], rates, atol=1e-12)


@pytest.mark.parametrize("integrator", ["euler", "rk4"])
def test_free_fall_is_the_parabola(make, integrator):
    world = make(drones([(0, 0, 100)], aero=quiet(integrator=integrator), dt=1e-3))
    world.step(constant(world, 0.0), 1000)
    fallen = 100 - world.flight.position[0, 0, 2]
    assert world.flight.velocity[0, 0, 2] == pytest.approx(-9.81)
    # semi-implicit Euler is ahead by exactly g t dt / 2
    ahead = 9.81 * 1e-3 / 2 if integrator == "euler" else 0.0
    assert fallen == pytest.approx(9.81 / 2 + ahead, abs=1e-9)


def test_spin_keeps_its_momentum(make):
    world = make(drones([(0, 0, 100)], model="cf2p", aero=quiet(integrator="rk4"), dt=1e-3))
    inertia = np.array([2.3951e-5, 2.3951e-5, 3.2347e-5])
    world.flight.omega_body[0, 0] = [3.0, -2.0, 4.0]
    before = inertia * world.flight.omega_body[0, 0]
    for _ in range(10):
        world.step(constant(world, 0.0), 1000)
    turn = matrix_from_quat(world.flight.quat[0, 0])
    after = turn @ (inertia * world.flight.omega_body[0, 0])
    np.testing.assert_allclose(after, before, rtol=1e-6)
    # a symmetric top's rates turn about its axis at (1 - Iz/Ix) wz
    angle = (1 - inertia[2] / inertia[0]) * 4.0 * 10
    c, s = np.cos(angle), np.sin(angle)
    expected = [3 * c - 2 * s, -3 * s - 2 * c, 4]
    np.testing.assert_allclose(world.flight.omega_body[0, 0], expected, atol=1e-5)


def test_the_order_of_both_integrators(make):
    """Error against a far finer step, of a drone that tumbles under thrust and drag."""

    def end(integrator, steps):
        aero = quiet(integrator=integrator, drag=True)
        world = make(drones([(0, 0, 100)], model="cf21B_500", aero=aero, dt=0.5 / steps))
        world.flight.omega_body[0, 0] = [4.0, 2.0, 3.0]
        world.flight.rotor_speed[...] = HOVER
        world.step(constant(world), steps)
        return np.concatenate([world.flight.position[0, 0], world.flight.quat[0, 0]])

    exact = end("rk4", 4000)
    for integrator, order in (("euler", 1.0), ("rk4", 4.0)):
        errors = [np.abs(end(integrator, n) - exact).max() for n in (50, 100)]
        assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.25)


@pytest.mark.parametrize("model", ["cf2x", "cf2x_L250", "racer"])
def test_two_engines_fly_alike_in_the_clean_set(make, model):
    # the racer's large propellers push each other far down
    places = row(3, 0.4, 0.5) if model != "racer" else row(3, 2.0, 3.0)
    scene = drones(places, model=model, static=[FLOOR], dt=1e-3)
    worlds = [make(scene, 2, backend) for backend in ("rotorcraft", "mujoco")]
    spec: Any = scene.robots[0].spec
    hover = spec.rotorcraft.hover_rpm(spec.bodies[0].mass)
    parameters = {"mass": [[0.99, 1.0, 1.01]] * np.array(worlds[0]._air.parameters.mass[0, 0])}
    for world in worlds:
        world.flight.rotor_speed[...] = hover
        world.set_parameters(parameters)
    for k in range(100):
        wave = 1 + 0.001 * np.sin(0.4 * k + np.arange(12.0))
        control = np.tile(hover * wave, (2, 1))
        for world in worlds:
            world.step(control, 20)
    one, two = (world.flight for world in worlds)
    assert np.abs(one.position[0, :, 2] - places[0][2]).max() > 0.05
    np.testing.assert_allclose(one.position, two.position, atol=1e-4)
    np.testing.assert_allclose(one.quat, two.quat, atol=1e-5)
    np.testing.assert_allclose(one.rotor_speed, two.rotor_speed, rtol=1e-12)


@pytest.mark.parametrize("backend", ["rotorcraft", "mujoco"])
def test_a_batch_gives_the_bits_of_single_worlds(make, backend):
    aero = clean(wind=WindConfig((1, 0, 0), "dryden", (1, 1, 0.5)), latency=0.01)
    scene = drones(row(2, 0.3, 0.3), aero=aero, static=SOLIDS)
    batch = make(scene, 5, backend)
    starts = np.random.default_rng(3).uniform([-0.3, -0.3, 0.2], [0.3, 0.3, 0.8], (5, 2, 3))
    control = np.random.default_rng(4).uniform(0, 2e4, (6, 5, 8))

    def fly(world, rows):
        world.reset()
        for a in range(2):
            pose = np.zeros((len(rows), 7))
            pose[:, :3], pose[:, 3] = starts[rows, a], 1
            world.set_pose(f"d{a}/drone", pose)
        world.refresh()
        for k in range(6):
            world.step(control[k, rows], 5)
        return np.concatenate([world.flight.position, world.flight.quat], axis=-1)

    together = fly(batch, np.arange(5))
    for i in (0, 3):
        single = make(scene, 1, backend)
        single._air.flight.seed([i]) if backend == "mujoco" else single.seed([i])
        np.testing.assert_array_equal(fly(single, [i])[0], together[i])
    if backend == "rotorcraft":
        np.testing.assert_array_equal(fly(make(scene, 5, num_threads=3), np.arange(5)), together)


@pytest.mark.parametrize("backend", ["rotorcraft", "mujoco"])
def test_restored_state_continues_with_the_same_bits(make, backend):
    aero = clean(
        wind=WindConfig((1, 0, 0), "gusts", (1, 1, 0.5)), latency=0.02, battery=BatteryConfig()
    )
    scene = drones(row(2, 0.3, 0.1), aero=aero, static=[FLOOR], bodies=[PLATE])
    world = make(scene, 4, backend)
    control = np.random.default_rng(0).uniform(1e4, 1.6e4, (4, 8))
    world.step(control, 30)
    plain = world.snapshot()
    world.set_parameters({"mass": [[0.03, 0.028]], "thrust_scale": [[[1.1]]]})
    world.set_color("floor", [[1, 0, 0, 1]] * 4)
    world.set_pose("plate", [[0, 0, 0.05, 1, 0, 0, 0]] * 4)
    world.step(control, 30)
    snapshot = world.snapshot()
    world.step(control, 50)
    expected = world.get_state()
    world.restore(snapshot)
    world.step(control, 50)
    np.testing.assert_array_equal(world.get_state(), expected)
    fresh = make(scene, 4, backend)
    fresh.set_state(snapshot.state[::-1])
    fresh.step(control[::-1], 50)
    np.testing.assert_array_equal(fresh.get_state(), expected[::-1])
    # back to before the parameters: as if they had never been
    world.restore(plain)
    other = make(scene, 4, backend)
    other.restore(plain)
    for w in (world, other):
        w.step(control, 50)
    np.testing.assert_array_equal(world.flight.position, other.flight.position)
    with pytest.raises(ConfigError, match="expected"):
        world.set_state(snapshot.state[:, :-3])


@pytest.mark.parametrize("backend", ["rotorcraft", "mujoco"])
def test_masked_worlds_stand_still_and_reset_alone(make, backend):
    world = make(drones(static=[FLOOR], aero=clean(latency=0.01)), 3, backend)
    control = constant(world, 16000.0)
    control[1] = np.nan  # not looked at
    mask = np.array([True, False, True])
    world.step(control, 10, mask)
    z = world.flight.position[:, 0, 2]
    assert z[1] == 1 and z[0] != 1 and world.flight.rotor_speed[1].max() == 0
    world.reset(np.array([True, False, False]))
    assert world.flight.position[0, 0, 2] == 1 and world.flight.position[2, 0, 2] != 1
    assert world.flight.velocity[0].max() == 0 and world.flight.rotor_speed[0].max() == 0
    # the world that was reset flies like a new one
    world.step(constant(world, 16000.0), 7)
    new = make(drones(static=[FLOOR], aero=clean(latency=0.01)), 1, backend)
    new.step(constant(new, 16000.0), 7)
    np.testing.assert_array_equal(world.flight.position[0], new.flight.position[0])
    with pytest.raises(ConfigError, match="mask of shape"):
        world.step(control, 1, np.array([1, 0, 1]))


def test_a_dropped_drone_comes_to_rest_on_the_ground_and_on_a_plate(make):
    scene = drones([(0, 0, 0.3), (2, 0, 0.7)], static=[FLOOR], bodies=[PLATE], dt=1e-3)
    world = make(scene, 2)
    tilted = [0, 0, 0.3, np.cos(0.2), np.sin(0.2), 0, 0]
    world.set_pose("d0/drone", [tilted, tilted])
    for _ in range(30):
        world.step(constant(world, 0.0), 100)
    flight = world.flight
    np.testing.assert_allclose(flight.position[:, 0, 2], 0.0125, atol=1e-3)
    np.testing.assert_allclose(flight.position[:, 1, 2], 0.52 + 0.0125, atol=1e-3)
    assert np.abs(flight.velocity).max() < 1e-3 and np.abs(flight.omega_body).max() < 1e-2
    assert (np.abs(flight.quat[:, 0, 1:3]) < 2e-2).all()
    assert world.contacts("d0/drone", "floor").all() and world.contacts("plate", "d1/drone").all()
    assert not world.contacts("d0/drone", "plate").any()
    assert not world.contacts("d0/drone", "d1/drone").any()
    assert world.contacts("d0/drone_hull", "floor").all()
    # the plate is taken away
    world.set_pose("plate", [[0, 5, 0.5, 1, 0, 0, 0]], np.array([True, False]))
    world.step(constant(world, 0.0), 200)
    assert flight.position[0, 1, 2] < 0.45 < flight.position[1, 1, 2]
    with pytest.raises(UnknownNameError, match="'nobody'"):
        world.contacts("d0/drone", "nobody")


def test_friction_stops_a_sliding_drone_and_a_wall_a_flying_one(make):
    wall = GeomSpec("wall", "box", (0.05, 2, 2), (1.0, 0, 0))
    scene = drones([(0, 0, 0.0125), (0, 1, 1)], static=[FLOOR, wall], aero=quiet(), dt=1e-3)
    world = make(scene)
    world.set_velocity("d0/drone", [[1.0, 0, 0, 0, 0, 0]])
    world.set_velocity("d1/drone", [[4.0, 0, 0, 0, 0, 0]])
    world.step(constant(world, 0.0), 400)
    assert world.contacts("d1/drone", "floor") or world.flight.position[0, 1, 0] < 0.95
    far = world.flight.position[0, 0, 0]
    # v^2 / (2 mu g), a little more while the contact builds up
    assert far == pytest.approx(1 / (2 * 0.5 * 9.81), rel=0.1)
    assert world.flight.velocity[0, 0, 0] == pytest.approx(0, abs=1e-2)
    assert world.flight.velocity[0, 1, 0] <= 0 and world.flight.position[0, 1, 0] < 0.9


def test_two_drones_collide_and_keep_their_momentum(make):
    world = make(drones([(0, 0, 50), (0.5, 0, 50)], aero=quiet(), dt=1e-3))
    world.set_velocity("d0/drone", [[2.0, 0, 0, 0, 0, 0]])
    seen = False
    for _ in range(40):
        world.step(constant(world, 0.0), 10)
        seen |= bool(world.contacts("d0/drone", "d1/drone")[0])
    velocity = world.flight.velocity[0]
    assert seen and velocity[1, 0] > 0.3
    np.testing.assert_allclose(velocity.sum(0)[:2], [2.0, 0.0], atol=1e-9)
    assert np.square(velocity[:, :2]).sum() <= 4.0
    # the collision takes all closing speed: they go on side by side, and never through each other
    apart = world.flight.position[0, 1] - world.flight.position[0, 0]
    assert np.linalg.norm(apart) > 0.115 and velocity[1, 0] >= velocity[0, 0] - 1e-3


def test_latency_delays_commands_by_whole_steps(make):
    late, prompt = (make(drones(aero=quiet(latency=s), dt=1e-3)) for s in (0.02, 0.0))
    late.step(constant(late, 2e4), 20)
    assert late.flight.rotor_speed.max() == 0
    late.step(constant(late, 0.0), 1)
    assert late.flight.rotor_speed.min() == 2e4
    prompt.step(constant(prompt, 2e4), 1)
    assert prompt.flight.rotor_speed.min() == 2e4


def test_motors_lag_and_battery_bounds_the_speed(make):
    world = make(drones(model="quadrotor", aero=clean(), dt=1e-3))
    top = world._air.parameters.max_rpm[0, 0]
    world.step(constant(world, top), 50)
    assert world.flight.rotor_speed[0, 0, 0] == pytest.approx(top * (1 - np.exp(-1)), rel=1e-6)
    battery = quiet(battery=BatteryConfig(capacity=1e-2))
    weak = make(drones([(0, 0, 1e3)], aero=battery, dt=1e-3))
    speeds = []
    for _ in range(4):
        weak.step(constant(weak, 21702.0), 100)
        speeds.append(weak.flight.rotor_speed[0, 0, 0])
    assert (np.diff(speeds) < 0).all() and speeds[0] < 21702
    assert 0 < weak.flight.charge_used[0, 0] < 1


def matrix(six):
    """Symmetric matrices (..., 3, 3) of xx yy zz xy xz yz."""
    return six[..., [[0, 3, 4], [3, 1, 5], [4, 5, 2]]]


def test_parameters_per_world_change_the_flight(make):
    world = make(drones(aero=quiet()), 3)
    world.set_parameters({"mass": 2 * 0.027}, np.array([False, True, False]))
    world.set_parameters({"thrust_scale": [[[1.2] * 4]]}, np.array([False, False, True]))
    world.step(constant(world), 24)
    v = world.flight.velocity[:, 0, 2]
    lift = 4 * 3.16e-10 * HOVER**2 / 0.027
    np.testing.assert_allclose(v, 0.1 * (lift * np.array([1, 0.5, 1.2]) - 9.81), atol=1e-9)
    world.reset()  # parameters stay
    assert world._air.parameters.mass[1, 0] == pytest.approx(0.054)
    with pytest.raises(ConfigError, match=r"unknown parameter 'colour'. Known: drag_scale"):
        world.set_parameters({"colour": 1})
    for name, value in (("mass", -1.0), ("mass", 0.0), ("inertia", [1e-5, 0.0, 1e-5])):
        with pytest.raises(ConfigError, match=rf"set_parameters\({name}\): values must be above 0"):
            world.set_parameters({name: value})
    with pytest.raises(ConfigError, match=r"motor_time_constant\): values must not be below 0"):
        world.set_parameters({"motor_time_constant": -0.1})
    full = [1.4e-5, 1.5e-5, 2e-5, -1e-6, 2e-6, -3e-6]
    world.set_parameters({"inertia": full})  # products of inertia may be negative
    p = world._air.parameters
    np.testing.assert_allclose(matrix(p.inertia) @ matrix(p.inverse_inertia), np.eye(3)[None, None]
                               + np.zeros((3, 1, 3, 3)), atol=1e-12)  # fmt: skip


@pytest.mark.parametrize(
    "aero",
    [
        clean(latency=0.01),
        compat("PYB_GND_DRAG_DW"),
        clean(
            wind=WindConfig((1, 0, 0), "gusts", (1, 1, 0.5)),
            battery=BatteryConfig(),
            integrator="rk4",
        ),
    ],
    ids=["clean", "compat", "gusts"],
)
def test_torch_gives_the_numbers_of_the_kernel(make, aero):
    torch = pytest.importorskip("torch")
    scene = drones(row(3, 0.3, 0.4), aero=aero, static=SOLIDS, bodies=[PLATE])
    kernel, device = make(scene, 8), make(scene, 8, device="cpu")
    assert isinstance(device.flight.position, torch.Tensor)
    state = kernel._air.state
    scatter(kernel.flight, np.random.default_rng(8), low=(-0.6, -0.6, 0.2))
    state[..., 13:17] = kernel.flight.quat
    parameters = {"mass": np.linspace(0.025, 0.03, 24).reshape(8, 3), "drag_scale": 1.3}
    kernel.set_parameters(parameters, np.arange(8) > -1)
    device.set_state(kernel.get_state())
    mask = np.arange(8) != 2
    for k in range(4):
        control = np.random.default_rng(k).uniform(0, 2e4, (8, 12))
        kernel.step(control, 3, mask)
        device.step(torch.asarray(control), 3, torch.asarray(mask))
        np.testing.assert_array_equal(
            device.contacts("d0/drone", "floor").numpy(), kernel.contacts("d0/drone", "floor")
        )
    error = np.abs(device.get_state() - kernel.get_state()) / np.maximum(
        1, np.abs(kernel.get_state())
    )
    assert error.max() < 1e-9
    np.testing.assert_allclose(device._air.parameters.mass.numpy(), parameters["mass"])
    for world in (kernel, device):  # one world starts again, the others fly on
        world.reset(np.arange(8) == 5)
        world.step(np.full((8, 12), 1e4), 3)
    np.testing.assert_allclose(device.get_state(), kernel.get_state(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(device.pose("d1/rotor2").numpy(), kernel.pose("d1/rotor2"))
    with pytest.raises(ActionError, match="rotor speed 1e\\+06 rpm of 'd1/drone' rotor 2"):
        control[5, 6] = 1e6
        device.step(control, 1)


def test_a_device_that_is_not_there_is_refused(make):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        assert make(drones(), 2, device="cuda").flight.position.is_cuda
    else:
        with pytest.raises(ConfigError, match="device 'cuda': torch finds no GPU; expected 'cpu'"):
            make(drones(), 2, device="cuda")


@pytest.mark.slow
def test_single_precision_stays_close(make):
    scene = drones(row(2), aero=clean(), static=[FLOOR])
    one, two = make(scene), make(scene, dtype="float32")
    assert two.flight.position.dtype == np.float32
    for world in (one, two):
        world.flight.rotor_speed[...] = HOVER
        for _ in range(48):
            world.step(constant(world, 14600.0), 5)
    np.testing.assert_allclose(one.flight.position, two.flight.position, atol=1e-4)


@pytest.mark.parametrize("backend", ["rotorcraft", "mujoco"])
def test_bad_rotor_speeds_name_the_drone_and_the_rotor(make, backend):
    world = make(drones(row(2)), 3, backend)
    control = constant(world)
    control[1, 6] = 30000.0
    message = r"rotor speed 30000 rpm of 'd1/drone' rotor 2 in world 1: expected 0 to 21702.6"
    with pytest.raises(ActionError, match=message):
        world.step(control, 1)
    for bad in (-1.0, np.nan):
        control[1, 6] = bad
        with pytest.raises(ActionError, match="'d1/drone' rotor 2"):
            world.step(control, 1)
    with pytest.raises(ActionError, match=r"control of shape \(3, 4\)"):
        world.step(control[:, :4], 1)


def test_scenes_it_cannot_move_are_refused(make):
    block = BodySpec("block", joint=JointSpec("free", "free"), mass=1.0,
                     geoms=(GeomSpec("solid", "box", (0.1, 0.1, 0.1)),))  # fmt: skip
    with pytest.raises(ConfigError, match="'block' of scene 'test' has a joint: use backend"):
        make(drones(bodies=[block]))
    with pytest.raises(ConfigError, match="has no rotorcraft: use backend 'mujoco'"):
        make(drones([]))
    with pytest.raises(ConfigError, match="dtype 'int8': expected float64 or float32"):
        make(drones(), dtype="int8")
    with pytest.raises(ConfigError, match="num_worlds 0"):
        make(drones(), 0)
    world = make(drones(static=[FLOOR]))
    with pytest.raises(ConfigError, match="quaternion of length 0"):
        world.set_pose("d0/drone", [[0.0] * 7])


def test_a_diverged_world_starts_again(make):
    world = make(drones(aero=quiet()), 3)
    world.flight.velocity[1] = 1e300
    world.step(constant(world), 1)
    assert world.diverged.tolist() == [False, True, False]
    np.testing.assert_array_equal(world.flight.position[1, 0], [0, 0, 1])
    world.reset()
    assert not world.diverged.any()


def test_mujoco_flies_drones_among_loose_things(make):
    """What the rotorcraft backend refuses: a drone lands on a block that lies on the floor."""
    block = BodySpec("block", position=(0, 0, 0.1), joint=JointSpec("free", "free"), mass=1.0,
                     geoms=(GeomSpec("solid", "box", (0.1, 0.1, 0.1)),))  # fmt: skip
    world = make(drones([(0, 0, 0.3)], static=[FLOOR], bodies=[block]), 2, "mujoco")
    world.flight.rotor_speed[...] = HOVER
    # ground effect of the block's top, 0.1 m below, lifts more than the weight
    world.step(constant(world), 5)
    assert world.flight.velocity[0, 0, 2] > 0
    for _ in range(20):
        world.step(constant(world, 0.0), 20)
    assert world.contacts("d0/drone", "block").all()
    np.testing.assert_allclose(world.flight.position[:, 0, 2], 0.2125, atol=3e-3)


def test_pictures_come_from_the_same_scene(make):
    from octoworld.core.errors import RenderError

    scene = drones([(0, 0, 1)], static=[FLOOR], bodies=[PLATE])
    world, engine = make(scene, 3), make(scene, 3, "mujoco")
    for w in (world, engine):
        for k in range(3):
            mask = np.arange(3) == k
            w.set_pose("d0/drone", [[1 + 0.2 * k, 0, 1, 0.9, 0.1 * k, 0.2, 0]], mask)
            w.set_color("top", [[0.3 * k, 0.5, 0, 1]], mask)
        w.refresh()
    try:
        expected = engine.render("d0/front", [2, 0], (48, 64))
    except RenderError as error:
        pytest.skip(str(error))
    np.testing.assert_array_equal(world.render("d0/front", [2, 0], (48, 64)), expected)
    assert world.render("d0/front").shape == (3, 48, 64, 3)
    assert (expected[0] != expected[1]).any()
