"""PayloadTransport: the load is judged, the cable bears, the swing is damped."""

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from octoworld.core.errors import ConfigError
from tasks.drones.payload_transport import CABLE, SWING, PayloadTransport
from tasks.drones.pilot import Pilot
from tasks.env import task_env


def carried(pilot_of, count: int = 6) -> tuple[Any, np.ndarray]:
    """The environment after an episode, and the loads' speeds (T, N)."""
    env: Any = task_env(
        "PayloadTransport", count, num_threads=1, autoreset_mode=AutoresetMode.DISABLED
    )  # fmt: skip
    env.reset(seed=list(range(30, 30 + count)))
    pilot, speeds = pilot_of(env.task), []
    for _ in range(env.max_episode_length):
        env.step(pilot.act(env.world))
        speeds.append(env.judged["load_speed"])
    env.close()
    return env, np.array(speeds)


def test_starts_hang_taut_from_a_tilted_cable():
    env: Any = task_env("PayloadTransport", 12, num_threads=1)
    obs, _ = env.reset(seed=0)
    way = env.world.flight.position[:, 0] - env.world.pose("load")[:, :3]
    assert np.allclose(np.linalg.norm(way, axis=-1), CABLE, atol=1e-9)
    angle = np.arccos(way[:, 2] / CABLE)
    assert (angle <= SWING).all() and angle.std() > 0.02
    assert isinstance(env.task, PayloadTransport)
    assert np.allclose(obs[:, -6:-3], -way, atol=1e-6)
    assert not env.task.evaluate(env.world)["failure"].any()
    env.close()


def test_the_expert_brings_the_load_to_rest_in_a_time_that_a_plain_pilot_cannot():
    env, speeds = carried(lambda task: task.expert())
    assert env.judged["success"].all()
    assert speeds[-48:].max() < 0.05
    assert np.allclose(
        env.world.flight.position[:, 0, 2] - env.world.pose("load")[:, 2], CABLE, atol=0.003
    )
    # a controller that knows nothing of the load sinks under its weight, then creeps back
    low, _ = carried(Pilot, 3)
    assert not low.judged["success"].any() and not low.judged["failure"].any()


def test_a_load_on_the_floor_is_a_crash_and_idling_ends_there():
    env = task_env("PayloadTransport", 3, num_threads=1, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=5)
    total = np.zeros(3)
    while env.live.any():
        _, reward, terminated, _, _ = env.step(np.zeros((3, 4), np.float32))
        total += reward
    assert terminated.all() and env.judged["crashed"].all()
    assert (total < 0.2 * env.max_episode_length).all()
    env.close()


def test_backends_without_cables_say_so():
    with pytest.raises(ConfigError, match="use backend 'mujoco'"):
        task_env("PayloadTransport", 1, backend="rotorcraft")
