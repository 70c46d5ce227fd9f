"""Batched differential inverse kinematics: mink's quadratic program, solved for N arms at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from array_api_compat import is_numpy_namespace

from octoworld.core.arrays import array_namespace
from octoworld.core.rotations import matrix_from_quat, se3_log_and_jacobian
from robots.kinematics import Kinematics
from robots.spec import RobotSpec

if TYPE_CHECKING:
    from .mink_ik import MinkIk


@dataclass(frozen=True)
class IkConfig:
    """Costs of the inverse kinematics; names and meaning are mink's."""

    position_cost: float = 1.0
    """Of the tool's position error [1/m]."""
    orientation_cost: float = 0.5
    """Of the tool's orientation error [1/rad]."""
    lm_damping: float = 1e-3
    """Levenberg-Marquardt damping, times the squared weighted error [-]."""
    posture_cost: float = 0.005
    """Pull towards the home posture, which decides the redundant joint [1/rad]. The null space has
    no other cost, so the posture becomes a function of the tool's pose alone."""
    damping: float = 1e-8
    """Tikhonov term of the quadratic program [-]."""
    iterations: int = 2
    """Gauss-Newton steps towards one target; two bring a 4 cm step within 0.1 mm."""


def ik_config(spec: RobotSpec, **changes: Any) -> IkConfig:
    """The arm's own costs, with `changes` of other fields."""
    names = ("orientation_cost", "lm_damping", "posture_cost")
    costs = {} if spec.arm is None else {name: getattr(spec.arm, name) for name in names}
    return replace(IkConfig(**costs), **changes)


class InverseKinematics:
    """Joint targets that bring the tool to a pose, within joint and speed limits.

    One step minimises  |W (J dq - e)|^2 + mu |dq|^2 + c_p^2 |q + dq - q_home|^2 + damping |dq|^2,
    the objective of `mink.solve_ik` with a FrameTask and a PostureTask. Unconstrained it is one
    (A, A) solve a world, done here for all worlds at once (numpy arrays: in machine code). The few
    worlds whose answer breaks a limit are solved again by mink itself, with the limits as
    constraints.
    """

    def __init__(self, spec: RobotSpec, config: IkConfig | None = None) -> None:
        """Prepare the arm `spec` (default costs: its own); mink is imported when a limit is met."""
        self.spec = spec
        self.config = config or ik_config(spec)
        self.kinematics = Kinematics(spec)
        self.home = np.array([spec.home[j] for j in spec.arm_joints])
        self.num_limited = 0
        """Worlds of the last `solve` that were handed to mink."""

    @cached_property
    def _constrained(self) -> MinkIk:
        from .mink_ik import MinkIk

        return MinkIk(self.spec, self.config)

    def solve(self, joints: Any, target: Any, dt: float = np.inf) -> Any:
        """Joint positions (N, A) for tool poses `target` (N, 7), from `joints` (N, A) [rad].

        The answer moves no joint farther than its speed limit allows in `dt` seconds and stays
        within the joint limits.
        """
        xp = array_namespace(joints, target)
        start = joints
        position, rotation = target[:, :3], matrix_from_quat(target[:, 3:])
        if is_numpy_namespace(xp):
            joints = self._compiled(joints, position, rotation)
        else:
            for _ in range(self.config.iterations):
                joints = joints + self.delta(joints, position, rotation)
        lower, upper = self.bounds(start, dt)
        limited = xp.any((joints < lower) | (joints > upper), axis=-1)
        self.num_limited = int(xp.sum(xp.astype(limited, xp.int64)))
        if self.num_limited == 0:
            return joints
        if not is_numpy_namespace(xp):
            # On an accelerator a world at its limits is clipped: no host round trip per step.
            return xp.minimum(xp.maximum(joints, lower), upper)
        joints = np.array(joints, dtype=np.float64)
        for i in np.flatnonzero(limited):
            joints[i] = self._constrained.solve(start[i], target[i], lower[i], upper[i])
        return joints

    def unlimited(self, joints: Any, target: Any) -> np.ndarray:
        """As `solve`, for numpy arrays, with no regard to limits: a quick look from many seeds."""
        return self._compiled(joints, target[:, :3], matrix_from_quat(target[:, 3:]))

    def _compiled(self, joints: Any, position: Any, rotation: Any) -> np.ndarray:
        """All steps of all worlds in machine code; the numbers of `delta`."""
        from .ik_compiled import solve

        config, contiguous = self.config, np.ascontiguousarray
        moved = np.array(joints, np.float64, order="C")
        costs = (
            config.position_cost, config.orientation_cost, config.lm_damping, config.damping,
            config.posture_cost,
        )  # fmt: skip
        solve(
            moved, contiguous(position, np.float64), contiguous(rotation, np.float64),
            *self.kinematics.chain, self.home, np.array(costs), config.iterations,
        )  # fmt: skip
        return moved

    def delta(self, joints: Any, position: Any, rotation: Any) -> Any:
        """One unconstrained step dq (N, A) towards tool positions (N, 3), rotations (N, 3, 3)."""
        xp, config = array_namespace(joints), self.config
        tool_position, tool_rotation, jacobian = self.kinematics.frame_and_jacobian(joints)
        # Transform of the tool seen from its target; its logarithm is minus the error.
        back = xp.matrix_transpose(rotation)
        offset = (back @ (tool_position - position)[..., None])[..., 0]
        log, jlog = se3_log_and_jacobian(offset, back @ tool_rotation)
        to_body = xp.matrix_transpose(tool_rotation)
        body = xp.concat([to_body @ jacobian[:, :3], to_body @ jacobian[:, 3:]], axis=1)
        cost = xp.asarray([config.position_cost] * 3 + [config.orientation_cost] * 3)
        cost = xp.astype(cost, joints.dtype)
        weighted = cost[:, None] * (jlog @ body)
        error = -cost * log
        transpose = xp.matrix_transpose(weighted)
        hessian = transpose @ weighted
        mu = config.lm_damping * xp.sum(error * error, axis=-1) + config.damping
        mu = mu + config.posture_cost**2
        hessian = hessian + mu[:, None, None] * xp.eye(joints.shape[1], dtype=joints.dtype)
        home = xp.asarray(self.home, dtype=joints.dtype)
        gradient = (transpose @ error[..., None])[..., 0]
        gradient = gradient + config.posture_cost**2 * (home - joints)
        return xp.linalg.solve(hessian, gradient[..., None])[..., 0]

    def bounds(self, joints: Any, dt: float) -> tuple[Any, Any]:
        """Lowest and highest positions (N, A) reachable in `dt` s within the joint limits [rad]."""
        xp = array_namespace(joints)
        arm = self.kinematics
        reach = xp.asarray(arm.velocity_limit * dt, dtype=joints.dtype)
        lower = xp.asarray(arm.lower, dtype=joints.dtype)
        upper = xp.asarray(arm.upper, dtype=joints.dtype)
        # A joint that a collision pushed past its limit may only come back.
        low = xp.minimum(xp.maximum(lower, joints - reach), upper)
        return low, xp.maximum(xp.minimum(upper, joints + reach), low)
