"""`wrong_object`: handling what the instruction does not speak of is told apart from failing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from octoworld.core.registry import TASKS
from tasks.env import task_env
from tasks.suites import SCENES

STAGED = SCENES["workbench"] + SCENES["kitchen"]
OTHERS = [
    # task, joint that it is not about, where it is put [m] or [rad]
    ("PressButton", "button_b_slide", 0.012), ("PressButton", "lever_hinge", 1.1),
    ("TurnLever", "button_a_slide", 0.012), ("StackTwo", "lever_hinge", -1.1),
    ("KitchenOpenDrawer", "door_hinge", 1.1), ("OpenDoor", "drawer_slide", 0.13),
    ("StoreBlock", "door_hinge", 1.1), ("ServeAndSwitch", "drawer_slide", 0.13),
    ("PickUp", "drawer_slide", 0.11), ("PushToZone", "drawer_slide", 0.11),
    ("HoldOverBin", "drawer_slide", 0.11),
]  # fmt: skip
OWN = [
    ("PressButton", "button_a_slide", 0.012), ("KitchenOpenDrawer", "drawer_slide", 0.13),
    ("OpenDoor", "door_hinge", 1.1), ("OpenDrawer", "drawer_slide", 0.11),
]  # fmt: skip
BRUSHED = [
    ("PressButton", "lever_hinge", 0.6), ("StackTwo", "button_a_slide", 0.006),
    ("OpenDoor", "drawer_slide", 0.05), ("PickUp", "drawer_slide", 0.05),
]  # fmt: skip


def judged(task: str, joint: str = "", at: float = 0.0) -> np.ndarray:
    """(2,) of two worlds, the first with `joint` moved."""
    env: Any = task_env(task, 2, num_threads=1, seed=0)
    if joint:
        env.world.set_joint_position((joint,), np.array([[at]]), np.array([True, False]))
        env.world.refresh()
    found = env.task.evaluate(env.world)["wrong_object"]
    env.close()
    return found


@pytest.mark.parametrize(("task", "joint", "at"), OTHERS)
def test_operating_another_thing_counts_in_that_world_alone(task, joint, at):
    assert judged(task, joint, at).tolist() == [True, False]


@pytest.mark.parametrize(("task", "joint", "at"), OWN)
def test_operating_what_is_meant_does_not_count(task, joint, at):
    assert not judged(task, joint, at).any()


@pytest.mark.parametrize(("task", "joint", "at"), BRUSHED)
def test_brushing_another_thing_does_not_count(task, joint, at):
    assert not judged(task, joint, at).any()


def test_the_lever_to_the_other_side_counts():
    env: Any = task_env("TurnLever", 2, num_threads=1, seed=0)
    side = env.task.memory["direction"]
    env.world.set_joint_position(("lever_hinge",), (side * np.array([-1.1, 1.1]))[:, None])
    env.world.refresh()
    assert env.task.evaluate(env.world)["wrong_object"].tolist() == [True, False]
    env.close()


@pytest.mark.parametrize("task", STAGED)
def test_experts_handle_nothing_else(task):
    env: Any = task_env(task, 8, num_threads=1, seed=5, terminate_on_success=False)
    expert, wrong = env.task.expert(), np.zeros(8, bool)
    for _ in range(env.max_episode_length - 1):
        env.step(expert.act(env.world))
        wrong |= env.judged["wrong_object"]
    assert not wrong.any()
    env.close()


def test_stages_are_named_for_every_arm_task():
    for task in [t for tasks in SCENES.values() for t in tasks]:
        env: Any = task_env(task, 1, num_threads=1, seed=0)
        evaluation = env.task.evaluate(env.world)
        assert env.task.stage_names and set(env.task.stage_names) <= set(evaluation), task
        assert TASKS.get(task).name == task
        env.close()
