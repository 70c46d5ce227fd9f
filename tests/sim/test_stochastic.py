"""Stochastic worlds: each effect does what it says, seeded, replayable, and composable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from scipy import stats

import octoworld
from octoworld.core.errors import ConfigError, UnknownNameError
from octoworld.core.rng import hashed_normal, hashed_uniform
from sim.stochastic import TYPES, parse

N = 64


def make(task="Hover", spec="", num_envs=N, seed=3, **options: Any) -> Any:
    return octoworld.make_vec(task, num_envs, stochastic=spec, seed=seed, **options)


def zeros(env):
    return np.zeros((env.num_envs, *env.single_action_space.shape), np.float32)


def run(env, steps, action=0.0):
    return [env.step(zeros(env) + np.float32(action)) for _ in range(steps)]


def test_hashed_draws_are_even_and_normal_and_independent():
    even: Any = hashed_uniform(np.arange(4000), 1, 2, size=2)
    assert stats.kstest(even.ravel(), "uniform").pvalue > 0.01
    assert abs(np.corrcoef(even.T)[0, 1]) < 0.05
    normal = hashed_normal(np.arange(4000), 1, size=2)
    assert stats.kstest(normal.ravel(), "norm").pvalue > 0.01
    other = hashed_uniform(np.arange(4000), 2, 1, size=2)
    assert abs(np.corrcoef(even[:, 0], other[:, 0])[0, 1]) < 0.05
    assert np.array_equal(even, hashed_uniform(np.arange(4000), 1, 2, size=2))


@pytest.mark.parametrize("kind", TYPES)
def test_every_effect_of_a_type_runs_and_replays(kind):
    for name in TYPES[kind]:
        arm = name in ("nudge", "slip")
        options: Any = {"obs_mode": "vision"} if name in ("blackout", "patch", "pixels") else {}
        task = "PickUp" if arm else "Hover"
        spec = f"{kind}:{name}" + (",sudden@2" if kind == "2.2" else "")
        runs = []
        for _ in range(2):
            env = make(task, spec, num_envs=6, **options)
            results = run(env, 4)
            runs.append(results)
            env.close()
        for a, b in zip(*runs, strict=True):
            first, second = (x[0] for x in (a, b))
            if isinstance(first, dict):
                assert all(np.array_equal(first[k], second[k]) for k in first), name
            else:
                assert np.array_equal(first, second), name


def test_lost_commands_come_as_often_as_said():
    env = make(spec="1:hold,p=0.25")
    lost = np.stack([infos["stochastic/lost"] for *_, infos in run(env, 40)])
    low, high = stats.binomtest(int(lost.sum()), lost.size).proportion_ci(0.999)
    assert low < 0.25 < high


def test_a_lost_command_holds_the_last_one_or_does_nothing():
    for instead, spec in (("held", "1:hold,p=1"), ("zero", "1:zero,p=1")):
        lossy, plain = make(spec=spec), make()
        a, b = run(lossy, 3, action=0.7), run(plain, 3, action=0.0)
        assert np.array_equal(a[-1][0][:, :12], b[-1][0][:, :12]), instead


def test_a_world_does_not_depend_on_its_neighbours():
    many, few = make("PickUp", "1+2.1:nudge,p=0.5", 5), make("PickUp", "1+2.1:nudge,p=0.5", 2)
    for a, b in zip(run(many, 6), run(few, 6), strict=True):
        assert np.array_equal(a[0][:2], b[0])


def test_a_nudge_moves_the_block():
    still, nudged = make("PickUp", num_envs=4), make("PickUp", "2.1:nudge,p=1", num_envs=4)
    before = nudged.world.pose("block")[:, :2].copy()
    run(still, 3), run(nudged, 3)
    assert np.abs(still.world.pose("block")[:, :2] - before).max() < 1e-3
    assert np.linalg.norm(nudged.world.pose("block")[:, :2] - before, axis=1).min() > 1e-3


def test_a_slip_opens_the_gripper():
    env = make("PickUp", "2.1:slip,p=1", num_envs=2)
    run(env, 8, action=-1.0)
    fingers = env.world.joint_position("finger_joint1", "finger_joint2").sum(axis=1)
    assert (fingers > 0.07).all()


def test_drift_comes_suddenly_or_in_turns():
    sudden = make(spec="2.2:wear,sudden@3", num_envs=2)
    turns = make(spec="2.2:wear,cyclic@2", num_envs=2)
    told = [infos["stochastic/concept"][0] for *_, infos in run(sudden, 6)]
    assert told == [0, 0, 0, 1, 1, 1]
    told = [infos["stochastic/concept"][0] for *_, infos in run(turns, 6)]
    assert told == [0, 0, 1, 1, 0, 0]


@pytest.mark.parametrize(("name", "sign"), [("wear", -1), ("payload", -1)])
def test_worn_propellers_and_payloads_pull_a_drone_down(name, sign):
    drifting, plain = make(spec=f"2.2:{name},sudden@1"), make()
    run(drifting, 10), run(plain, 10)
    fallen = drifting.world.flight.position[..., 2] - plain.world.flight.position[..., 2]
    assert (sign * fallen > 0).all()


def test_dropped_sensors_are_zero_as_often_as_said():
    env = make(spec="3.2:drop,p=0.3")
    obs = np.stack([r[0] for r in run(env, 10)])
    plain = np.stack([r[0] for r in run(make(), 10)])
    dropped = (obs == 0) & (plain != 0)
    assert np.array_equal(obs[~dropped], plain[~dropped])
    assert 0.25 < dropped[plain != 0].mean() < 0.35


def test_dirt_stays_where_it_is():
    env = make("PickUp", "3.1:pixels+3.2:patch", num_envs=3, cameras=["front"])
    images = [r[0]["observation.images.front"] for r in run(env, 3)]
    black = [(x == 0).all(axis=-1) for x in images]
    share = black[0].mean(axis=(1, 2))
    assert ((share > 0.12) & (share < 0.25)).all()
    assert all((black[0] & b).mean() > 0.12 for b in black)


def test_recorded_states_hold_the_effects_memory():
    env = make("Hover", "1:hold+2.2:wear,sudden@4", 8, autoreset_mode=AutoresetMode.DISABLED)
    run(env, 5, action=0.1)
    state = env.sim_state()
    other = make("Hover", "1:hold+2.2:wear,sudden@4", 8, autoreset_mode=AutoresetMode.DISABLED)
    other.restore_worlds(np.ones(8, bool), state)
    assert np.array_equal(other.sim_state(), state)
    assert other.effects[1].memory["concept"].tolist() == [1.0] * 8


def test_bad_words_are_told():
    for spec, error, said in (
        ("4", UnknownNameError, "3.2"),
        ("2.1:storm", UnknownNameError, "gust"),
        ("1:p=2", ConfigError, "within"),
        ("1:q=2", ConfigError, "has no 'q'"),
        ("2.2:later@3", ConfigError, "sudden@STEPS"),
        ("2.2:sudden@x", ConfigError, "no number"),
    ):
        with pytest.raises(error, match=said):
            parse(spec)
    with pytest.raises(ConfigError, match="no gripper"):
        make(spec="2.1:slip")
    with pytest.raises(ConfigError, match="rotorcraft"):
        make("PickUp", "2.2:payload")
    with pytest.raises(ConfigError, match="vision"):
        make(spec="3.2:blackout")
    with pytest.raises(ConfigError, match="randomises"):
        make(spec="2.2:wear", task_options={"randomize": "flight"})


def test_noise_has_the_deviation_asked_for_and_a_bias_lasts_an_episode():
    plain, noisy = make(spec=""), make(spec="noise:observation,std=0.02,bias=0.1")
    gaps = np.stack([noisy.step(zeros(noisy))[0] - plain.step(zeros(plain))[0] for _ in range(12)])
    white = gaps - gaps.mean(0)
    assert white.std() == pytest.approx(0.02, rel=0.1)
    assert gaps.mean(0).std() == pytest.approx(0.1, rel=0.15)
    for env in (plain, noisy):
        env.close()
    sent, arrived = make(spec="noise:action,std=0.1"), []
    kept = sent.inner._step
    sent.inner._step = lambda actions: arrived.append(actions) or kept(actions)
    run(sent, 12)
    assert np.std(arrived) == pytest.approx(0.1, rel=0.1)
    sent.close()


def test_late_commands_arrive_after_the_steps_that_were_drawn():
    env = make(spec="late:command,most=3", autoreset_mode=AutoresetMode.DISABLED)
    effect = env.effects[0]
    sent, arrived = [], []
    kept = effect.act
    effect.act = lambda actions, moment: arrived.append(kept(actions, moment)) or arrived[-1]
    rng = np.random.default_rng(0)
    for _ in range(6):
        sent.append(rng.uniform(-1, 1, zeros(env).shape).astype(np.float32))
        steps = env.step(sent[-1])[4]["stochastic/late"].astype(int)
    assert set(steps) == {0, 1, 2, 3}
    for world, late in enumerate(steps):
        assert np.array_equal(arrived[-1][world], sent[-1 - late][world])
    first = np.flatnonzero(steps == 2)[0]
    assert not arrived[1][first].any()
    env.close()


def test_pixels_get_brighter_or_darker_for_an_episode():
    env = make("PickUp", "noise:pixels,std=0,gain=0.5", num_envs=4, obs_mode="vision")
    plain = make("PickUp", "", num_envs=4, obs_mode="vision")
    name = next(k for k in env.obs_buf if "images" in k)
    ratios = []
    for _ in range(2):
        a, b = (e.step(zeros(e))[0][name].astype(float) for e in (env, plain))
        seen = (b > 40) & (b < 120)
        ratios.append([np.median(x[m] / y[m]) for x, y, m in zip(a, b, seen, strict=True)])
    np.testing.assert_allclose(ratios[0], ratios[1], rtol=0.03)
    assert np.ptp(ratios[0]) > 0.05
    for e in (env, plain):
        e.close()
