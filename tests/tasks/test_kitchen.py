"""The kitchen: what counts as done, stages that only rise, and what does not count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from octoworld.core.registry import TASKS
from tasks.env import TaskEnv, task_env
from tasks.manipulation.kitchen import KitchenTask
from tasks.manipulation.kitchen.scene import SIZES

NAMES = [name for name in TASKS.names() if issubclass(TASKS.get(name), KitchenTask)]
STORE = ("StoreBlock", "OpenStoreClose")


def make(name: str, worlds: int = 16, **options: Any) -> TaskEnv:
    return task_env(name, worlds, num_threads=1, autoreset_mode=AutoresetMode.DISABLED, **options)


def put(env: TaskEnv, body: str, place: np.ndarray, lift: float = SIZES.block_half) -> None:
    """Set a block down at places (N, 3) [m]."""
    upright = np.tile([1.0, 0.0, 0.0, 0.0], (env.num_envs, 1))
    env.world.set_pose(body, np.c_[place + np.array([0, 0, lift]), upright])
    env.world.refresh()


def turn(env: TaskEnv, joint: str, value: float) -> None:
    env.world.set_joint_position((joint,), np.full((env.num_envs, 1), value))
    env.world.refresh()


def judged(env: TaskEnv) -> dict[str, np.ndarray]:
    return env.task.evaluate(env.world)


def test_there_are_seven_and_five_ways_to_ask_for_each():
    assert set(NAMES) == {
        "KitchenOpenDrawer", "KitchenCloseDrawer", "OpenDoor", "CloseDoor", "StoreBlock",
        "OpenStoreClose", "ServeAndSwitch",
    }  # fmt: skip
    assert all(len(TASKS.get(name).templates) >= 5 for name in NAMES)


def test_one_scene_for_all():
    assert len({id(TASKS.get(name)(1).scene()) for name in NAMES}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_experts_succeed_in_time_stage_by_stage(name):
    """Stages are never lost, the reward ends far above its start, actions stay in range."""
    env = make(name, 24)
    env.reset(seed=70_000)
    expert = env.task.expert()
    start = judged(env)["shaped"]
    assert (start < 0.3).all()
    progress = [judged(env)["progress"]]
    while env.live.any():
        actions = expert.act(env.world)
        assert np.abs(actions).max() <= 1
        rewards = env.step(actions)[1]
        assert (rewards >= 0).all() and (rewards <= 1).all()
        progress.append(judged(env)["progress"])
    success = judged(env)["success"]
    assert success.mean() >= 0.95
    lost = (np.diff(np.array(progress), axis=0) < 0).any(axis=0)
    assert lost.mean() <= 0.05
    assert np.allclose(judged(env)["shaped"][success], 1.0)
    assert np.median(env.progress_buf[success]) <= 0.6 * env.max_episode_length
    env.close()


@pytest.mark.parametrize("name", NAMES)
def test_doing_nothing_earns_little(name):
    env = make(name, 8)
    env.reset(seed=5)
    still = np.zeros((8, 4), np.float32)
    still[:, -1] = 1.0
    earned = [env.step(still)[1] for _ in range(10)]
    assert np.mean(earned) < 0.3 and not judged(env)["success"].any()
    env.close()


@pytest.mark.parametrize("name", NAMES)
def test_sparse_reward_is_success_alone(name):
    env = make(name, 4, task_options={"reward": "sparse"})
    env.reset(seed=3)
    expert = env.task.expert()
    for _ in range(6):
        assert not env.step(expert.act(env.world))[1].any()
    env.close()


@pytest.mark.parametrize("name", STORE)
def test_only_the_asked_block_in_the_closed_drawer_is_success(name):
    env = make(name)
    env.reset(seed=1)
    turn(env, "drawer_slide", 0.15)
    inside = env.world.pose("drawer_inside")[:, :3] + np.array([0, -0.012, 0])
    put(env, "block", inside)
    e = judged(env)
    assert e["inside"].all() and not e["success"].any()  # not closed yet

    def closed_with(*blocks: str) -> np.ndarray:
        env.reset(seed=1)
        turn(env, "drawer_slide", 0.0)
        place = env.world.pose("drawer_inside")[:, :3]
        for k, block in enumerate(blocks):
            put(env, block, place + np.array([0, 0.05 * k, 0]))
        return judged(env)["success"]

    assert closed_with("block").all()
    assert not closed_with("other").any()  # the wrong one
    assert not closed_with("block", "other").any()  # and the wrong one too
    assert not closed_with().any()  # closed over nothing
    env.close()


def test_only_the_asked_block_on_the_plate_and_the_stove_on_is_success():
    env = make("ServeAndSwitch")

    def done(on: bool, *blocks: str) -> dict[str, np.ndarray]:
        env.reset(seed=2)
        for block in blocks:
            put(env, block, env.world.pose("plate_top")[:, :3])
        turn(env, "lever_hinge", 1.3 if on else 0.0)
        return judged(env)

    assert done(True, "block")["success"].all()
    served = done(False, "block")
    assert served["served"].all() and not served["success"].any()
    assert not done(True, "other")["success"].any()
    assert not done(True)["success"].any()
    env.close()


@pytest.mark.parametrize("name", ["KitchenOpenDrawer", "OpenDoor"])
def test_another_fixture_opened_is_no_success(name):
    env = make(name, 8)
    env.reset(seed=4)
    other = "door_hinge" if name == "KitchenOpenDrawer" else "drawer_slide"
    turn(env, other, 1.3 if other == "door_hinge" else 0.15)
    assert not judged(env)["success"].any()
    asked = "drawer_slide" if name == "KitchenOpenDrawer" else "door_hinge"
    turn(env, asked, 0.15 if asked == "drawer_slide" else 1.3)
    assert judged(env)["success"].all()
    env.close()


def test_an_expert_that_takes_the_other_block_fails():
    """Colours, not places, tell which block is meant: swap them, and the same work is wrong."""
    env = make("StoreBlock", 8)
    env.reset(seed=6)
    blocks = {b: env.world.pose(b) for b in ("block", "other")}
    env.world.set_pose("block", blocks["other"])
    env.world.set_pose("other", blocks["block"])
    env.world.refresh()
    task: Any = env.task
    assert (env.world.color("block") != env.world.color("other")).any(axis=1).all()
    expert: Any = env.task.expert()

    class Swapped:
        """The task as somebody sees it who mistakes one block for the other."""

        def __getattr__(self, name: str) -> Any:
            return getattr(task, name)

        def read(self, world: Any) -> Any:
            r = task._reading(world)
            for named in (r.at, r.quat, r.speed, r.grasped):
                named["block"], named["other"] = named["other"], named["block"]
            return r

    expert.task = Swapped()
    while env.live.any():
        env.step(expert.act(env.world))
    assert not judged(env)["success"].any()
    assert judged(env)["closed"].sum() == 0
    env.close()


def test_many_worlds_are_many_single_ones():
    many = make("OpenStoreClose", 3)
    many.reset(seed=[11, 12, 13])
    expert = many.task.expert()
    for _ in range(25):
        observed = many.step(expert.act(many.world))[0]
    for i in range(3):
        one = make("OpenStoreClose", 1)
        one.reset(seed=[11 + i])
        alone = one.task.expert()
        for _ in range(25):
            seen = one.step(alone.act(one.world))[0]
        np.testing.assert_array_equal(seen[0], observed[i])
        one.close()
    many.close()
