"""Flying robots: figures of their sources, the custom quadcopter, errors."""

import dataclasses

import numpy as np
import pytest

from octoworld.core.errors import ConfigError
from octoworld.core.registry import ROBOTS
from robots.quadrotor import QuadrotorConfig, quadrotor
from robots.rotorcraft import RotorcraftSpec, RotorSpec

FLYERS = ["cf21B_500", "cf2p", "cf2x", "cf2x_L250", "cf2x_P250", "cf2x_T350", "quadrotor", "racer"]


@pytest.mark.parametrize("name", FLYERS)
def test_a_flyer_can_hover_and_is_balanced(name):
    spec = ROBOTS.get(name)()
    craft, body = spec.rotorcraft, spec.bodies[0]
    assert craft is not None and body.name == craft.body and body.joint.kind == "free"
    assert body.mass > 0 and body.inertia is not None and min(body.inertia[:3]) > 0
    x, y, z = sorted(body.inertia[:3])
    assert z <= x + y  # a rigid body's principal moments
    hover = craft.hover_rpm(body.mass)
    assert 0 < hover < craft.max_rpm
    assert 4 * craft.thrust(hover) == pytest.approx(body.mass * 9.81)
    assert sum(r.spin for r in craft.rotors) == 0
    np.testing.assert_allclose(np.sum([r.position for r in craft.rotors], axis=0), 0, atol=1e-12)
    # opposite rotors turn alike, neighbours against each other
    for rotor in craft.rotors:
        opposite = [r for r in craft.rotors if np.allclose(r.position, np.negative(rotor.position))]
        assert [r.spin for r in opposite] == [rotor.spin]


@pytest.mark.parametrize(
    ("name", "hover", "most", "thrust"),
    [
        ("cf2x", 14468.43, 21702.64, 0.59535),
        ("cf2p", 14468.43, 21702.64, 0.59535),
        ("racer", 15494.6, 31640.9, 33.919),
    ],
)
def test_figures_of_gym_pybullet_drones(name, hover, most, thrust):
    spec = ROBOTS.get(name)()
    craft = spec.rotorcraft
    assert craft.hover_rpm(spec.bodies[0].mass, 9.8) == pytest.approx(hover, rel=1e-5)
    assert craft.max_rpm == pytest.approx(most, rel=1e-5)
    assert 4 * craft.thrust(craft.max_rpm) == pytest.approx(thrust, rel=1e-4)


def test_thrust_and_rpm_are_inverse_in_identified_sets():
    craft = ROBOTS.get("cf2x_L250")().rotorcraft
    assert craft.thrust_linear < 0
    for rpm in (8000.0, 15000.0, craft.max_rpm):
        assert craft.rpm(craft.thrust(rpm)) == pytest.approx(rpm)
    assert craft.thrust(craft.max_rpm) == pytest.approx(0.12)


@pytest.mark.parametrize("layout", ["x", "plus"])
def test_quadrotor_is_derived_from_its_config(layout):
    config = QuadrotorConfig(mass=0.8, arm_length=0.15, layout=layout, thrust_to_weight=3.0)
    spec = quadrotor(config)
    craft = spec.rotorcraft
    assert craft is not None
    assert 4 * craft.thrust(craft.max_rpm) == pytest.approx(3 * 0.8 * 9.81)
    assert all(np.hypot(*r.position[:2]) == pytest.approx(0.15) for r in craft.rotors)
    # a dimensional check: power of a propeller = C_P rho n^3 D^5 = torque x angular speed
    n, diameter = 100.0, config.propeller_diameter
    torque = craft.torque_coefficient * (60 * n) ** 2
    power = config.power_number * 1.225 * n**3 * diameter**5
    assert torque * 2 * np.pi * n == pytest.approx(power)
    heavier = quadrotor(dataclasses.replace(config, mass=1.6))
    np.testing.assert_allclose(
        np.array(heavier.bodies[0].inertia), 2 * np.array(spec.bodies[0].inertia)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mass": 0.0}, "mass 0.0 must be above 0"),
        ({"thrust_to_weight": 0.9}, "thrust_to_weight 0.9 must be above 1"),
        ({"propeller_diameter": 0.3}, "0.300 m overlap"),
        ({"layout": "y"}, "layout 'y': expected x or plus"),
        ({"motor_mass": 0.2}, "four of them must weigh less"),
    ],
)
def test_quadrotor_refuses_what_cannot_fly(change, message):
    with pytest.raises(ConfigError, match=message):
        QuadrotorConfig(**change)


def test_a_model_without_motors_is_refused():
    with pytest.raises(ConfigError, match="'hull' has no motors"):
        RotorcraftSpec("hull", (), 1e-9, 1e-11, 1e4)
    with pytest.raises(ConfigError, match="max_rpm -1"):
        RotorcraftSpec("hull", (RotorSpec("a", (0, 0, 0), 1),), 1e-9, 1e-11, -1)
