"""Mixer: exact where reachable, attitude kept where not."""

import numpy as np
import pytest
import torch

from octoworld.core.errors import ConfigError
from robots.control.flight.mixer import Mixer
from robots.control.flight.model import flight_model
from robots.crazyflie.spec import cf2p, cf2x, cf21b_500
from robots.panda import panda
from robots.racer.spec import racer

ROBOTS = {"cf2x": cf2x, "cf2p": cf2p, "racer": racer, "cf21B_500": cf21b_500}


@pytest.fixture(params=ROBOTS)
def mixer(request):
    return Mixer(flight_model(ROBOTS[request.param]()))


def near_hover(mixer, count, size):
    """Wrenches whose rotor thrusts stay in range while `size` <= 1."""
    rng, model = np.random.default_rng(1), mixer.model
    room = min(model.weight / 4, model.max_rotor_thrust - model.weight / 4) * size / 3
    per_axis = room / np.abs(mixer.inverse[:, 1:]).max(axis=0)
    thrust = model.weight * np.ones(count)
    return thrust, rng.uniform(-1, 1, (count, 3)) * per_axis


def test_what_is_reachable_comes_out(mixer):
    thrust, torque = near_hover(mixer, 200, 1.0)
    got_thrust, got_torque = mixer.wrench(mixer.rpm(thrust, torque))
    np.testing.assert_allclose(got_thrust, thrust, rtol=1e-12)
    scale = np.abs(torque).max(axis=0)
    np.testing.assert_allclose(got_torque / scale, torque / scale, atol=1e-10)


def test_rotors_turn_the_body_the_right_way(mixer):
    """One newton more on a rotor: torque r x f of its hub, by hand."""
    for i, rotor in enumerate(mixer.model.rotors.rotors):
        x, y, _ = rotor.position
        np.testing.assert_allclose(mixer.allocation[:3, i], [1.0, y, -x])
        assert np.sign(mixer.allocation[3, i]) == rotor.spin


@pytest.mark.parametrize("share", [0.0, 0.02, 0.98, 1.0, 1.5])
def test_saturation_keeps_roll_and_pitch(mixer, share):
    """At no thrust, and at full, roll and pitch are still exact: the collective moves."""
    _, torque = near_hover(mixer, 100, 1.5)
    thrust = np.full(100, share * 4 * mixer.max_force)
    forces = mixer.forces(thrust, torque)
    assert forces.min() >= 0
    assert forces.max() <= mixer.max_force
    got = forces @ mixer.allocation.T
    scale = np.abs(torque[:, :2]).max()
    np.testing.assert_allclose(got[:, 1:3] / scale, torque[:, :2] / scale, atol=1e-9)
    # yaw is trimmed, never turned over or overdone
    share = got[:, 3] / torque[:, 2]
    assert share.min() >= -1e-9
    assert share.max() <= 1 + 1e-9


def test_too_much_roll_and_pitch_keep_their_direction(mixer):
    _, torque = near_hover(mixer, 100, 60.0)
    torque[:, 2] = 0
    got = mixer.forces(np.full(100, mixer.model.weight), torque) @ mixer.allocation.T
    along = np.sum(got[:, 1:3] * torque[:, :2], axis=-1)
    lengths = np.linalg.norm(got[:, 1:3], axis=-1) * np.linalg.norm(torque[:, :2], axis=-1)
    np.testing.assert_allclose(along, lengths, rtol=1e-9)
    assert (np.linalg.norm(got[:, 1:3], axis=-1) < np.linalg.norm(torque[:, :2], axis=-1)).any()


def test_yaw_moves_the_thrust_by_its_margin_only(mixer):
    torque = np.zeros((2, 3))
    torque[:, 2] = [1e3, -1e3]
    full = np.full(2, 4 * mixer.max_force)
    lost = full - mixer.wrench(mixer.rpm(full, torque))[0]
    np.testing.assert_allclose(lost, 4 * mixer.max_force * mixer.yaw_margin, rtol=1e-9)
    rigid = Mixer(mixer.model, yaw_margin=0.0)
    np.testing.assert_allclose(rigid.wrench(rigid.rpm(full, torque))[0], full, rtol=1e-9)


def test_any_leading_shape_and_torch(mixer):
    thrust, torque = near_hover(mixer, 24, 8.0)
    flat = mixer.rpm(thrust, torque)
    np.testing.assert_array_equal(
        mixer.rpm(thrust.reshape(2, 3, 4), torque.reshape(2, 3, 4, 3)), flat.reshape(2, 3, 4, 4)
    )
    np.testing.assert_array_equal(mixer.rpm(thrust[3], torque[3]), flat[3])
    tensors = mixer.rpm(torch.tensor(thrust), torch.tensor(torque))
    # a rotor trimmed to no thrust: the root turns 1e-17 N of rounding into 1e-4 rpm
    np.testing.assert_allclose(tensors.numpy(), flat, rtol=1e-12, atol=1e-2)


def test_bad_input():
    with pytest.raises(ConfigError, match="no rotors"):
        flight_model(panda())
    with pytest.raises(ConfigError, match=r"gravity -9\.81"):
        flight_model(cf2x(), gravity=-9.81)
    with pytest.raises(ConfigError, match="yaw_margin 2"):
        Mixer(flight_model(cf2x()), yaw_margin=2)
    from dataclasses import replace

    spec = cf2x()
    assert spec.rotorcraft is not None
    rotors = tuple(replace(r, spin=1) for r in spec.rotorcraft.rotors)
    with pytest.raises(ConfigError, match="independently"):
        flight_model(replace(spec, rotorcraft=replace(spec.rotorcraft, rotors=rotors)))
    weak = replace(spec.rotorcraft, max_rpm=14000.0)
    with pytest.raises(ConfigError, match=r"thrust-to-weight 0\.9"):
        flight_model(replace(spec, rotorcraft=weak))
