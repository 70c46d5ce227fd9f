"""Gates: what counts as passing, in closed form; the race's levels; plans keep clear."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from octoworld.core.errors import ConfigError
from tasks.drones.fly_through_gate import FlyThroughGate
from tasks.drones.gate_race import GATES, POLES, START, YAWS, GateRace
from tasks.drones.gates import OPENING, from_gate, in_gate, passes, upright
from tasks.drones.race_pilot import on_axis, plan
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
        task.memory["last_position"][:] = on_axis(pose, np.array([-0.1]))
        task.pass_gates(on_axis(pose, np.array([0.1])))
    assert task.memory["passed"][0] == 2


def test_the_plan_goes_through_all_gates_and_clear_of_poles():
    gates = upright(GATES, YAWS)[None]
    way = plan(START[None], gates, POLES[None])
    points = way.path(np.linspace(0, 1, 2000)[:, None] * way.duration)[0][:, 0]
    gap = np.linalg.norm(points[:, None, :2] - POLES, axis=-1)
    assert gap.min() > 0.1
    for pose in gates[0]:
        here = in_gate(points, pose)
        assert passes(here[:-1], here[1:]).any()
        inside = np.abs(here[passes(here[:-1], here[1:]).nonzero()[0][0], 1:])
        assert (inside < OPENING - 0.06).all()


def test_unknown_levels_are_refused():
    with pytest.raises(ConfigError, match="level 4"):
        GateRace(1, level=4)


@pytest.mark.parametrize("count", [4])
def test_the_expert_finishes_the_race(count):
    env = task_env("GateRace", count, num_threads=1, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=list(range(count)))
    expert, won = env.task.expert(), np.zeros(count, bool)
    for _ in range(env.task.max_steps):
        _, _, terminated, truncated, infos = env.step(expert.act(env.world).astype(np.float32))
        won |= (terminated | truncated) & infos["success"]
    assert won.sum() >= count - 1
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
