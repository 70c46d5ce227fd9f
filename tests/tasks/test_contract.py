"""One contract for every registered task."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from octoworld.core.errors import ActionError, ConfigError, UnknownNameError
from octoworld.core.registry import ROBOTS, TASKS
from tasks.env import TaskEnv, task_env

NAMES = TASKS.names()
ARMS = [name for name in NAMES if TASKS.get(name).robot == "panda"]


@pytest.fixture(params=NAMES)
def env(request):
    env = task_env(request.param, 3, num_threads=1)
    yield env
    env.close()


@pytest.fixture(params=ARMS)
def arm(request):
    env = task_env(request.param, 3, num_threads=1)
    yield env
    env.close()


def random_actions(env: TaskEnv, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, env.action_space.shape).astype(np.float32)


def gentle(env: TaskEnv, seed: int) -> np.ndarray:
    """Actions that crash nothing within a few steps: a restored world draws other starts next."""
    return 0.2 * random_actions(env, seed)


def test_four_tasks_of_the_table_top_are_registered():
    assert set(ARMS) >= {"PushToZone", "PickUp", "PlaceInBin", "OpenDrawer"}


def test_description_is_complete(env):
    task = env.task
    assert TASKS.get(task.name) is type(task)
    assert task.robot in ROBOTS
    assert task.max_steps == env.max_episode_length == round(task.max_seconds * task.fps)
    names = {c.name for c in (*env.world.scene.cameras, *ROBOTS.get(task.robot)().cameras)}
    assert set(task.cameras) <= names


def test_every_number_has_a_name(env):
    """As data sets store them: one name a number, no two alike."""
    parts = env.task.observe(env.world)
    for names, count in (
        (env.drive.action_names, env.num_acts),
        (env.task.state_names, parts["observation.state"].shape[1]),
    ):
        assert len(set(names)) == len(names) == count, names


def test_observations_fit_their_spaces(env):
    obs, _ = env.reset(seed=0)
    assert env.observation_space.contains(obs)
    obs, reward, terminated, truncated, infos = env.step(random_actions(env))
    assert env.observation_space.contains(obs)
    assert obs.dtype == np.float32 and np.isfinite(obs).all()
    assert reward.shape == terminated.shape == truncated.shape == (3,)
    assert infos["success"].shape == (3,) and infos["_success"].all()


def test_vision_shows_the_tasks_cameras(env):
    vision = task_env(env.task.name, 2, obs_mode="vision", num_threads=1)
    obs, _ = vision.reset(seed=0)
    assert set(obs) == {f"observation.images.{c}" for c in env.task.cameras} | {"observation.state"}
    assert vision.observation_space.contains(obs)
    space = vision.single_observation_space
    assert isinstance(space, gymnasium.spaces.Dict)
    for camera in env.task.cameras:
        image = obs[f"observation.images.{camera}"]
        shape = space[f"observation.images.{camera}"].shape
        assert shape and image.shape == (2, *shape) and image.std() > 10
    vision.close()


def test_same_seed_same_episode(env):
    runs = []
    for _ in range(2):
        first, _ = env.reset(seed=11)
        steps = [env.step(random_actions(env, k))[:2] for k in range(4)]
        runs.append((first, env.instructions, steps))
    (first_a, words_a, steps_a), (first_b, words_b, steps_b) = runs
    assert np.array_equal(first_a, first_b)
    assert words_a == words_b
    for (obs_a, reward_a), (obs_b, reward_b) in zip(steps_a, steps_b, strict=True):
        assert np.array_equal(obs_a, obs_b) and np.array_equal(reward_a, reward_b)


def test_a_start_is_a_function_of_the_worlds_seed_alone(env):
    together, _ = env.reset(seed=[5, 6, 7])
    words = env.instructions[1]
    alone, _ = env.reset(seed=[6, 100, 200])
    assert np.array_equal(together[1], alone[0])
    assert env.instructions[0] == words
    assert not np.array_equal(alone[0], alone[1])


def test_rewards_and_terms_are_in_unit_range(env):
    env.reset(seed=0)
    for k in range(6):
        env.step(random_actions(env, k))
        total, terms = env.task.reward(env.task.evaluate(env.world))
        for value in (total, *terms.values()):
            assert value.shape == (3,)
            assert (value >= 0).all() and (value <= 1).all()


def test_no_start_is_a_success(env):
    for seed in range(0, 60, 3):
        env.reset(seed=seed)
        assert not env.task.evaluate(env.world)["success"].any()


def test_recorded_states_restore_to_the_bit(env):
    env.reset(seed=3)
    for k in range(3):
        env.step(gentle(env, k))
    state, words = env.sim_state(), env.instructions
    expected = [env.step(gentle(env, k))[0] for k in range(10, 14)]
    # rows may go into other worlds, of an environment that was elsewhere
    env.reset(seed=77)
    order = np.array([2, 0, 1])
    env.restore_worlds(np.ones(3, bool), state[order])
    assert env.instructions == [words[i] for i in order]
    assert np.array_equal(env.sim_state(), state[order])
    for k, want in zip(range(10, 14), expected, strict=True):
        obs = env.step(gentle(env, k)[order])[0]
        assert np.array_equal(obs, want[order])


def test_states_recorded_mid_grasp_restore_to_the_bit(arm):
    env = task_env(arm.task.name, 3, terminate_on_success=False, num_threads=1)
    env.reset(seed=4)
    expert = env.task.expert()
    for _ in range(8):
        env.step(expert.act(env.world))
    state = env.sim_state()
    expected = [env.step(expert.act(env.world))[0] for _ in range(2)]
    env.restore_worlds(np.ones(3, bool), state)
    for want in expected:
        assert np.array_equal(env.step(expert.act(env.world))[0], want)


def test_restoring_some_worlds_leaves_the_others(env):
    env.reset(seed=3)
    state = env.sim_state()
    env.step(random_actions(env))
    untouched = env.sim_state()[2]
    env.restore_worlds(np.array([True, True, False]), state[:2])
    assert np.array_equal(env.sim_state()[:2], state[:2])
    assert np.array_equal(env.sim_state()[2], untouched)
    assert env.progress_buf.tolist() == [0, 0, 1]
    with pytest.raises(ConfigError, match="rows"):
        env.restore_worlds(np.array([True, True, False]), state)


def test_steps_and_episodes_of_physics_are_counted(env):
    env.reset(seed=0)
    for k in range(3):
        env.step(random_actions(env, k))
    assert env.true_steps == 9 and env.true_episodes == 3


def test_ended_worlds_stand_still(env):
    held = task_env(
        env.task.name, 2, num_threads=1, autoreset_mode=AutoresetMode.DISABLED, max_episode_length=2
    )
    held.reset(seed=0)
    for k in range(2):
        held.step(random_actions(held, k))
    held.reset(options={"reset_mask": np.array([True, False])})
    before = held.sim_state()
    held.step(random_actions(held, 5))
    assert np.array_equal(held.sim_state()[1], before[1])
    assert not np.array_equal(held.sim_state()[0], before[0])


def test_a_world_whose_physics_diverges_fails_and_starts_anew(arm):
    arm.reset(seed=0)
    state = arm.world.get_state()
    velocity = 1 + arm.world.model.nq  # time, positions, then velocities
    state[1, velocity : velocity + 7] = 1e12
    arm.world.set_state(state)
    _, reward, terminated, _, infos = arm.step(np.zeros(arm.action_space.shape, np.float32))
    assert terminated.tolist() == [False, True, False]
    assert infos["diverged"].tolist() == [False, True, False]
    assert reward[1] == 0 and not infos["success"][1]
    assert arm.progress_buf.tolist() == [1, 0, 1]


def test_bad_actions_are_refused(env):
    env.reset(seed=0)
    with pytest.raises(ActionError, match="expected"):
        env.step(np.zeros((3, 2), np.float32))
    broken = random_actions(env)
    broken[1, 0] = np.nan
    with pytest.raises(ActionError, match="world 1"):
        env.step(broken)


def test_other_control_modes_drive_the_same_task(arm):
    other = task_env(arm.task.name, 2, control_mode="joint_delta_pos", num_threads=1)
    assert other.action_space.shape == (2, 8)
    other.reset(seed=0)
    other.step(random_actions(other))
    assert isinstance(other.single_action_space, gymnasium.spaces.Box)


def test_unknown_names_list_the_choices():
    with pytest.raises(UnknownNameError, match="PickUp"):
        task_env("PickUpp")
    with pytest.raises(UnknownNameError, match="ee_delta_pos"):
        task_env("PickUp", control_mode="velocity")
    with pytest.raises(ConfigError, match="vision"):
        task_env("PickUp", obs_mode="pixels")  # type: ignore[arg-type]
