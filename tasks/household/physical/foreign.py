"""Foreign hands: an executor's actions on the servos, for as long as a skill lasts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.rotations import quat_from_rotvec, quat_multiply
from robots.mobile_panda.spec import BASE_JOINTS

from ..executors import (
    ACTIONS,
    BASE_SPEED,
    PERIOD,
    STATE_SIZE,
    TOOL_STEP,
    SkillExecutor,
    SkillView,
    in_words,
)
from ..result import SkillCall
from .hand import Hand
from .machine import ARM, OPEN, Machine
from .tool import compose, inverse, planar, pose

Draw = Callable[[tuple[int, int]], dict[str, NDArray]]


def hand_over(hand: Hand, executor: SkillExecutor, call: SkillCall, draw: Draw) -> None:
    """Let an executor act until it is done or its time is up.

    Raises:
        ConfigError: an action is not ten finite numbers.
    """
    machine = hand.machine
    executor.begin(call, in_words(call))
    target = hand.reach.tool(machine.stance, machine.arm)
    for _ in range(max(1, round(executor.max_seconds / PERIOD))):
        size = executor.image_size
        images = {} if size is None else draw(size)
        action = executor.act(SkillView(images, state_of(machine)))
        if action is None:
            break
        action = np.asarray(action, float).reshape(-1)
        if action.shape != (len(ACTIONS),) or not np.isfinite(action).all():
            raise ConfigError(
                f"executor of {call.name}: action {action}: expected {len(ACTIONS)} finite numbers"
            )
        target = _act(hand, np.clip(action, -1, 1), target)
    machine.still(0.1, 1.0)


def state_of(machine: Machine) -> NDArray:
    """(STATE_SIZE,): what the robot feels."""
    tool = compose(inverse(planar(*machine.base)), machine.pose("tool"))
    speed = machine.world.joint_velocity(*BASE_JOINTS)[0]
    felt = np.concatenate([tool, machine.joints(*ARM), [machine.gap], speed])
    assert felt.shape == (STATE_SIZE,)
    return felt.astype(np.float32)


def _act(hand: Hand, action: NDArray, target: NDArray) -> NDArray:
    """One action; the tool's next target in the world."""
    machine, reach = hand.machine, hand.reach
    ticks = round(PERIOD / machine.dt)
    x, y, yaw = machine.stance
    ahead, left, turn = action[:3] * BASE_SPEED * PERIOD
    c, s = math.cos(yaw), math.sin(yaw)
    goal = np.array([x + c * ahead - s * left, y + s * ahead + c * left, yaw + turn])
    local = compose(inverse(planar(x, y, yaw)), target)
    shifted = pose(
        local[:3] + action[3:6] * TOOL_STEP[0],
        quat_multiply(quat_from_rotvec(action[6:9] * TOOL_STEP[1]), local[3:]),
    )
    joints = reach.track(shifted, machine.arm, PERIOD)
    start = machine.control.copy()
    end = np.concatenate([goal, joints, np.full(2, OPEN * (action[9] + 1) / 2)])
    for i in range(1, ticks + 1):
        machine.control[:] = start + (end - start) * i / ticks
        machine.tick()
    # from where the arm got to: a target out of reach does not run away
    return reach.tool(machine.stance, machine.arm)
