"""Control modes: what an action in [-1, 1] means, as joint servo targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from octoworld.core.arrays import array_namespace
from octoworld.core.registry import Registry
from octoworld.core.rotations import quat_from_rotvec, quat_multiply
from robots.spec import Quat, RobotSpec, Vec3, arm_of

from .ik import IkConfig, InverseKinematics

CONTROL_MODES: Registry[type[ControlMode]] = Registry("control mode", ("robots.control.modes",))


@dataclass(frozen=True)
class ControlConfig:
    """Scales and bounds of the control modes; frames are the robot's base."""

    period: float = 0.1
    """Time that one action is held [s]."""
    position_step: float = 0.04
    """Tool shift of a full action [m]."""
    rotation_step: float = 0.25
    """Tool turn of a full action [rad]."""
    joint_step: float = 0.15
    """Joint turn of a full action [rad]."""
    tool_quat_wxyz: Quat | None = None
    """Orientation that `ee_delta_pos` holds; None is the arm's own: pointing down."""
    workspace_low: Vec3 | None = None
    """Lowest tool position [m]; None is the arm's own."""
    workspace_high: Vec3 | None = None
    """Highest tool position [m]; None is the arm's own."""
    ik: IkConfig | None = None
    """Costs of the inverse kinematics; None are the arm's own."""


class ControlMode(ABC):
    """Turns actions (N, A) and the arm's joint positions into servo targets (N, U).

    A mode keeps no memory: the same action in the same state means the same target. The last
    action is the gripper's: +1 open, -1 closed.
    """

    name: ClassVar[str]
    """Registered name."""

    def __init__(self, spec: RobotSpec, config: ControlConfig | None = None) -> None:
        """Prepare the arm `spec`.

        Raises:
            ConfigError: the robot has no arm.
        """
        self.spec, self.config = spec, config or ControlConfig()
        self.arm = arm_of(spec)
        self.ik = InverseKinematics(spec, self.config.ik)
        self.kinematics = self.ik.kinematics
        joints = [actuator.joint for actuator in spec.actuators]
        arm = [joints.index(name) for name in spec.arm_joints]
        gripper = [joints.index(name) for name in spec.gripper_joints]
        # Servo u is driven by column _columns[u] of [arm targets, gripper target].
        self._columns = np.zeros(len(joints), dtype=int)
        self._columns[arm] = np.arange(len(arm))
        self._columns[gripper] = len(arm)

    @property
    @abstractmethod
    def action_names(self) -> tuple[str, ...]:
        """What the A numbers of an action are called; the last is `gripper`."""

    @property
    def action_dim(self) -> int:
        """Length A of an action."""
        return len(self.action_names)

    @abstractmethod
    def arm_targets(self, actions: Any, joints: Any) -> Any:
        """Arm joint targets (N, J) [rad] for actions (N, A - 1) at joint positions (N, J) [rad]."""

    def targets(self, actions: Any, joints: Any) -> Any:
        """Servo targets (N, U), in the order of the spec's actuators.

        Args:
            actions: (N, A), clipped to [-1, 1].
            joints: Current arm joint positions (N, J) [rad].
        """
        xp = array_namespace(actions, joints)
        # the method takes half as long as xp.clip for one world
        actions = xp.astype(actions, joints.dtype).clip(-1.0, 1.0)
        closed, opened = self.spec.gripper_range
        gripper = closed + 0.5 * (actions[:, -1:] + 1) * (opened - closed)
        arm = self.arm_targets(actions[:, :-1], joints)
        return xp.take(xp.concat([arm, gripper], axis=1), xp.asarray(self._columns), axis=1)

    def _in_workspace(self, position: Any) -> Any:
        xp, (lowest, highest) = array_namespace(position), self.arm.workspace
        low = xp.asarray(self.config.workspace_low or lowest, dtype=position.dtype)
        high = xp.asarray(self.config.workspace_high or highest, dtype=position.dtype)
        return xp.minimum(xp.maximum(position, low), high)


@CONTROL_MODES.register("ee_delta_pos")
class EeDeltaPos(ControlMode):
    """(dx, dy, dz, gripper): shift of the tool, which keeps pointing down.

    An arm of five joints points down as far as its position lets it.
    """

    name = "ee_delta_pos"

    @property
    def action_names(self) -> tuple[str, ...]:
        """The three shifts and the gripper."""
        return ("dx", "dy", "dz", "gripper")

    def arm_targets(self, actions: Any, joints: Any) -> Any:
        """Current tool position + action * position_step, fixed orientation."""
        xp = array_namespace(actions, joints)
        position, _ = self.kinematics.tool_frame(joints)
        position = self._in_workspace(position + actions * self.config.position_step)
        held = self.config.tool_quat_wxyz or self.arm.tool_quat_wxyz
        quat = xp.asarray(held, dtype=joints.dtype)
        quat = xp.broadcast_to(quat, (joints.shape[0], 4))
        return self.ik.solve(joints, xp.concat([position, quat], axis=1), self.config.period)


@CONTROL_MODES.register("ee_delta_pose")
class EeDeltaPose(ControlMode):
    """(dx, dy, dz, rx, ry, rz, gripper): shift and turn (rotation vector, world axes).

    An arm of five joints takes the part of a turn that leaves its position alone.
    """

    name = "ee_delta_pose"

    @property
    def action_names(self) -> tuple[str, ...]:
        """The three shifts, the three turns and the gripper."""
        return ("dx", "dy", "dz", "rx", "ry", "rz", "gripper")

    def arm_targets(self, actions: Any, joints: Any) -> Any:
        """Current tool pose moved by position_step and turned by rotation_step."""
        xp = array_namespace(actions, joints)
        pose = self.kinematics.tool_pose(joints)
        position = self._in_workspace(pose[:, :3] + actions[:, :3] * self.config.position_step)
        turn = quat_from_rotvec(actions[:, 3:] * self.config.rotation_step)
        target = xp.concat([position, quat_multiply(turn, pose[:, 3:])], axis=1)
        return self.ik.solve(joints, target, self.config.period)


class _JointMode(ControlMode):
    suffix: ClassVar[str]
    """Of the joints' names; `.pos` is LeRobot's own."""

    @property
    def action_names(self) -> tuple[str, ...]:
        """The arm's joints and the gripper."""
        return (*(joint + self.suffix for joint in self.spec.arm_joints), "gripper")

    def _reachable(self, target: Any, joints: Any) -> Any:
        xp = array_namespace(target, joints)
        lower, upper = self.ik.bounds(joints, self.config.period)
        return xp.minimum(xp.maximum(target, lower), upper)


@CONTROL_MODES.register("joint_delta_pos")
class JointDeltaPos(_JointMode):
    """(dq1 .. dqJ, gripper): turn of every joint."""

    name = "joint_delta_pos"
    suffix = ".delta"

    def arm_targets(self, actions: Any, joints: Any) -> Any:
        """Current position + action * joint_step, within position and speed limits."""
        return self._reachable(joints + actions * self.config.joint_step, joints)


@CONTROL_MODES.register("joint_pos")
class JointPos(_JointMode):
    """(q1 .. qJ, gripper): -1 is a joint's lower limit, +1 its upper limit."""

    name = "joint_pos"
    suffix = ".pos"

    def arm_targets(self, actions: Any, joints: Any) -> Any:
        """The commanded position, approached no faster than the speed limits allow."""
        xp = array_namespace(actions, joints)
        lower = xp.asarray(self.kinematics.lower, dtype=joints.dtype)
        upper = xp.asarray(self.kinematics.upper, dtype=joints.dtype)
        target = lower + 0.5 * (actions + 1) * (upper - lower)
        return self._reachable(target, joints)


def control_mode(name: str, spec: RobotSpec, config: ControlConfig | None = None) -> ControlMode:
    """The control mode `name` for the robot `spec`; UnknownNameError lists the choices."""
    return CONTROL_MODES.get(name)(spec, config)
