"""Drones' physics: three engines agree, closed forms, order of convergence, no NaN anywhere."""

import math

import numpy as np
import pytest

from octoworld.core.errors import ConfigError
from octoworld.recipes import drone_physics as physics
from sim.rotors import BatteryConfig, ContactConfig, WindConfig, clean, compat
from sim.rotors.motion import reference_step

ENGINES = physics.installed(("rotorcraft", "mujoco", "pybullet"))


def test_engines_agree_in_the_clean_set():
    assert {"rotorcraft", "mujoco"} <= set(ENGINES)
    found = physics.disagreement(ENGINES)
    assert found["position [m]"] <= 1e-4 and found["attitude [deg]"] <= 0.01
    # they flew, turned, and felt each other's wakes
    assert found["travelled [m]"] > 0.2 and found["tilted [deg]"] > 10


@pytest.mark.parametrize("backend", ENGINES)
def test_free_fall_is_the_closed_form_of_the_step(backend):
    assert physics.fall_error(backend) < 1e-9


def test_a_free_spin_keeps_its_momentum():
    assert physics.spin_error() < 1e-6
    # a coarse step does not: the measure sees what it is for
    assert physics.spin_error(timestep=0.1) > 1e-6


@pytest.mark.parametrize(("integrator", "order"), [("euler", 1.0), ("rk4", 4.0)])
def test_order_of_convergence_to_closed_forms(integrator, order):
    for what, found in physics.convergence_order(integrator).items():
        assert found == pytest.approx(order, abs=0.15), what


@pytest.mark.parametrize(
    "aero",
    [clean(), clean(integrator="rk4"), compat("PYB_GND_DRAG_DW"), compat("PYB_DW"), compat("DYN")],
    ids=["clean", "rk4", "all", "wakes", "dyn"],
)
def test_a_hundred_thousand_random_states_stay_finite(aero):
    assert physics.count_broken(aero, 100_000) == 0


@pytest.mark.parametrize("aero", [clean(), compat("PYB_GND_DRAG_DW")], ids=["clean", "compat"])
def test_the_array_functions_stay_finite_too(aero):
    places = [(0.5 * i, 0.0, 1.0) for i in range(10)]
    scene = physics.scene_of(places, aero=aero, static=physics.OBSTACLES)
    with physics.opened(scene, 500) as world:
        physics.scatter(world, np.random.default_rng(1))
        assert np.isfinite(reference_step(world._air, np.full((500, 10, 4), 1e4))).all()


def test_states_that_break_are_seen():
    with physics.opened(physics.scene_of([(0, 0, 1), (1, 0, 1)], aero=clean()), 4) as world:
        world.flight.velocity[1] = np.inf
        world.flight.velocity[2] = 1e300
        world.step(np.zeros((4, 8)), 1)
        assert world.diverged.tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WindConfig(kind="storm"), r"wind kind 'storm' is unknown. Known: constant, gusts"),  # type: ignore[arg-type]
        (lambda: WindConfig(strength=(-1, 0, 0)), r"strength \(-1, 0, 0\) must not be below 0"),
        (lambda: WindConfig(time_constant=0.0), "time_constant 0.0"),
        (lambda: BatteryConfig(capacity=0.0), "capacity 0.0 must be above 0"),
        (lambda: BatteryConfig(empty_voltage=5.0), "empty_voltage 5.0 .* full_voltage 4.2"),
        (lambda: ContactConfig(friction=-0.1), "friction -0.1 not below 0"),
        (lambda: clean(latency=math.nan), "latency nan must be finite"),
    ],
)
def test_bad_air_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
