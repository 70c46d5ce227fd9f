"""Every drone task behind the faces that others' code expects, and the same bytes every time."""

import hashlib
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_checker import check_env as check_for_sb3

import octoworld  # noqa: F401 - registers the ids
from octoworld.core.registry import TASKS
from tasks.drones.flying import FlyingTask
from tasks.env import task_env

NAMES = [name for name in TASKS.names() if issubclass(TASKS.get(name), FlyingTask)]
NAMED = {
    "Hover", "TakeOff", "Land", "TrackVelocity", "FlyWaypoints", "TrackCircle", "TrackFigure8",
    "FlyThroughGate", "GateRace", "MultiHover", "Formation", "LeaderFollower", "Flock", "MeetUp",
    "DownwashCrossing", "ObstacleField", "PayloadTransport", "FlyThroughColoredGate",
    "LandOnColoredPad", "GateThenLand",
}  # fmt: skip


def digest(name: str, seed: int, steps: int = 24, worlds: int = 2) -> str:
    """SHA256 of all that a rollout under random actions gives."""
    env, found = task_env(name, worlds, num_threads=1), hashlib.sha256()
    obs, _ = env.reset(seed=seed)
    found.update(obs.tobytes())
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        actions = rng.uniform(-0.5, 0.5, env.action_space.shape).astype(np.float32)
        for part in env.step(actions)[:4]:
            found.update(np.ascontiguousarray(part).tobytes())
    found.update("".join(env.instructions).encode())
    env.close()
    return found.hexdigest()


def test_all_tasks_are_there():
    assert set(NAMES) >= NAMED


@pytest.mark.parametrize("name", NAMES)
def test_gymnasiums_and_sb3s_checkers_are_content(name):
    env = gymnasium.make(f"octoworld/{name}-v0", num_threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # advice: places, velocities and rates have no bounds
        warnings.filterwarnings("ignore", message=".*(minimum|maximum) value is -?infinity")
        check_env(env.unwrapped, skip_render_check=True)
        check_for_sb3(env.unwrapped, skip_render_check=True)
    env.close()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bytes_and_another_other_ones(name):
    first = digest(name, 3)
    assert digest(name, 3) == first != digest(name, 4)


def test_a_thousand_steps_give_the_same_bytes():
    assert digest("Hover", 7, 1000) == digest("Hover", 7, 1000)


@pytest.mark.parametrize("name", NAMES)
def test_a_crash_terminates_and_the_clock_truncates(name):
    env: Any = task_env(
        name, 2, num_threads=1, autoreset_mode=AutoresetMode.DISABLED, max_episode_length=60
    )
    env.reset(seed=11)
    body = env.task.drones[0]
    expert = env.task.expert()
    for k in range(60):
        if k == 55:  # one falls on its back, the other flies on
            pose = [[2.3, 1.2, 0.011, 0, 1, 0, 0]]
            env.world.set_pose(body, pose, np.array([True, False]))
        _, reward, terminated, truncated, infos = env.step(expert.act(env.world))
        if terminated.any():
            break
        assert truncated.tolist() == [k == 59] * 2
    assert terminated.tolist() == [True, False] and not truncated.any()
    assert reward[0] == 0 and infos["failure"].tolist() == [True, False]
    while env.live.any():
        ended = env.sim_state()[0]
        _, _, terminated, truncated, _ = env.step(expert.act(env.world))
        assert np.array_equal(env.sim_state()[0], ended)  # it stands still, and so does its clock
    assert truncated[1] and not terminated[1]
    env.close()


@pytest.mark.parametrize("name", NAMES)
def test_rewards_stay_in_the_unit_range_whatever_is_done(name):
    env = task_env(name, 8, num_threads=1)
    env.reset(seed=21)
    rng, expert = np.random.default_rng(0), env.task.expert()
    for k in range(40):
        wild = rng.uniform(-1, 1, env.action_space.shape)
        actions = wild if k % 8 == 7 else expert.act(env.world)
        reward, terms = env.step(actions)[1], env.extras
        named = [v for key, v in terms.items() if key.startswith("reward/")]
        assert named
        for value in (reward, *named):
            assert value.shape == (8,) and (value >= 0).all() and (value <= 1).all()
    env.close()
