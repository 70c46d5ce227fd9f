"""Servos, joint damping and rotor inertia for PyBullet: a stable torque from implicit dynamics."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError

from . import pybullet_engine as pybullet
from .urdf import Tree

FRICTION_SWEEPS = 4
"""Of Gauss-Seidel; rotors make the joints nearly independent, so that few do."""


def needs_servo(tree: Tree) -> bool:
    """Whether Bullet's own joints do not do: actuators, armature or carried weight."""
    return bool(tree.actuators) or any(
        (body.joint is not None and body.joint.kind != "free" and body.joint.armature > 0)
        or body.gravity_compensation > 0
        for body in tree.bodies
    )


class Servo:
    """Torques of one tree's joints for one step of length h.

    Bullet has neither armature nor position servos with a stiffness, and explicit ones of the
    Panda's stiffness would be unstable at 5 ms. So the acceleration is found as an implicit Euler
    step would have it (stable PD control, Tan, Liu and Turk 2011, here with armature A):

        (M + A + h D + h^2 K) a = K (q* - q - h v) - D v - b,

    with D the joints' and servos' damping and b gravity and Coriolis forces, and Bullet is given
    the torque M a + b that makes it so. Servo forces at their limit enter as constants. Contacts
    then act on the arm without its armature. Dry friction is found with it (a motor of Bullet's at
    speed 0 would know no armature, and hold a light link against any servo): the forces within
    their limits that bring the joints to rest, by projected Gauss-Seidel.
    """

    def __init__(self, client: int, body: int, tree: Tree, links: list[int]) -> None:
        if tree.kind == "free":
            raise ConfigError(
                f"robot {tree.name!r}: the pybullet backend has servos on fixed bases alone"
            )
        carried = {b.gravity_compensation for b in tree.bodies[0 if tree.anchored else 1 :]}
        if len(carried) > 1:
            raise ConfigError(
                f"robot {tree.name!r}: the pybullet backend takes one gravity_compensation for all "
                f"moving bodies, got {sorted(carried)}"
            )
        self.client, self.body, self.links = client, body, links
        self.carried = carried.pop() if carried else 0.0
        infos = [pybullet.getJointInfo(body, k, physicsClientId=client) for k in links]
        names = [info[1].decode() for info in infos]
        specs = {tree.prefix + joint.name: joint for _, joint in tree.joints}
        self.armature = np.array([specs[n].armature for n in names])
        self.joint_damping = np.array([specs[n].damping for n in names])
        self.friction = np.array([specs[n].friction_loss for n in names])
        self.stiffness, self.damping = np.zeros(len(names)), np.zeros(len(names))
        self.limit, self.range = np.zeros(len(names)), np.zeros((2, len(names)))
        self.columns: list[int] = []
        """Joint of each actuator, in the order of the tree's actuators."""
        for actuator in tree.actuators:
            k = names.index(tree.prefix + actuator.joint)
            self.columns.append(k)
            self.stiffness[k], self.damping[k] = actuator.stiffness, actuator.damping
            self.limit[k], self.range[:, k] = actuator.force_limit, actuator.range

        self.built = self.joint_damping, self.stiffness, self.damping, self.friction
        """As the robot's description has them."""

    def scale(
        self,
        *,
        damping: float | None = None,
        gain: float | None = None,
        friction: float | None = None,
    ) -> None:
        """Damping or friction of the joints, or gains of the servos, as shares of the spec's."""
        joint_damping, stiffness, servo_damping, dry = self.built
        if friction is not None:
            self.friction = friction * dry
        if damping is not None:
            self.joint_damping = damping * joint_damping
        if gain is not None:
            self.stiffness, self.damping = gain * stiffness, gain * servo_damping

    def act(self, targets: NDArray[np.float64], h: float) -> None:
        """Give Bullet the torques of the next step; `targets` in the order of the actuators."""
        p: Any = pybullet
        states = p.getJointStates(self.body, self.links, self.client)
        q, v = np.array([s[0] for s in states]), np.array([s[1] for s in states])
        still = [0.0] * len(q)
        mass = np.array(p.calculateMassMatrix(self.body, q.tolist(), 0, self.client))
        bias = np.array(
            p.calculateInverseDynamics(
                self.body, q.tolist(), v.tolist(), still, 0, self.client
            )
        )  # fmt: skip
        load = bias
        if self.carried:
            weight = p.calculateInverseDynamics(self.body, q.tolist(), still, still, 0, self.client)
            load = bias - self.carried * np.array(weight)
        goal = np.zeros(len(q))
        goal[self.columns] = targets
        goal = np.clip(goal, *self.range)
        k, d = self.stiffness.copy(), self.damping.copy()
        force = np.zeros(len(q))
        inertia = mass + np.diag(self.armature + h * self.joint_damping)
        # a servo found beyond its limit is held there in the next round
        for _ in range(3):
            drive = k * (goal - q - h * v) - d * v
            right = drive + force - self.joint_damping * v - load
            matrix = inertia + np.diag(h * d + h * h * k)
            a = np.linalg.solve(matrix, right)
            if self.friction.any():
                a = self._with_friction(a, v, h, matrix)
            servo = drive - (h * d + h * h * k) * a
            over = (np.abs(servo) > self.limit) & (self.limit > 0)
            if not over.any():
                break
            force[over] = np.sign(servo[over]) * self.limit[over]
            k[over] = d[over] = 0.0
        torque = mass @ a + bias
        p.setJointMotorControlArray(
            self.body, self.links, p.TORQUE_CONTROL, forces=torque.tolist(),
            physicsClientId=self.client,
        )  # fmt: skip

    def _with_friction(
        self, a: NDArray, v: NDArray, h: float, matrix: NDArray
    ) -> NDArray[np.float64]:
        """Accelerations (J,) when dry friction slows the joints, at most to rest."""
        inverse = np.linalg.inv(matrix)
        force, limit = np.zeros(len(v)), self.friction
        ahead = v + h * a
        for _ in range(FRICTION_SWEEPS):
            for i in np.flatnonzero(limit):
                rest = force[i] - ahead[i] / (h * inverse[i, i])
                change = np.clip(rest, -limit[i], limit[i]) - force[i]
                force[i] += change
                ahead = ahead + h * inverse[:, i] * change
        return (ahead - v) / h
