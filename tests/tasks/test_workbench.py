"""The four workbench tasks: one scene and one start, and only what was asked for is a success."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from octoworld.core.errors import ConfigError
from octoworld.core.registry import TASKS
from tasks.env import TaskEnv, task_env
from tasks.manipulation.workbench import DISTRACTORS, SIZES
from tasks.manipulation.workbench_task import WorkbenchTask

NAMES = ("PressButton", "SortByColor", "StackTwo", "TurnLever")


def make(name: str, worlds: int = 2, seed: int = 0, **options: Any) -> TaskEnv:
    env = task_env(name, worlds, num_threads=1, terminate_on_success=False, task_options=options)
    env.reset(seed=seed)
    return env


def settled(env: TaskEnv) -> dict[str, np.ndarray]:
    """What is judged after a few steps in which the open hand stays where it is."""
    env.world.refresh()
    still = np.zeros_like(env.action_space.sample())
    still[:, -1] = 1.0
    for _ in range(4):
        env.step(still)
    return env.judged


def put(env: TaskEnv, thing: str, on: str, height: float) -> None:
    pose = env.world.pose(on).copy()
    pose[:, 2] = height
    env.world.set_pose(thing, pose)


@pytest.mark.parametrize("name", NAMES)
def test_stages_come_in_order_and_none_is_lost_on_an_experts_way(name):
    env = make(name, 16)
    expert, stages, rewards = env.task.expert(), [], []
    names = list(env.task.stages(env.task.read(env.world)))  # type: ignore[attr-defined]
    for _ in range(env.max_episode_length - 1):
        rewards.append(env.step(expert.act(env.world))[1])
        stages.append([env.judged[stage] for stage in names])
    done = np.array(stages)
    assert (np.diff(done.astype(int), axis=0) >= 0).all()
    assert (np.diff(done.astype(int), axis=1) <= 0).all()
    assert done[-1].all() and not done[0, -1].any()
    rewards = np.array(rewards)
    assert np.diff(rewards, axis=0).min() > -0.05  # a hand that comes down may swing a little
    env.close()


@pytest.mark.parametrize("name", NAMES)
def test_standing_still_earns_little_and_a_sparse_reward_is_success(name):
    env = make(name, 16)
    rewards = [env.step(np.zeros_like(env.action_space.sample()))[1] for _ in range(10)]
    assert np.max(rewards) < 0.3
    env.close()
    sparse = make(name, 2, reward="sparse")
    total = [sparse.step(sparse.task.expert().act(sparse.world))[1] for _ in range(10)]
    assert set(np.unique(total)) == {0.0}
    assert sparse.task.reward({"success": np.array([True, False])})[0].tolist() == [1.0, 0.0]
    sparse.close()


def test_a_seed_gives_all_four_the_same_start_and_different_words():
    states, said = [], []
    for name in NAMES:
        env = make(name, 3, seed=11)
        states.append(env.world.get_state())
        said.append(env.instructions[0])
        env.close()
    assert all(np.array_equal(states[0], s) for s in states[1:])
    assert len(set(said)) == len(NAMES)


def test_colours_are_told_apart_and_pads_wear_those_of_their_blocks():
    env = make("SortByColor", 32)
    color = {n: env.world.color(n) for n in WorkbenchTask.colored}
    assert np.array_equal(color["block_a"], color["pad_a"])
    assert np.array_equal(color["block_b"], color["pad_b"])
    for a, b in (("block_a", "block_b"), ("button_a", "button_b")):
        assert (color[a] != color[b]).any(axis=1).all()
    env.close()


def test_only_the_named_block_on_the_other_is_a_stack():
    env = make("StackTwo")
    put(env, "block_b", "block_a", 3 * SIZES.block_half)
    assert not settled(env)["placed"].any()
    env.reset(seed=0)
    put(env, "block_a", "pad_b", SIZES.block_half)
    assert not settled(env)["placed"].any()
    env.reset(seed=0)
    put(env, "block_a", "block_b", 3 * SIZES.block_half)
    assert settled(env)["success"].all()
    env.close()


def test_blocks_on_each_others_pads_are_not_sorted():
    env = make("SortByColor")
    low = SIZES.block_half
    put(env, "block_a", "pad_b", low)
    put(env, "block_b", "pad_a", low)
    assert not settled(env)["placed"].any()
    env.reset(seed=0)
    put(env, "block_b", "pad_b", low)
    judged = settled(env)
    assert judged["placed"].all() and not judged["success"].any()
    put(env, "block_a", "pad_a", low)
    assert settled(env)["success"].all()
    env.close()


def test_the_other_button_is_no_success_and_spoils_it():
    env = make("PressButton")
    down = np.full((2, 1), SIZES.button_travel)
    env.world.set_joint_position(("button_b_slide",), down)
    assert not settled(env)["pressed"].any()
    env.world.set_joint_position(("button_a_slide",), down)
    judged = settled(env)
    assert judged["pressed"].all() and not judged["success"].any()
    env.reset(seed=0)
    env.world.set_joint_position(("button_a_slide",), down)
    assert settled(env)["success"].all()  # and it stays down
    env.close()


def test_the_lever_turned_to_the_wrong_side_or_halfway_is_no_success():
    env = make("TurnLever", 8)
    asked = env.task.memory["direction"][:, None]
    assert set(asked[:, 0]) == {-1.0, 1.0}
    for turn, wanted in ((-1.1, False), (0.9, False), (1.1, True)):
        env.world.set_joint_position(("lever_hinge",), turn * asked)
        assert (settled(env)["success"] == wanted).all()
    left = env.world.pose("knob")[:, 1] > env.world.pose("lever_base")[:, 1]  # of the robot
    assert [("left" in s) for s in env.instructions] == left.tolist()
    env.close()


def test_distractors_stand_in_nobodys_way():
    plain, cluttered = make("SortByColor", 8, seed=3), make("SortByColor", 8, seed=3, distractors=2)
    for name in ("block_a", "pad_b", "button_a", "tool"):
        np.testing.assert_array_equal(plain.world.pose(name), cluttered.world.pose(name))
    assert plain.instructions == cluttered.instructions
    for name in DISTRACTORS:
        assert (plain.world.pose(name)[:, 2] < -0.1).all()
        assert (cluttered.world.pose(name)[:, 2] == 0).all()
    expert, touched = cluttered.task.expert(), False
    for _ in range(cluttered.max_episode_length - 1):
        cluttered.step(expert.act(cluttered.world))
        for name in DISTRACTORS:
            for other in ("block_a", "block_b", "hand"):
                touched |= bool(cluttered.world.contacts(other, name).any())
    assert not touched and cluttered.judged["success"].all()
    plain.close()
    cluttered.close()
    with pytest.raises(ConfigError, match="distractors 3: expected 0 to 2"):
        TASKS.get("SortByColor")(1, distractors=3)


def test_everything_is_at_least_three_pixels_wide_to_some_camera():
    env = make("StackTwo", 12)
    labels = [env.world.render_segmentation(camera, None, (64, 64)) for camera in ("front", "side")]
    for name in ("block_a", "block_b", "pad_a", "pad_b", "button_a", "button_b", "lever"):
        shown = [view == env.world.segments.index(name) for view in labels]
        width = np.max([mask.sum(axis=2).max(axis=1) for mask in shown], axis=0)
        assert (width >= 3).all(), name
    env.close()
