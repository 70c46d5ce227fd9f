"""Batched forward kinematics and geometric Jacobian of a serial arm, from its RobotSpec alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from octoworld.core.arrays import array_namespace
from octoworld.core.errors import ConfigError, UnknownNameError
from octoworld.core.rotations import matrix_from_quat, quat_from_matrix

from .shapes import quat_from_z
from .spec import BodySpec, RobotSpec


@dataclass(frozen=True)
class _Link:
    """One hinge: turn by `rotation`, shift by `offset` before it, then rotate about z."""

    rotation: np.ndarray
    offset: np.ndarray


class Kinematics:
    """Where the tool is, and how joint speeds move it. World = the frame of the robot's base.

    Every hinge axis is turned onto z beforehand, so that a joint's rotation only mixes two columns
    of the rotation matrix; a batch costs one small matrix product per joint.
    """

    def __init__(self, spec: RobotSpec, tool: str | None = None) -> None:
        """Prepare the chain from the base to the site `tool` (default: the spec's tool site).

        Raises:
            UnknownNameError: no body carries the site.
            ConfigError: an arm joint is no hinge, or is not on the way to the tool.
        """
        tool = tool or spec.tool_site
        bodies = {body.name: body for body in spec.bodies}
        sites = {site.name: (body, site) for body in spec.bodies for site in body.sites}
        if tool not in sites:
            raise UnknownNameError("site", tool, sites)
        body, site = sites[tool]
        chain: list[BodySpec] = []
        at: BodySpec | None = body
        while at is not None:
            chain.insert(0, at)
            at = bodies[at.parent] if at.parent is not None else None
        self.joint_names = spec.arm_joints
        self._links: list[_Link] = []
        lower, upper, speed = [], [], []
        rotation, offset = np.eye(3), np.zeros(3)
        for link in chain:
            offset = offset + rotation @ np.asarray(link.position, float)
            rotation = rotation @ matrix_from_quat(np.asarray(link.quat_wxyz, float))
            joint = link.joint
            if joint is None:
                continue
            if joint.kind != "hinge" or joint.name not in spec.arm_joints:
                raise ConfigError(
                    f"joint {joint.name!r} ({joint.kind}) lies between the base and {tool!r}; "
                    f"expected the hinges of arm_joints: {', '.join(spec.arm_joints)}"
                )
            to_axis = matrix_from_quat(np.asarray(quat_from_z(joint.axis), float))
            self._links.append(_Link(rotation @ to_axis, offset))
            rotation, offset = to_axis.T, np.zeros(3)
            limits = joint.range or (-np.inf, np.inf)
            lower.append(limits[0])
            upper.append(limits[1])
            speed.append(np.inf if joint.velocity_limit is None else joint.velocity_limit)
        if len(self._links) != len(spec.arm_joints):
            raise ConfigError(f"not every joint of {spec.arm_joints} moves the site {tool!r}")
        self._tool_offset = offset + rotation @ np.asarray(site.position, float)
        self._tool_rotation = rotation @ matrix_from_quat(np.asarray(site.quat_wxyz, float))
        self.lower = np.array(lower)
        """Lower joint limits (A,) [rad]."""
        self.upper = np.array(upper)
        """Upper joint limits (A,) [rad]."""
        self.velocity_limit = np.array(speed)
        """Speed limits (A,) [rad/s]."""

    @cached_property
    def chain(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Links as arrays: rotations (A, 3, 3), offsets (A, 3), the tool's offset and rotation."""
        rotations = np.stack([link.rotation for link in self._links])
        offsets = np.stack([link.offset for link in self._links])
        tool = self._tool_offset, self._tool_rotation
        return tuple(np.ascontiguousarray(x, np.float64) for x in (rotations, offsets, *tool))  # type: ignore[return-value]

    @property
    def num_joints(self) -> int:
        """Number of arm joints A."""
        return len(self._links)

    def tool_frame(self, joints: Any) -> tuple[Any, Any]:
        """Tool position (N, 3) [m] and rotation matrix (N, 3, 3) at joint angles (N, A) [rad]."""
        position, rotation, _, _ = self._forward(joints, with_axes=False)
        return position, rotation

    def tool_pose(self, joints: Any) -> Any:
        """Tool pose (N, 7), [x y z, quat wxyz] in the base's frame, at joint angles (N, A)."""
        xp = array_namespace(joints)
        position, rotation = self.tool_frame(joints)
        return xp.concat([position, quat_from_matrix(rotation)], axis=-1)

    def frame_and_jacobian(self, joints: Any) -> tuple[Any, Any, Any]:
        """Tool position (N, 3), rotation (N, 3, 3) and geometric Jacobian (N, 6, A).

        J[:, :3] = z_i x (p_tool - p_i) and J[:, 3:] = z_i, with z_i, p_i the axis and origin of
        joint i, all in the base's frame.
        """
        xp = array_namespace(joints)
        position, rotation, axes, origins = self._forward(joints, with_axes=True)
        axis, arm = xp.stack(axes, axis=-1), position[:, :, None] - xp.stack(origins, axis=-1)
        ax, ay, az = axis[:, 0], axis[:, 1], axis[:, 2]
        rx, ry, rz = arm[:, 0], arm[:, 1], arm[:, 2]
        linear = xp.stack([ay * rz - az * ry, az * rx - ax * rz, ax * ry - ay * rx], axis=1)
        return position, rotation, xp.concat([linear, axis], axis=1)

    def jacobian(self, joints: Any) -> Any:
        """Geometric Jacobian (N, 6, A): linear then angular speed in the base's frame."""
        return self.frame_and_jacobian(joints)[2]

    def _forward(self, joints: Any, *, with_axes: bool) -> tuple[Any, Any, list[Any], list[Any]]:
        xp = array_namespace(joints)
        num_worlds = joints.shape[0]
        dtype, device = joints.dtype, getattr(joints, "device", None)

        def constant(value: np.ndarray) -> Any:
            return xp.asarray(value, dtype=dtype, device=device)

        cos, sin = xp.cos(joints), xp.sin(joints)
        rotation = xp.broadcast_to(constant(np.eye(3)), (num_worlds, 3, 3))
        position = constant(np.zeros((1, 3)))
        axes, origins = [], []
        for i, link in enumerate(self._links):
            flat = xp.reshape(rotation, (-1, 3))
            position = position + xp.reshape(flat @ constant(link.offset), (num_worlds, 3))
            turned = xp.reshape(flat @ constant(link.rotation), (num_worlds, 3, 3))
            c, s = cos[:, i, None], sin[:, i, None]
            x, y, z = turned[..., 0], turned[..., 1], turned[..., 2]
            rotation = xp.stack([c * x + s * y, c * y - s * x, z], axis=-1)
            if with_axes:
                axes.append(z)
                origins.append(position)
        flat = xp.reshape(rotation, (-1, 3))
        position = position + xp.reshape(flat @ constant(self._tool_offset), (num_worlds, 3))
        rotation = xp.reshape(flat @ constant(self._tool_rotation), (num_worlds, 3, 3))
        return position, rotation, axes, origins
