"""DSLPID against gym-pybullet-drones itself: 1,000 recorded calls (data/README.md)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from octoworld.core.errors import ActionError, ConfigError
from robots.control.flight.dslpid import DSLPID
from robots.control.flight.setpoint import DroneState, Setpoint
from robots.crazyflie.spec import cf2p, cf2x
from robots.racer.spec import racer

ROBOTS = {"cf2x": cf2x, "cf2p": cf2p}


def recorded(name):
    with np.load(Path(__file__).parent / "data" / "dslpid.npz") as data:
        return data[name].astype(float), data[f"{name}_rpm"], float(data[f"{name}_dt"])


def call(controller, row, kind=np.asarray):
    """One call with the inputs of rows (..., 20)."""
    state = DroneState(
        position=kind(row[..., :3]),
        quat=kind(row[..., [6, 3, 4, 5]]),
        velocity=kind(row[..., 7:10]),
        omega_body=None,
    )
    setpoint = Setpoint.at(row[..., 10:13], row[..., 14:17], yaw=row[..., 13])
    return controller.command(state, Setpoint(kind(setpoint.array)), kind(row[..., 17:20]))


@pytest.mark.parametrize("name", ROBOTS)
def test_one_drone_equals_the_original(name):
    rows, rpm, dt = recorded(name)
    controller = DSLPID(ROBOTS[name](), frequency=1 / dt)
    for sequence in range(10):
        controller.reset()
        for k in range(50):
            got = call(controller, rows[sequence, k])
            np.testing.assert_allclose(got, rpm[sequence, k], rtol=1e-9, err_msg=f"{sequence} {k}")


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_a_batch_equals_the_original(name, kind):
    rows, rpm, dt = recorded(name)
    controller = DSLPID(ROBOTS[name](), (5, 2), frequency=1 / dt)
    for k in range(50):
        row = rows[:, k].reshape(5, 2, 20)
        got = call(controller, row, torch.tensor if kind == "torch" else np.asarray)
        np.testing.assert_allclose(np.asarray(got).reshape(10, 4), rpm[:, k], rtol=1e-9)


def test_the_recording_is_not_all_clipped():
    for name in ROBOTS:
        rpm = recorded(name)[1]
        free = (rpm > 9440.3 + 1e-6) & (rpm < 21666.4475 - 1e-3)
        assert free.mean() > 0.5


def test_memory_is_saved_restored_and_reset_by_mask():
    rows, rpm, dt = recorded("cf2x")
    controller = DSLPID(cf2x(), (10,), frequency=1 / dt)
    for k in range(10):
        call(controller, rows[:, k])
    saved = controller.save()
    after = call(controller, rows[:, 10])
    np.testing.assert_allclose(after, rpm[:, 10], rtol=1e-9)
    controller.restore(saved)
    np.testing.assert_array_equal(call(controller, rows[:, 10]), after)
    mask = np.arange(10) < 4
    controller.reset(mask)
    for value in controller.memory.values():
        assert not value[:4].any()
        assert value[4:].any()
    with pytest.raises(ConfigError, match="mask of shape"):
        controller.reset(np.ones(3, bool))
    with pytest.raises(ConfigError, match="last_rpy"):
        controller.restore({})


def test_holds_a_crazyflie(sky):
    world = sky(cf2x(), 20)
    world.flight.position[...] += np.random.default_rng(0).uniform(-0.4, 0.4, (20, 1, 3))
    controller, target = DSLPID(cf2x(), (20, 1), frequency=240), Setpoint.at([0.0, 0.0, 5.0])
    for _ in range(10 * 240):
        world.step(controller.command(world.flight, target).reshape(20, 4), 1)
    error = np.linalg.norm(world.flight.position - [0, 0, 5], axis=-1)
    assert error.max() < 0.1


def test_bad_input():
    with pytest.raises(ConfigError, match="cf2x and cf2p alone, not for 'racer'"):
        DSLPID(racer(), frequency=240)
    with pytest.raises(ConfigError, match="frequency 0"):
        DSLPID(cf2x(), frequency=0)
    controller = DSLPID(cf2x(), (3,), frequency=240)
    with pytest.raises(ActionError, match=r"shape \(3,\)"):
        call(controller, recorded("cf2x")[0][:2, 0])
