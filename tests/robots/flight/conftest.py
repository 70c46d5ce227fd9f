"""A sky for flight controllers: worlds of the rotorcraft backend, and random starts in them."""

from __future__ import annotations

import numpy as np
import pytest

from octoworld.core.registry import BACKENDS
from octoworld.core.rotations import quat_from_rotvec
from robots.quadrotor import QuadrotorConfig, quadrotor
from sim.scene import RobotPlacement, Scene

HEIGHT = 5.0


def _sky(robot, num_worlds=1, **options):
    scene = Scene(
        "sky", robots=(RobotPlacement(robot, (0, 0, HEIGHT)),), timestep=1 / 240, **options
    )
    return BACKENDS.get("rotorcraft")(scene, num_worlds)


def _disturb(world, seed=0):
    """+-1 m, +-20 deg, +-1 m/s from the hover point."""
    rng, state = np.random.default_rng(seed), world.flight
    shape = (*state.position.shape[:-1], 3)
    state.position[...] = rng.uniform([-1, -1, HEIGHT - 1], [1, 1, HEIGHT + 1], shape)
    state.quat[...] = quat_from_rotvec(np.radians(20) * rng.uniform(-1, 1, shape))
    state.velocity[...] = rng.uniform(-1, 1, shape)


def _airframes(count, seed=5):
    """Random quadrotors of 50 g to 5 kg."""
    rng, robots = np.random.default_rng(seed), []
    for i in range(count):
        mass = float(np.exp(rng.uniform(np.log(0.05), np.log(5.0))))
        arm = 0.16 * mass ** (1 / 3) * rng.uniform(0.8, 1.3)
        config = QuadrotorConfig(
            name=f"{1000 * mass:.0f} g", mass=mass, arm_length=arm,
            layout="x" if i % 2 else "plus", propeller_diameter=arm * rng.uniform(0.8, 1.3),
            thrust_to_weight=rng.uniform(1.6, 6.0), motor_time_constant=rng.uniform(0.0, 0.08),
        )  # fmt: skip
        robots.append(quadrotor(config))
    return robots


@pytest.fixture
def sky():
    return _sky


@pytest.fixture
def disturb():
    return _disturb


@pytest.fixture
def airframes():
    return _airframes
