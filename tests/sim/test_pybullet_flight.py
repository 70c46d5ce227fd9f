"""Drones in PyBullet: logs of gym-pybullet-drones, the clean set against closed-form bodies."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pybullet")

from octoworld.core.errors import ActionError, ConfigError
from octoworld.core.registry import ROBOTS
from octoworld.core.rotations import quat_multiply
from robots.spec import BodySpec, GeomSpec
from sim.backends.pybullet import PyBulletWorld
from sim.rotors import COMPAT_GRAVITY, AeroConfig, WindConfig, compat
from sim.rotors.fleet import fleet
from sim.rotors.flight import Flight
from sim.scene import RobotPlacement, Scene

DATA = Path(__file__).parent / "data"
FLOOR = GeomSpec("floor", "plane", (5, 5))
HOVER = 14468.43
STILL_AIR = AeroConfig(motors=False, drag=False, ground_effect=False)


def swarm(positions, robot="cf2x", **options):
    spec = ROBOTS.get(robot)()
    return Scene(
        "swarm",
        robots=tuple(
            RobotPlacement(spec, tuple(p), prefix=f"d{i}_") for i, p in enumerate(positions)
        ),
        static_geoms=(FLOOR,),
        **options,
    )


@pytest.fixture
def make():
    worlds = []

    def make(scene, num_worlds=1):
        worlds.append(PyBulletWorld(scene, num_worlds))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.mark.parametrize("name", ["hover", "dw_pair", "gnd_descend"])
def test_logs_of_the_original_are_reproduced(make, name):
    log = np.load(DATA / f"{name}.npz")
    world = make(
        swarm(
            log["init_xyz"].tolist(), str(log["model"]), timestep=float(log["dt"]),
            gravity=COMPAT_GRAVITY, aero=compat(str(log["physics"])),
        ),
    )  # fmt: skip
    for rpm, state in zip(log["rpm"], log["state"], strict=True):
        world.step(rpm.reshape(1, -1), 1)
        # the same engine and the same forces: far below the 1e-6 m and 1e-4 deg that are asked
        np.testing.assert_allclose(world.flight.position[0], state[:, :3], atol=1e-10)
        between = quat_multiply(world.flight.quat[0] * [1, -1, -1, -1], state[:, [6, 3, 4, 5]])
        assert np.rad2deg(2 * np.linalg.norm(between[:, 1:], axis=1)).max() < 1e-8
        np.testing.assert_allclose(world.flight.velocity[0], state[:, 10:13], atol=1e-10)


def sines(t, drones):
    """Rotor speeds that turn and shift a drone gently; other phases for each motor and drone."""
    phase = np.arange(4 * drones) * 1.3
    return HOVER * (1.01 + 0.002 * np.sin(2 * np.pi * 3 * t + phase))[None]


@pytest.mark.parametrize(
    "options",
    [
        {"drag": False, "downwash": False, "ground_effect": False, "motors": False},
        {},
        {"wind": WindConfig((1.0, -0.5, 0.2), "gusts", (0.4, 0.4, 0.2)), "latency": 0.01},
    ],
    ids=["bare", "all", "wind"],
)
def test_the_clean_set_agrees_with_closed_form_bodies(make, options):
    scene = swarm([(0, 0, 8.0), (0.02, 0.05, 8.6)], timestep=1e-3, aero=AeroConfig(**options))
    world = make(scene)
    ships = fleet(scene)
    assert ships is not None
    flight = Flight(scene, ships, 1)
    flight.shape = np.array([[0.0, 5.0, 5.0, 0.0]])
    flight.place = np.array([[[0, 0, 0, 1.0, 0, 0, 0]]])
    bad = np.zeros(1, bool)
    for k in range(200):
        rpm = sines(k * 0.01, 2)
        world.step(rpm, 10)
        flight.step(flight.command(rpm), 10, None, bad)
    assert np.abs(flight.view.position - scene_home(scene)).max() > 0.2
    np.testing.assert_allclose(world.flight.position, flight.view.position, atol=1e-4)
    dot = np.abs((world.flight.quat * flight.view.quat).sum(-1))
    assert np.rad2deg(2 * np.arccos(np.minimum(dot, 1))).max() < 0.01
    np.testing.assert_allclose(world.flight.rotor_speed, flight.view.rotor_speed, rtol=1e-12)


def scene_home(scene):
    return np.array([r.position for r in scene.robots])


def test_free_fall_and_spin_have_no_hidden_damping(make):
    world = make(swarm([(0, 0, 50.0)], timestep=1e-3, aero=AeroConfig(drag=False)))
    spin = np.array([0.0, 0, 0, 3.0, 2.0, 20.0])
    world.set_velocity("d0_drone", spin)
    inertia = np.array([1.4e-5, 1.4e-5, 2.17e-5])

    def momentum():
        w, x, y, z = world.flight.quat[0, 0]
        body = inertia * world.flight.omega_body[0, 0]
        q = np.array([w, x, y, z])
        pure = quat_multiply(quat_multiply(q, np.array([0, *body])), q * [1, -1, -1, -1])
        return pure[1:]

    before = momentum()
    world.step(np.zeros((1, 4)), 1000)
    # semi-implicit Euler falls by g (t^2 + h t) / 2
    np.testing.assert_allclose(world.flight.position[0, 0, 2], 50 - 9.81 * 1.001 / 2, atol=1e-9)
    # Bullet's gyroscopic torque is explicit, so the vector wanders by O(h)
    np.testing.assert_allclose(momentum(), before, atol=0.02 * float(np.linalg.norm(before)))


@pytest.mark.parametrize("mode", ["PYB", "PYB_GND_DRAG_DW", "DYN", ""])
def test_a_restored_flight_continues_with_the_same_bits(make, mode):
    scene = swarm(
        [(0, 0, 1.0), (0.1, 0, 1.5)], timestep=1 / 240, gravity=COMPAT_GRAVITY,
        aero=compat(mode) if mode else AeroConfig(latency=0.02),
    )  # fmt: skip
    world, fresh = make(scene, 2), make(scene, 2)
    rng = np.random.default_rng(0)
    commands = HOVER * (1 + 0.03 * rng.standard_normal((12, 2, 8)))
    for rpm in commands[:6]:
        world.step(rpm, 5)
    snapshot = world.snapshot()
    for rpm in commands[6:]:
        world.step(rpm, 5)
    fresh.set_state(snapshot.state[::-1])
    for rpm in commands[6:]:
        fresh.step(rpm[::-1], 5)
    np.testing.assert_array_equal(fresh.get_state(), world.get_state()[::-1])
    assert np.isfinite(world.get_state()).all()


def test_mass_and_inertia_are_per_world(make):
    world = make(swarm([(0, 0, 5.0)], timestep=1e-3, aero=STILL_AIR), 3)
    mass = np.array([[0.02], [0.027], [0.04]])
    world.set_parameters({"mass": mass})
    inertia = np.array([[[1.4e-5, 1.4e-5, 2.17e-5]], [[2.8e-5, 1.4e-5, 2.17e-5]]])
    world.set_parameters({"inertia": inertia}, np.array([True, True, False]))
    rpm = np.tile([HOVER * 0.999, HOVER * 0.999, HOVER * 1.001, HOVER * 1.001], (3, 1))
    state = world.get_state()
    world.step(rpm, 1)
    thrust = 3.16e-10 * (rpm[0] ** 2).sum()
    np.testing.assert_allclose(
        world.flight.velocity[:, 0, 2], 1e-3 * (thrust / mass[:, 0] - 9.81), rtol=1e-9
    )
    rates = world.flight.omega_body[:, 0, 0]
    assert rates[0] == pytest.approx(2 * rates[1]) and rates[0] == pytest.approx(rates[2])
    # parameters are part of the state
    after = world.get_state()
    world.set_parameters({"mass": np.full((3, 1), 0.1)})
    world.set_state(state)
    world.step(rpm, 1)
    np.testing.assert_array_equal(world.get_state(), after)
    with pytest.raises(ConfigError, match="weight"):
        world.set_parameters({"weight": mass})


def test_ground_effect_is_over_what_is_below(make):
    box = BodySpec("table", movable_base=True, geoms=(GeomSpec("top", "box", (0.3, 0.3, 0.5)),))
    scene = swarm([(0, 0, 1.05)], timestep=1e-3, aero=AeroConfig(motors=False, drag=False))
    world = make(replace(scene, bodies=(box,)), 2)
    world.set_pose("table", [[0, 0, 0.5, 1, 0, 0, 0], [3, 0, 0.5, 1, 0, 0, 0]])
    world.refresh()
    world.step(np.full((2, 4), HOVER), 1)
    thrust = 4 * 3.16e-10 * HOVER**2 / 0.027
    gain = (world.flight.velocity[:, 0, 2] / 1e-3 + 9.81) / thrust - 1
    # 15.21 % at 5 cm (c = 11.36859, R = 2.31348 cm), nothing beside the table
    np.testing.assert_allclose(gain, [0.1521, 3.3e-4], atol=1e-4)


def test_drones_land_on_the_floor_and_hit_each_other(make):
    world = make(swarm([(0, 0, 0.3), (1, 0, 0.3), (1.02, 0, 0.6)], timestep=1 / 240))
    assert not world.contacts("d0_drone", "floor").any()
    world.step(np.zeros((1, 12)), 240)
    np.testing.assert_allclose(world.flight.position[0, :2, 2], 0.0125, atol=2e-3)
    assert world.contacts("d0_drone", "floor").all()
    assert world.contacts("d1_drone", "d2_drone").all()
    assert not world.contacts("d0_drone", "d1_drone").any()


def test_masked_worlds_fly_and_the_others_stand(make):
    world = make(swarm([(0, 0, 1.0)], timestep=1 / 240), 3)
    before = world.get_state()
    mask = np.array([True, False, True])
    world.step(np.full((3, 4), 15000.0), 10, mask)
    np.testing.assert_array_equal(world.get_state()[1], before[1])
    assert (world.flight.position[mask, 0, 2] != 1.0).all()
    world.reset(mask)
    np.testing.assert_array_equal(world.get_state(), before)


def test_bad_commands_name_drone_and_rotor(make):
    world = make(swarm([(0, 0, 1.0)], timestep=1 / 240))
    with pytest.raises(ActionError, match=r"d0_drone.*rotor 2.*expected 0 to 2"):
        world.step([[0, 0, 1e6, 0]], 1)
    with pytest.raises(ActionError, match=r"\(1, 4\)"):
        world.step([[0.0, 0, 0]], 1)
