"""One PyBullet physics client: a scene's bodies by name, and their motion as rows of numbers."""

from __future__ import annotations

import os
import platform
import tempfile
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError, RenderError

from ..scene import Scene
from . import pybullet_engine as pybullet
from .pybullet_servo import Servo, needs_servo
from .urdf import Tree, tree_urdf, trees

MAX_CLIENTS = 1024
"""Physics clients that one process may have (PyBullet's MAX_PHYSICS_CLIENTS)."""
NO_LIMIT = 1e9
"""Bullet clips speeds at 100 m/s and rad/s unless told otherwise."""
GEAR_FORCE = 1e4
"""Most force of a gear between two joints [N]."""
MOTION = 13
"""Numbers of a base: position, quat xyzw, velocity, angular velocity, all of the centre of mass."""


@dataclass
class Layout:
    """Where the parts of every client lie; the same in each, since each is built the same way."""

    trees: list[Tree]
    moving: list[int]
    """Trees with a base that moves: free ones and movable ones; rows of motion in this order."""
    bodies: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Body or static geom -> (tree, link)."""
    joints: dict[str, int] = field(default_factory=dict)
    """Joint -> column of the joint rows."""
    joint_links: list[tuple[int, int]] = field(default_factory=list)
    """(tree, link) of each joint."""
    visuals: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Drawn geom -> (tree, link, shape)."""
    inertial: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 7)))
    """(T, 7) frame of inertia in the base's frame: position, quat xyzw."""
    solid: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Geoms that are the only solid shape of their body, by name: (tree, link)."""


class Client:
    """One world in its own Bullet: isolated from the others, and deterministic."""

    def __init__(self, scene: Scene, *, gui: bool = False, damping: bool = False) -> None:
        """Build `scene`.

        Args:
            scene: what to build.
            gui: open PyBullet's window (one in a process).
            damping: leave Bullet's own damping of 0.04 and its speed limit on.

        Raises:
            RenderError: the window could not be opened.
            ConfigError: the scene cannot be built, or there are too many clients.
        """
        self.id = _connect(gui)
        # a client is some 30 MB of Bullet's own, which Python would not free
        self._release = weakref.finalize(self, _disconnect, self.id)
        self.trees = trees(scene)
        self.bodies: list[int] = []
        p, on = pybullet, {"physicsClientId": self.id}
        p.setGravity(*scene.gravity, **on)
        # the same files are written again and again, and must not be taken from memory
        p.setPhysicsEngineParameter(
            fixedTimeStep=scene.timestep, enableFileCaching=0, deterministicOverlappingPairs=1, **on
        )
        with tempfile.TemporaryDirectory() as folder:
            for tree in self.trees:
                self.bodies.append(self._load(tree, Path(folder) / "tree.urdf"))
        self.layout = self._layout()
        self._physics(damping)
        self._exclude(scene)
        self._couple(scene)
        self.servos = [
            Servo(self.id, body, tree, [link for t, link in self.layout.joint_links if t == i])
            for i, (tree, body) in enumerate(zip(self.trees, self.bodies, strict=True))
            if needs_servo(tree)
        ]

    # -- building --------------------------------------------------------------------------------

    def _load(self, tree: Tree, path: Path) -> int:
        path.write_text(tree_urdf(tree))
        p = pybullet
        flags = p.URDF_USE_INERTIA_FROM_FILE | p.URDF_USE_SELF_COLLISION
        flags |= p.URDF_USE_SELF_COLLISION_EXCLUDE_PARENT
        position, quat = tree.home[:3].tolist(), tree.home[[4, 5, 6, 3]].tolist()
        try:
            return p.loadURDF(
                str(path), position, quat, useFixedBase=int(tree.kind != "free"), flags=flags,
                physicsClientId=self.id,
            )  # fmt: skip
        except pybullet.error as error:
            raise ConfigError(f"pybullet cannot load {tree.name!r}: {error}") from None

    def _layout(self) -> Layout:
        moving = [i for i, t in enumerate(self.trees) if t.kind != "fixed"]
        layout = Layout(self.trees, moving)
        inertial = []
        for i, (tree, body) in enumerate(zip(self.trees, self.bodies, strict=True)):
            base = pybullet.getDynamicsInfo(body, -1, physicsClientId=self.id)
            inertial.append((*base[3], *base[4]))
            links = {} if tree.anchored else {tree.names[0]: -1}
            count = pybullet.getNumJoints(body, physicsClientId=self.id)
            infos = [pybullet.getJointInfo(body, k, physicsClientId=self.id) for k in range(count)]
            links |= {info[12].decode(): k for k, info in enumerate(infos)}
            for name, spec in zip(tree.names, tree.bodies, strict=True):
                layout.bodies[name] = (i, links[name])
                drawn = [g for g in spec.geoms if g.visible]
                for k, geom in enumerate(drawn):
                    layout.visuals[tree.prefix + geom.name] = (i, links[name], k)
                solid = [g for g in spec.geoms if g.collides]
                if len(solid) == 1:
                    layout.solid[tree.prefix + solid[0].name] = (i, links[name])
            for k, info in enumerate(infos):
                if info[2] != pybullet.JOINT_FIXED:
                    layout.joints[info[1].decode()] = len(layout.joint_links)
                    layout.joint_links.append((i, k))
        layout.inertial = np.array(inertial).reshape(-1, 7)
        return layout

    def _physics(self, damping: bool) -> None:
        for i, (tree, body) in enumerate(zip(self.trees, self.bodies, strict=True)):
            on = {"physicsClientId": self.id}
            for name, spec in zip(tree.names, tree.bodies, strict=True):
                link = self.layout.bodies[name][1]
                friction = max([g.friction[0] for g in spec.geoms if g.collides], default=0.5)
                pybullet.changeDynamics(body, link, lateralFriction=friction, **on)
            if not damping:
                pybullet.changeDynamics(
                    body, -1, linearDamping=0, angularDamping=0, maxJointVelocity=NO_LIMIT, **on
                )
            for t, link in self.layout.joint_links:
                if t == i:
                    joint = self._joint(t, link)
                    # Bullet's motor at speed 0 is dry friction; a servo has its own
                    loss = 0.0 if needs_servo(tree) else joint.friction_loss
                    pybullet.setJointMotorControl2(
                        body, link, pybullet.VELOCITY_CONTROL, targetVelocity=0,
                        force=loss, **on,
                    )  # fmt: skip
                    pybullet.changeDynamics(body, link, jointDamping=0, **on)
                    if not needs_servo(tree):
                        pybullet.changeDynamics(body, link, jointDamping=joint.damping, **on)

    def _joint(self, tree: int, link: int) -> Any:
        name = pybullet.getJointInfo(self.bodies[tree], link, physicsClientId=self.id)[12].decode()
        return dict(self.trees[tree].joints)[name]

    def _exclude(self, scene: Scene) -> None:
        pairs = list(scene.contact_excludes)
        for robot in scene.robots:
            pairs += [(robot.prefix + a, robot.prefix + b) for a, b in robot.spec.contact_excludes]
        for a, b in pairs:
            for name in (a, b):
                if name not in self.layout.bodies:
                    known = ", ".join(self.layout.bodies)
                    raise ConfigError(f"contact_excludes: no body {name!r}; known: {known}")
            (i, j), (k, m) = self.layout.bodies[a], self.layout.bodies[b]
            pybullet.setCollisionFilterPair(
                self.bodies[i], self.bodies[k], j, m, 0, physicsClientId=self.id
            )

    def _couple(self, scene: Scene) -> None:
        for robot in scene.robots:
            for equality in robot.spec.equalities:
                first, second = (
                    self.layout.joint_links[self.layout.joints[robot.prefix + name]]
                    for name in (equality.joint1, equality.joint2)
                )
                gear = pybullet.createConstraint(
                    self.bodies[first[0]], first[1], self.bodies[second[0]], second[1],
                    pybullet.JOINT_GEAR, [1, 0, 0], [0, 0, 0], [0, 0, 0], physicsClientId=self.id,
                )  # fmt: skip
                pybullet.changeConstraint(
                    gear, gearRatio=-1, erp=0.2, maxForce=GEAR_FORCE, physicsClientId=self.id
                )

    # -- motion ----------------------------------------------------------------------------------

    def push(self, motion: NDArray, joints: NDArray) -> None:
        """Write the rows of motion (B, 13) and of joints (2, J) into Bullet."""
        for i, row in zip(self.layout.moving, motion.tolist(), strict=True):
            body = self.bodies[i]
            pybullet.resetBasePositionAndOrientation(body, row[:3], row[3:7], self.id)
            pybullet.resetBaseVelocity(body, row[7:10], row[10:], self.id)
        for (i, link), q, v in zip(self.layout.joint_links, *joints.tolist(), strict=True):
            pybullet.resetJointState(self.bodies[i], link, q, v, self.id)

    def pull(self, motion: NDArray, joints: NDArray) -> None:
        """Read them back."""
        for row, i in enumerate(self.layout.moving):
            body = self.bodies[i]
            position, quat = pybullet.getBasePositionAndOrientation(body, self.id)
            linear, angular = pybullet.getBaseVelocity(body, self.id)
            motion[row] = (*position, *quat, *linear, *angular)
        for column, (i, link) in enumerate(self.layout.joint_links):
            state = pybullet.getJointState(self.bodies[i], link, self.id)
            joints[0, column], joints[1, column] = state[0], state[1]

    def links(self, which: list[tuple[int, int]], out: NDArray) -> None:
        """Frame poses [x y z, wxyz] and velocities of links (tree, link), into (L, 13)."""
        for row, (i, link) in enumerate(which):
            s = pybullet.getLinkState(self.bodies[i], link, 1, 1, self.id)
            x, y, z, w = s[5]
            # the velocity is that of the centre of mass
            arm = np.subtract(s[4], s[0])
            out[row] = (*s[4], w, x, y, z, *(np.asarray(s[6]) + np.cross(s[7], arm)), *s[7])

    def push_wrench(self, body: int, point: list[float], force: Any, torque: Any) -> None:
        """Act on a base during the next step: force at `point` and torque, in the world."""
        pybullet.applyExternalForce(body, -1, force, point, pybullet.WORLD_FRAME, self.id)
        pybullet.applyExternalTorque(body, -1, torque, pybullet.WORLD_FRAME, self.id)

    def near(self, a: list[tuple[int, int]], b: list[tuple[int, int]], distance: float) -> bool:
        """Whether any link of `a` comes within `distance` [m] of any of `b`."""
        return any(
            pybullet.getClosestPoints(
                self.bodies[i], self.bodies[k], distance, j, m, physicsClientId=self.id
            )
            for i, j in a
            for k, m in b
        )

    def close(self) -> None:
        """Disconnect."""
        self._release()
        self.id = -1


def _disconnect(client: int) -> None:
    if pybullet.isConnected(client):
        pybullet.disconnect(client)


def _connect(gui: bool) -> int:
    if gui and platform.system() == "Linux" and not os.environ.get("DISPLAY"):
        # PyBullet would end the process
        raise RenderError("pybullet gui=True needs a display: DISPLAY is not set")
    number = pybullet.connect(pybullet.GUI if gui else pybullet.DIRECT)
    if number < 0:
        raise ConfigError(
            f"pybullet gives no more clients; one process has at most {MAX_CLIENTS}, one a world "
            "(and one GUI)"
        )
    return number
