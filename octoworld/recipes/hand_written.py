"""PickUp as one would write it for a single world with nothing but mujoco: what N=1 is held to."""

# pyright: reportAttributeAccessIssue=false
# (mujoco is a C extension without type stubs)

from __future__ import annotations

import math
from typing import Any

import gymnasium
import mujoco
import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import ROBOTS
from robots.control.modes import ControlConfig
from sim.backends.mjcf import scene_xml
from tasks.manipulation.pick_up import PickUp
from tasks.manipulation.scene import SIZES
from tasks.manipulation.tabletop import JudgeConfig


class HandWrittenPickUp(gymnasium.Env):
    """The same scene, control (`joint_delta_pos`), observation and reward as the task's.

    It judges and observes what `make("PickUp", control_mode="joint_delta_pos")` does, to the same
    numbers (a test compares them), but knows no other task, robot, mode, number of worlds, or
    reset than from a state that is given to it.
    """

    def __init__(self) -> None:
        task = PickUp(1)
        spec = ROBOTS.get("panda")()
        self.model = model = mujoco.MjModel.from_xml_string(scene_xml(task.scene()))
        self.data = mujoco.MjData(model)
        self.judge, self.config = JudgeConfig(), ControlConfig()
        self.substeps = round(1 / (task.fps * model.opt.timestep))
        self.max_steps = task.max_steps
        limits = {b.joint.name: b.joint for b in spec.bodies if b.joint is not None}
        names = spec.arm_joints
        self.qpos = np.array([int(model.joint(n).qposadr[0]) for n in names])
        self.low, self.high = (np.array([limits[n].range[i] for n in names]) for i in (0, 1))
        self.reach = np.array([limits[n].velocity_limit for n in names]) * self.config.period
        self.closed, self.opened = spec.gripper_range
        self.fingers = [int(model.joint(f"finger_joint{i}").qposadr[0]) for i in (1, 2)]
        self.slide = int(model.joint("drawer_slide").qposadr[0])
        self.tool, self.tool_body = model.site("tool").id, int(model.site("tool").bodyid[0])
        self.handle = model.site("handle").id
        self.block = model.body("block").id
        self.zone, self.bin = model.body("zone").id, model.body("bin").id
        block_joint = int(model.body_jntadr[self.block])
        self.block_dof = int(model.jnt_dofadr[block_joint])
        self.sides = [
            {g for g in range(model.ngeom) if model.geom_bodyid[g] == model.body(name).id}
            for name in ("left_finger", "right_finger")
        ]
        self.of_block = {g for g in range(model.ngeom) if model.geom_bodyid[g] == self.block}
        self.command, self.steps, self.held = 1.0, 0, False
        box = gymnasium.spaces.Box
        self.action_space = box(-1.0, 1.0, (8,), np.float32)
        self.observation_space = box(-np.inf, np.inf, (33,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start in `options["state"]`, a MuJoCo integration state."""
        super().reset(seed=seed)
        if options is not None:
            kind = mujoco.mjtState.mjSTATE_INTEGRATION
            mujoco.mj_setState(self.model, self.data, options["state"], kind)
        mujoco.mj_forward(self.model, self.data)
        self.command, self.steps = 1.0, 0
        return self._observe(), {}

    def step(self, action: NDArray) -> tuple[NDArray[np.float32], float, bool, bool, dict]:
        """One control step."""
        action = np.clip(action, -1.0, 1.0)
        data = self.data
        joints = data.qpos[self.qpos]
        target = joints + action[:7] * self.config.joint_step
        target = np.clip(target, joints - self.reach, joints + self.reach)
        data.ctrl[:7] = np.clip(target, self.low, self.high)
        data.ctrl[7:] = self.closed + 0.5 * (action[7] + 1) * (self.opened - self.closed)
        self.command = float(action[7])
        mujoco.mj_step(self.model, data, self.substeps)
        mujoco.mj_forward(self.model, data)
        self.steps += 1
        obs = self._observe()
        reward, success = self._judge()
        return obs, reward, success, self.steps >= self.max_steps and not success, {}

    def _grasped(self) -> bool:
        data, touch = self.data, [False, False]
        for i in range(data.ncon):
            pair = data.contact.geom[i]
            for side in (0, 1):
                a, b = int(pair[0]), int(pair[1])
                if (a in self.sides[side] and b in self.of_block) or (
                    b in self.sides[side] and a in self.of_block
                ):
                    touch[side] = True
        gap = data.qpos[self.fingers[0]] + data.qpos[self.fingers[1]]
        low, high = self.judge.grasp_gap
        return touch[0] and touch[1] and low < gap < high

    def _velocity(self, body: int, point: NDArray) -> NDArray:
        spin, linear = self.data.cvel[body, :3], self.data.cvel[body, 3:]
        x, y, z = point - self.data.subtree_com[self.model.body_rootid[body]]
        a, b, c = spin
        return linear + np.array([b * z - c * y, c * x - a * z, a * y - b * x])

    def _observe(self) -> NDArray[np.float32]:
        data = self.data
        tool, block, handle = data.site_xpos[self.tool], data.xpos[self.block], self._handle()
        gap = data.qpos[self.fingers[0]] + data.qpos[self.fingers[1]]
        w, x, y, z = data.xquat[self.block]
        yaw = 4 * math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
        self.held = self._grasped()
        lifted = block - tool
        lifted[2] += self.judge.lift_height
        return np.concatenate(
            [
                tool, self._velocity(self.tool_body, tool), (gap, self.command), block - tool,
                (math.cos(yaw), math.sin(yaw)), self._velocity(self.block, block),
                data.xpos[self.zone] - block, data.xpos[self.bin] - block, handle - tool,
                (data.qpos[self.slide], self.held), block - tool, lifted,
            ],
            dtype=np.float32,
        )  # fmt: skip

    def _handle(self) -> NDArray:
        return self.data.site_xpos[self.handle]

    def _judge(self) -> tuple[float, bool]:
        data, height = self.data, self.judge.lift_height
        tool, block = data.site_xpos[self.tool], data.xpos[self.block]
        clearance = block[2] - SIZES.block_half
        success = bool(clearance >= height and self.held)
        distance = max(0.0, math.dist(tool, block) - 0.01) / 0.2
        reach = 1 / (1 + 9 * distance**2)
        lift = min(max(clearance / height, 0.0), 1.0) * self.held
        return 0.25 * (reach + self.held + lift + success), success
