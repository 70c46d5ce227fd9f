"""Gates: what counts as passing, in closed form; the race's levels; plans keep clear."""

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from octoworld.core.errors import ConfigError
from tasks.drones.fly_through_gate import FlyThroughGate
from tasks.drones.gate_race import GATES, LIMITS, POLES, SENSOR_RANGE, START, YAWS, GateRace
from tasks.drones.gates import OPENING, STAND, from_gate, in_gate, passes, upright
from tasks.drones.race_plan import Planner
from tasks.env import task_env


def test_frames_are_each_others_inverse_and_x_is_the_way_through():
    poses = upright(np.array((1.0, 2.0, 1.5)), np.array([np.pi / 2]))
    assert np.allclose(from_gate(np.array((1.0, 0.0, 0.0)), poses), [[1.0, 3.0, 1.5]])
    points = np.random.default_rng(0).normal(size=(1, 3))
    assert np.allclose(from_gate(in_gate(points, poses), poses), points)


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ((-0.1, 0.0, 0.0), (0.1, 0.0, 0.0), True),
        ((0.1, 0.0, 0.0), (-0.1, 0.0, 0.0), False),  # backwards
        ((-0.2, 0.0, 0.0), (-0.1, 0.0, 0.0), False),  # not there yet
        ((-0.1, 0.25, 0.0), (0.1, 0.25, 0.0), False),  # beside the opening
        ((-0.1, 0.0, 0.25), (0.1, 0.0, 0.25), False),  # above it
        ((-0.1, 0.0, 0.0), (0.3, 0.4, 0.0), True),  # crosses at y = 0.1, ends outside
        ((-0.3, 0.0, 0.0), (0.1, 0.4, 0.0), False),  # crosses at y = 0.3
        ((-0.1, 0.0, 0.0), (0.0, 0.0, 0.0), True),  # ends on the plane
        ((0.0, 0.0, 0.0), (0.1, 0.0, 0.0), False),  # and is not counted twice
    ],
)
def test_a_gate_is_passed_forward_inside_its_opening(before, after, counts):
    assert passes(np.array([before]), np.array([after]))[0] == counts


def test_gates_count_in_their_order_only():
    task = GateRace(1, level=0)
    task.memory["gates"][:] = upright(GATES, YAWS)
    for k in (1, 0, 0, 1):
        pose = task.memory["gates"][:, k]
        task.memory["last_position"][:] = from_gate(np.array((-0.1, 0.0, 0.0)), pose)
        task.pass_gates(from_gate(np.array((0.1, 0.0, 0.0)), pose))
    assert task.memory["passed"][0] == 2


def test_the_plan_goes_through_all_gates_and_clear_of_poles():
    gates = upright(GATES, YAWS)[None]
    way = Planner(LIMITS, STAND).plan(START[None], gates, POLES[None], gates)
    points = way.path(np.linspace(0, 1, 2000)[:, None] * way.duration)[0][:, 0]
    gap = np.linalg.norm(points[:, None, :2] - POLES, axis=-1)
    assert gap.min() > 0.1
    for pose in gates[0]:
        here = in_gate(points, pose)
        assert passes(here[:-1], here[1:]).any()
        inside = np.abs(here[passes(here[:-1], here[1:]).nonzero()[0][0], 1:])
        assert (inside < OPENING - 0.06).all()


def test_a_plan_in_the_air_goes_on_in_the_motion_that_it_starts_in():
    gates = upright(GATES, YAWS)[None]
    start, motion = (
        np.array([[-0.6, 0.4, 1.0]]),
        np.array([[[0.8, -0.3, 0.1], [0.2, 0.5, 0], [0] * 3]]),
    )
    planner = Planner(LIMITS, STAND)
    way = planner.plan(start, gates, POLES[None], gates[:, :2], motion=motion)
    position, *derivatives = way.path(np.zeros(1))
    assert np.allclose(position, start) and np.allclose(np.stack(derivatives, axis=1), motion)
    points = way.path(np.linspace(0, 1, 2000)[:, None] * way.duration)[0][:, 0]
    for pose in gates[0, :2]:
        here = in_gate(points, pose)
        assert passes(here[:-1], here[1:]).any()
    assert ((points > LIMITS[0]) & (points < LIMITS[1])).all()


def test_a_plan_does_not_depend_on_what_is_planned_beside_it():
    gates = upright(GATES, YAWS)[None] + np.array([[[0.0]], [[0.07]]]) * (1, 1, 0, 0, 0, 0, 0)
    start, poles = np.tile(START, (2, 1)), np.tile(POLES, (2, 1, 1))
    planner = Planner(LIMITS, STAND)
    both = planner.plan(start, gates, poles, gates)
    alone = planner.plan(start[1:], gates[1:], poles[1:], gates[1:])
    assert np.allclose(both.coefficients[1], alone.coefficients[0], atol=1e-9)


def test_what_was_moved_is_known_once_it_was_in_sight():
    env: Any = task_env("GateRace", 2, num_threads=1, task_options={"level": 2})
    env.reset(seed=0)
    task = env.task
    assert isinstance(task, GateRace)
    memory = task.memory
    told, true = memory["told_gates"], memory["gates"]
    assert np.allclose(told[0, :, :3], GATES) and not np.allclose(told, true)
    assert np.array_equal(task.known()[0], told)  # no gate is within 0.7 m of the start
    before = task.goal(env.world)
    beside = true[0, 2, :3] + (SENSOR_RANGE - 0.05, 0.0, 0.6)  # height does not count
    env.world.set_pose("drone", [[*beside, 1, 0, 0, 0]], np.array([True, False]))
    task.evaluate(env.world)
    gates = task.known()[0]
    assert np.array_equal(gates[0, 2], true[0, 2]) and np.array_equal(gates[1], told[1])
    assert np.array_equal(gates[0, 0], told[0, 0])
    env.world.set_pose("drone", [[*START[:2], 1.0, 1, 0, 0, 0]], np.array([True, False]))
    task.evaluate(env.world)
    assert np.array_equal(task.known()[0][0, 2], true[0, 2])  # and is not forgotten
    assert np.array_equal(task.goal(env.world)[1], before[1])
    env.close()


def test_leaving_the_course_is_a_failure():
    env = task_env("GateRace", 2, num_threads=1)
    env.reset(seed=0)
    env.world.set_pose("drone", [[0.0, 0.3, 2.1, 1, 0, 0, 0]], np.array([True, False]))
    assert env.task.evaluate(env.world)["failure"].tolist() == [True, False]
    env.close()


def test_unknown_levels_are_refused():
    with pytest.raises(ConfigError, match="level 4"):
        GateRace(1, level=4)


@pytest.mark.parametrize("count", [2])
def test_the_expert_finishes_the_race(count):
    env = task_env("GateRace", count, num_threads=1, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=list(range(count)))
    expert, won = env.task.expert(), np.zeros(count, bool)
    for _ in range(env.task.max_steps):
        _, _, terminated, truncated, infos = env.step(expert.act(env.world).astype(np.float32))
        won |= (terminated | truncated) & infos["success"]
    assert won.all()
    env.close()


def test_touching_the_frame_is_a_crash():
    env = task_env("FlyThroughGate", 1, num_threads=1)
    env.reset(seed=0)
    task = env.task
    assert isinstance(task, FlyThroughGate)
    pose = task.memory["gates"][:, 0]
    place = from_gate(np.array((-0.03, 0.28, 0.0)), pose)
    env.world.set_pose("drone", np.concatenate([place, [[1.0, 0, 0, 0]]], axis=1))
    assert task.evaluate(env.world)["failure"][0]
    env.close()
