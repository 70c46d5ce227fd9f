"""Team tasks: one contract for all, and what each of them judges."""

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from octoworld.core.errors import ConfigError
from octoworld.core.registry import TASKS
from octoworld.core.rng import WorldRng
from tasks.drones.downwash_crossing import FLY, CrossingPilot, minimum_jerk
from tasks.drones.formation import SHAPES, SPACING, formation
from tasks.drones.multi import TeamTask
from tasks.drones.multi_parts import apart, crowded
from tasks.drones.multi_pilot import GAP, give_way
from tasks.drones.pilot import Pilot
from tasks.env import task_env

NAMES = [name for name in TASKS.names() if issubclass(TASKS.get(name), TeamTask)]
FIRST_SEED = 7_000_000


def team_env(name: str, num_envs: int = 3, **task_options) -> Any:
    env = task_env(
        name, num_envs, autoreset_mode=AutoresetMode.DISABLED, num_threads=1,
        task_options=task_options,
    )  # fmt: skip
    env.reset(seed=FIRST_SEED)
    return env


def random_actions(env: Any, seed: int, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-scale, scale, env.action_space.shape)


def place(env: Any, drone: int, position, world: int = 0) -> None:
    mask = np.arange(env.num_envs) == world
    env.world.set_pose(env.task.drones[drone], np.array([[*position, 1, 0, 0, 0]]), mask)


def test_all_are_registered():
    assert set(NAMES) >= {
        "MultiHover", "Formation", "LeaderFollower", "Flock", "MeetUp", "DownwashCrossing",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_expert_succeeds_without_collision_and_plays_to_the_clock(name):
    env = team_env(name, 6)
    expert = env.task.expert()
    returns, best = np.zeros(6), np.zeros(6)
    reward, infos = returns, {}
    for k in range(env.max_episode_length):
        _, reward, terminated, truncated, infos = env.step(expert.act(env.world))
        assert not terminated.any() and truncated.all() == (k == env.max_episode_length - 1)
        assert not infos["collided"].any() and not infos["crashed"].any()
        returns += reward
        best = np.where(infos["success"], np.maximum(best, reward), best)
    assert infos["success"].all()
    # to stay is worth as much as to arrive
    assert (reward > best - 0.05).all() and (reward > 0.85).all()
    assert (returns > 0.5 * env.max_episode_length).all()


@pytest.mark.parametrize("name", NAMES)
def test_doing_nothing_earns_less_than_a_fifth(name):
    env = team_env(name, 16)
    returns = np.zeros(16)
    for _ in range(env.max_episode_length):
        returns += env.step(np.zeros(env.action_space.shape))[1]
    assert (returns < 0.2 * env.max_episode_length).all()
    assert not env.extras["success"].any()


@pytest.mark.parametrize("name", NAMES)
def test_rewards_of_drones_and_team_agree_and_lie_in_the_unit_range(name):
    env = team_env(name)
    drones = env.task.num_drones
    for k in range(10):
        _, reward, *_, infos = env.step(random_actions(env, k))
        rewards = env.team.rewards()
        assert rewards.shape == env.team.failures().shape == (3, drones)
        assert (rewards >= 0).all() and (rewards <= 1).all()
        live = ~env.team.failures().any(axis=1)
        assert np.allclose(rewards.mean(axis=1)[live], reward[live], atol=1e-6)
        terms = {k: v for k, v in infos.items() if k.startswith("reward/")}
        assert terms
        for value in terms.values():
            assert value.shape == (3,) and (value >= 0).all() and (value <= 1).all()


@pytest.mark.parametrize("name", NAMES)
def test_starts_lie_apart_and_are_functions_of_their_seed(name):
    env = team_env(name, 24)
    position = env.world.flight.position.copy()
    distance = np.linalg.norm(position[:, :, None] - position[:, None], axis=-1)
    assert distance[:, ~np.eye(env.task.num_drones, dtype=bool)].min() > 0.3
    assert not env.task.evaluate(env.world)["failure"].any()
    obs = env.obs_buf.copy()
    again, _ = env.reset(seed=[FIRST_SEED + 5] + [1] * 23)
    assert np.array_equal(again[0], obs[5]) and np.array_equal(again[2], again[1])
    assert not np.array_equal(again[0], again[1])


@pytest.mark.parametrize("name", NAMES)
def test_recorded_states_restore_to_the_bit_and_ended_worlds_stand_still(name):
    env = team_env(name)
    for k in range(4):
        env.step(random_actions(env, k, 0.05))
    state = env.sim_state()
    expected = [env.step(random_actions(env, k, 0.05))[:2] for k in range(4, 8)]
    env.reset(seed=1)
    order = np.array([2, 0, 1])
    env.restore_worlds(np.ones(3, bool), state[order])
    for k, (obs, reward) in zip(range(4, 8), expected, strict=True):
        seen = env.step(random_actions(env, k, 0.05)[order])
        assert np.array_equal(seen[0], obs[order]) and np.array_equal(seen[1], reward[order])
    place(env, 0, (0, 0, 0.01))
    assert env.step(np.zeros(env.action_space.shape))[2].tolist() == [True, False, False]
    kept = env.sim_state()
    env.step(np.zeros(env.action_space.shape))
    assert np.array_equal(env.sim_state()[0], kept[0])
    assert not np.array_equal(env.sim_state()[1], kept[1])


@pytest.mark.parametrize("name", NAMES)
def test_an_agents_observation_is_its_own(name):
    env = team_env(name)
    task, team = env.task, env.team
    env.step(random_actions(env, 0, 0.1))
    felt, goal = task.drone_observations(env.world)
    rows = team.split(env.obs_buf)
    assert rows.shape == (3, task.num_drones, team.obs_dim)
    assert np.allclose(rows, np.concatenate([felt, goal], axis=2), atol=1e-5)
    assert team.action_dim * task.num_drones == env.num_acts


def test_a_collision_puts_both_drones_out():
    env = team_env("MultiHover", 2, num_drones=3)
    place(env, 0, (2.0, 0, 1.5))
    place(env, 1, (2.1, 0, 1.5))
    _, reward, terminated, _, infos = env.step(np.zeros(env.action_space.shape))
    assert infos["collided"].tolist() == [True, False] == terminated.tolist()
    assert env.team.failures()[0].tolist() == [True, True, False]
    assert reward[0] == 0 < reward[1] and infos["num_out"][0] == 2


def test_drones_above_each_other_do_not_collide():
    task: Any = TASKS.get("MultiHover")(1)
    near = np.array([[[0, 0, 1.0], [0.12, 0, 1.03]]])
    assert task.collisions(near).tolist() == [[True, True]]
    assert not task.collisions(near + np.array([[0, 0, 0], [0, 0, 0.01]])).any()
    assert not task.collisions(near + np.array([[0, 0, 0], [0.02, 0, 0]])).any()


def test_the_others_go_on_where_only_the_last_one_ends_the_episode():
    env = team_env("MultiHover", 1, num_drones=3, ends_with="last")
    expert = env.task.expert()
    for _ in range(20):
        env.step(expert.act(env.world))
    place(env, 1, (2.0, 0.0, 0.005))
    for _ in range(150):
        _, _, terminated, _, infos = env.step(expert.act(env.world))
        assert not terminated.any()
    flight, rewards = env.world.flight, env.team.rewards()[0]
    assert env.team.failures()[0].tolist() == [False, True, False]
    assert rewards[1] == 0 and rewards[0] > 0.8 < rewards[2]
    assert flight.position[0, 1, 2] < 0.05 and (flight.rotor_speed[0, 1] == 0).all()
    assert not infos["success"].any()
    for drone in (0, 2):
        place(env, drone, (3.0 + drone, 0.0, 0.005))
    assert env.step(np.zeros(env.action_space.shape))[2].all()


def test_mean_error_is_that_of_the_last_two_seconds():
    env = team_env("MultiHover", 2)
    expert, errors = env.task.expert(), []
    for _ in range(130):
        env.step(expert.act(env.world))
        errors.append(np.linalg.norm(env.task.target - env.world.flight.position, axis=-1))
    assert np.allclose(env.task.mean_error(), np.mean(errors[-96:], axis=0))


def test_neighbours_are_the_nearest_ones_in_order():
    env = team_env("Formation", 2, num_drones=6)
    flight = env.world.flight
    seen = env.task.neighbours(env.world).reshape(2, 6, 3, 6)
    for n in range(2):
        for i in range(6):
            way = flight.position[n] - flight.position[n, i]
            order = np.argsort(np.linalg.norm(way, axis=1))[1:4]
            assert np.allclose(seen[n, i, :, :3], way[order])
            assert np.allclose(
                seen[n, i, :, 3:], (flight.velocity[n] - flight.velocity[n, i])[order]
            )
    assert team_env("MultiHover", 1, num_drones=1).task.neighbours(env.world).shape[-1] == 0


def test_safe_velocities_keep_the_gap_and_everyone_arrives():
    mask = np.ones(16, bool)
    draws = WorldRng(range(16))

    def draw(m):
        return draws.uniform(m, (-1.5, -1.5, 0), (1.5, 1.5, 1), (8, 3))

    position, goal = apart(mask, draws, draw, 0.6), apart(mask, draws, draw, 0.6)
    active = np.ones((16, 8), bool)
    for _ in range(700):
        way = goal - position
        length = np.linalg.norm(way, axis=-1, keepdims=True)
        wanted = way * np.minimum(2.0, 1 / np.maximum(length, 1e-9))
        position = position + 0.02 * give_way(position, wanted, active, GAP)
        assert not crowded(position, 0.9 * GAP).any()
    assert np.mean(np.linalg.norm(goal - position, axis=-1) < 0.05) > 0.99


def test_starts_without_room_are_refused():
    mask, rng = np.ones(2, bool), WorldRng(range(2))
    with pytest.raises(ConfigError, match="no room for 9 drones"):
        apart(mask, rng, lambda m: rng.uniform(m, 0, 0.5, (9, 3)), 0.6)


@pytest.mark.parametrize("shape", SHAPES)
def test_places_of_formations_lie_a_spacing_apart(shape):
    for count in (2, 3, 7, 10):
        places = formation(shape, count)
        distance = np.linalg.norm(places[:, None] - places, axis=-1) + 9 * np.eye(count)
        assert distance.min() == pytest.approx(SPACING)
        assert np.allclose(places.mean(axis=0), 0)


def test_formation_gives_places_by_the_least_sum_of_squared_ways():
    env = team_env("Formation", 4, num_drones=5)
    way = np.square(env.task.aim(env.world)).sum()
    place, position = env.task.memory["place"], env.world.flight.position
    for swap in ([1, 0, 2, 3, 4], [0, 1, 4, 3, 2], [1, 2, 3, 4, 0]):
        assert np.square(place[:, swap] - position).sum() > way


def test_minimum_jerk_and_its_derivatives():
    step, time = 1e-5, np.linspace(0.05, 0.95, 10)
    before, now, after = (minimum_jerk(time + d, FLY) for d in (-step, 0, step))
    for order in range(3):
        slope = (after[order] - before[order]) / (2 * step * FLY)
        assert np.allclose(slope, now[order + 1], atol=1e-6)
    ends = [p.tolist() for p in minimum_jerk(np.array([0.0, 1.0]), FLY)]
    assert ends == [[-1, 1], [0, 0], [0, 0], [0, 0]]


def crossing(expert_of) -> tuple[np.ndarray, np.ndarray]:
    """Success (N,) and worst distance of the lower drones from their lines (N,)."""
    env = team_env("DownwashCrossing", 24)
    expert = expert_of(env.task)
    lower = env.task.memory["height"].argmin(axis=1)
    for _ in range(env.max_episode_length):
        env.step(expert.act(env.world))
    return env.extras["success"], env.judged.drones["worst"][np.arange(24), lower]


def test_feeling_the_wake_keeps_the_lower_drone_on_its_line():
    success, worst = crossing(CrossingPilot)
    _, unaware = crossing(Pilot)
    assert success.all() and worst.max() < 0.06
    assert np.median(unaware) > 2 * np.median(worst)


def test_going_round_each_other_is_no_crossing():
    class Round(CrossingPilot):
        def setpoint(self, world):
            setpoint = super().setpoint(world)
            heading = self.task.memory["heading"]
            side = np.stack([-np.sin(heading), np.cos(heading), 0 * heading], axis=1)
            late = np.clip(self.task.memory["clock"] / 48 - 1, 0, 1)[:, None]
            setpoint.array[:, 0, :3] += 0.2 * late * side
            return setpoint

    success, _ = crossing(Round)
    assert not success.any()


def test_only_the_leader_knows_the_circle():
    env = team_env("LeaderFollower", 1)
    before = env.task.aim(env.world).copy()
    env.task.memory["circle"][:, 0] += 0.5
    after = env.task.aim(env.world)
    assert not np.allclose(before[:, 0], after[:, 0])
    assert np.array_equal(before[:, 1:], after[:, 1:])
    assert before[0, :, -1].tolist() == [1, 0, 0]


def test_flocks_are_told_where_to_fly():
    env = team_env("Flock", 8)
    for world, words in enumerate(env.instructions):
        x, y, _ = env.task.memory["velocity"][world]
        assert ("east" in words) <= (x > 0) and ("north" in words) <= (y > 0)
        assert ("west" in words) <= (x < 0) and ("south" in words) <= (y < 0)


def test_bad_options_are_refused():
    with pytest.raises(ConfigError, match="num_drones 99: task 'MultiHover' takes 1 to 50"):
        team_env("MultiHover", num_drones=99)
    with pytest.raises(ConfigError, match=r"num_drones 3: .* 2 to 2"):
        team_env("DownwashCrossing", num_drones=3)
    with pytest.raises(ConfigError, match="take 2, 4"):
        team_env("MeetUp", num_drones=3)
    with pytest.raises(ConfigError, match="'first' or 'last'"):
        team_env("Flock", ends_with="never")
    with pytest.raises(ConfigError, match="num_drone"):
        team_env("Hover", num_drones=2)
