"""One arm's inverse kinematics by mink's constrained program: at limits, and for teleoperation."""

from __future__ import annotations

from typing import Any

import mink
import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ConfigError
from robots.spec import RobotSpec

from .ik import IkConfig, ik_config

SOLVER = "daqp"


def arm_model(spec: RobotSpec) -> Any:
    """MjModel of the arm's kinematic chain alone: arm joints and the tool site, no shapes.

    Gripper joints are left out, so that positions are the arm joints in order.
    """
    build = mujoco.MjSpec()  # pyright: ignore[reportAttributeAccessIssue] - compiled, without stubs
    build.compiler.degree = False
    made = {}
    for body in spec.bodies:
        parent = made[body.parent] if body.parent is not None else build.worldbody
        node = parent.add_body(name=body.name, pos=body.position, quat=body.quat_wxyz)
        # Kinematics needs no mass, but MuJoCo demands some on every moving body.
        node.mass, node.inertia, node.explicitinertial = 1.0, [1.0] * 3, True
        made[body.name] = node
        joint = body.joint
        if joint is not None and joint.name in spec.arm_joints:
            if joint.range is None:
                raise ConfigError(f"arm joint {joint.name!r} needs a range")
            # a joint is a hinge unless told otherwise
            node.add_joint(name=joint.name, axis=joint.axis, range=joint.range, limited=True)
        for site in body.sites:
            node.add_site(name=site.name, pos=site.position, quat=site.quat_wxyz)
    return build.compile()


class MinkIk:
    """Follows tool targets with one arm; joint and speed limits are constraints, not clips."""

    def __init__(self, spec: RobotSpec, config: IkConfig | None = None) -> None:
        """Build the arm's model, a FrameTask on the tool site and a PostureTask to home."""
        self.config = config or ik_config(spec)
        self.configuration = mink.Configuration(arm_model(spec))
        model = self.configuration.model
        self.frame_task = mink.FrameTask(
            spec.tool_site,
            "site",
            position_cost=self.config.position_cost,
            orientation_cost=self.config.orientation_cost,
            lm_damping=self.config.lm_damping,
        )
        self.posture_task = mink.PostureTask(model, cost=self.config.posture_cost)
        self.home = np.array([spec.home[name] for name in spec.arm_joints])
        self.posture_task.set_target(self.home)
        self.limit = mink.ConfigurationLimit(model, gain=1.0)
        self.lower, self.upper = self.limit.lower.copy(), self.limit.upper.copy()
        by_name = {b.joint.name: b.joint for b in spec.bodies if b.joint is not None}
        speeds = (by_name[name].velocity_limit for name in spec.arm_joints)
        self.velocity_limit = np.array([np.inf if s is None else s for s in speeds])

    def tool_pose(self, joints: ArrayLike) -> NDArray:
        """Tool pose (7,) at joint positions (A,)."""
        self.configuration.update(np.asarray(joints, float))
        frame = self.configuration.get_transform_frame_to_world(self.frame_task.frame_name, "site")
        return np.concatenate([frame.translation(), frame.rotation().wxyz])

    def track(self, joints: ArrayLike, target: ArrayLike, dt: float) -> NDArray:
        """Joint positions (A,) one control period later, for a teleoperated tool pose (7,)."""
        joints = np.asarray(joints, float)
        reach = self.velocity_limit * dt
        lower = np.clip(joints - reach, self.lower, self.upper)
        upper = np.clip(joints + reach, self.lower, self.upper)
        return self.solve(joints, target, lower, upper)

    def solve(
        self, joints: ArrayLike, target: ArrayLike, lower: ArrayLike, upper: ArrayLike
    ) -> NDArray:
        """Joint positions (A,) in [lower, upper] whose tool pose is nearest to `target` (7,).

        Starts from `joints` (A,) and takes the config's number of steps.
        """
        target = np.asarray(target, float)
        rotation = mink.SO3(target[3:] / np.linalg.norm(target[3:]))
        self.frame_task.set_target(mink.SE3.from_rotation_and_translation(rotation, target[:3]))
        self.limit.lower, self.limit.upper = np.asarray(lower, float), np.asarray(upper, float)
        joints = np.clip(np.asarray(joints, float), lower, upper)
        for _ in range(self.config.iterations):
            self.configuration.update(joints)
            velocity = mink.solve_ik(
                self.configuration,
                [self.frame_task, self.posture_task],
                dt=1.0,
                solver=SOLVER,
                damping=self.config.damping,
                limits=[self.limit],
            )
            joints = np.clip(joints + velocity, lower, upper)
        return joints
