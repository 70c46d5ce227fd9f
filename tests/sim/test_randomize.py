"""Randomised physics: what is drawn, that it reaches the engine, that seeds repeat it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoworld.core.errors import ConfigError, UnknownNameError
from octoworld.core.rng import WorldRng
from sim.backends.rotorcraft import RotorcraftWorld
from sim.randomize import PRESETS, Randomizer, Spread, spread
from sim.rotors.flight import Flight
from tasks.drones.flying import FlyingTask
from tasks.env import TaskEnv, task_env

KNOWN = ("mass_scale", "motor_time_constant")
FLIGHT = {"randomize": "flight", "aero": {"latency": 0.02}}


def flying(env: TaskEnv) -> FlyingTask:
    assert isinstance(env.task, FlyingTask)
    return env.task


def air(env: TaskEnv) -> Flight:
    assert isinstance(env.world, RotorcraftWorld)
    return env.world._air


def sampled_by(env: TaskEnv) -> dict[str, np.ndarray]:
    randomizer = flying(env).randomizer
    assert randomizer is not None
    return randomizer.sampled()


@given(st.floats(1e-3, 10), st.floats(0, 10), st.booleans(), st.floats(0, 1, exclude_max=True))
def test_draws_stay_in_range(low, more, log, unit):
    drawn = Spread(low, low + more, log).at(np.array([unit]))[0]
    assert low * (1 - 1e-12) <= drawn <= (low + more) * (1 + 1e-12)


def test_a_logarithmic_spread_has_its_median_in_the_middle():
    assert Spread(0.1, 10.0, log=True).at(np.array([0.5])) == pytest.approx(1.0)
    assert Spread(0.0, 10.0).at(np.array([0.5])) == pytest.approx(5.0)


def test_ways_to_write_a_spread():
    assert spread(0.072) == Spread(0.072, 0.072)
    assert spread([0.8, 1.2]) == Spread(0.8, 1.2)
    assert spread({"low": 0.1, "high": 1.0, "log": True}) == Spread(0.1, 1.0, True)


@pytest.mark.parametrize(
    ("ranges", "kind", "words"),
    [
        ({"mass": 1.0}, UnknownNameError, "mass_scale"),
        ("storm", UnknownNameError, "flight"),
        ({"mass_scale": [1.2, 0.8]}, ConfigError, "ordered"),
        ({"mass_scale": [1.0]}, ConfigError, r"\[low, high\]"),
        ({"mass_scale": {"low": 0.0, "high": 1.0, "log": True}}, ConfigError, "logarithm"),
    ],
)
def test_bad_ranges_say_what_is_wrong(ranges, kind, words):
    with pytest.raises(kind, match=words):
        Randomizer(ranges, KNOWN, 2, 1)


def test_a_world_draws_from_its_own_seed_alone():
    ranges = {"mass_scale": [0.8, 1.2], "motor_time_constant": 0.072}
    many, one = Randomizer(ranges, KNOWN, 3, 2), Randomizer(ranges, KNOWN, 1, 2)
    many.draw(np.ones(3, bool), WorldRng([5, 6, 7]))
    one.draw(np.ones(1, bool), WorldRng([6]))
    assert np.array_equal(many.values[1], one.values[0])
    assert np.ptp(many.sampled()["mass_scale"]) > 0.01
    assert (many.sampled()["motor_time_constant"] == 0.072).all()
    before = many.values.copy()
    many.draw(np.array([True, False, False]), WorldRng([8, 8, 8]))
    assert np.array_equal(many.values[1:], before[1:]) and (many.values[0] != before[0]).any()


@pytest.mark.parametrize("task", ["Hover", "MultiHover"])
def test_draws_reach_the_physics_and_leave_starts_alone(task):
    plain = task_env(task, 4)
    drawn = task_env(task, 4, task_options=FLIGHT)
    seeds = [1, 2, 3, 4]
    first, second = plain.reset(seed=seeds)[0], drawn.reset(seed=seeds)[0]
    assert np.array_equal(first, second)
    physics, sampled = air(drawn).parameters, sampled_by(drawn)
    assert set(sampled) == set(PRESETS["flight"])
    nominal = air(drawn).fleet.parameters
    assert np.allclose(physics.mass / nominal.mass, sampled["mass_scale"])
    assert np.allclose(
        physics.inertia / np.where(nominal.inertia == 0, 1, nominal.inertia),
        np.where(nominal.inertia == 0, 0, sampled["inertia_scale"][..., None]),
    )
    assert np.allclose(
        physics.thrust[..., 1] / nominal.thrust[..., 1], sampled["thrust_scale"][..., None]
    )
    assert np.allclose(physics.rates[..., 0], 1 / 0.072)
    for name in ("mass_scale", "inertia_scale", "thrust_scale"):
        assert 0.8 <= sampled[name].min() < sampled[name].max() <= 1.2
    plain.close()
    drawn.close()


def test_recorded_states_keep_their_physics():
    """A heavy drone put back into another episode is still heavy, and falls on alike."""
    env = task_env("Hover", 2, task_options=FLIGHT)
    env.reset(seed=[1, 2])
    kept = env.sim_state()
    action = np.zeros((2, env.num_acts), np.float32)
    first = [env.step(action)[0] for _ in range(5)]
    masses = sampled_by(env)["mass_scale"].copy()
    env.reset(seed=[3, 4])
    assert not np.array_equal(sampled_by(env)["mass_scale"], masses)
    env.restore_worlds(np.ones(2, bool), kept)
    assert np.array_equal(sampled_by(env)["mass_scale"], masses)
    again = [env.step(action)[0] for _ in range(5)]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    env.close()


def test_last_actions_are_seen_latest_first():
    env = task_env("MultiHover", 2, task_options={"num_last_actions": 3})
    env.reset(seed=0)
    rng, given_actions = np.random.default_rng(0), []
    for _ in range(4):
        given_actions.append(rng.uniform(-0.1, 0.1, (2, env.num_acts)).astype(np.float32))
        env.step(given_actions[-1])
    assert isinstance(env.world, RotorcraftWorld)
    felt = flying(env).drone_observations(env.world)[0]
    for drone in range(2):
        shown = felt[:, drone, 16:].reshape(2, 3, 4)
        for back in range(3):
            wanted = given_actions[-1 - back].reshape(2, 2, 4)[:, drone]
            assert np.allclose(shown[:, back], wanted)
    env.close()
