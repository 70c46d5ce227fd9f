"""Physics of each PyBullet world as shares of the scene's own values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from numpy.typing import NDArray

from ..scene import Scene
from . import pybullet_engine as pybullet
from .pybullet_client import Client
from .shares import Shares

Act = Callable[[Client, float], None]
"""Makes one share act in one world."""


class BulletParameters(Shares):
    """The names of `MujocoParameters` without the looks.

    `OBJECT.mass` (with inertia), `OBJECT.friction` and `GEOM.friction` of a static geom (Bullet
    multiplies those of two that touch), `JOINT.damping` of objects' joints, `joints.damping`,
    `joints.friction` and `servos.gain` of each robot (with its prefix), and `gravity`.
    """

    def __init__(self, scene: Scene, clients: list[Client]) -> None:
        self._clients, self._acts = clients, _acts(scene, clients[0])
        super().__init__(dict.fromkeys(self._acts, 1.0), len(clients))

    def _apply(self, names: tuple[str, ...], rows: NDArray) -> None:
        for name in names:
            column, act = self.names.index(name), self._acts[name]
            for n in rows:
                act(self._clients[n], float(self.values[n, column]))


def _acts(scene: Scene, client: Client) -> dict[str, Act]:
    acts: dict[str, Act] = {}
    if any(placed.spec.rotorcraft is not None for placed in scene.robots):
        return acts  # what can differ there is the drones' own
    layout = client.layout
    for spec in scene.bodies:
        at = layout.bodies[spec.name]
        if spec.mass and spec.joint is not None:
            acts[f"{spec.name}.mass"] = _mass(client, *at)
        if any(geom.collides for geom in spec.geoms):
            acts[f"{spec.name}.friction"] = _friction(client, *at)
        if spec.joint is not None and spec.joint.kind != "free":
            link = layout.joint_links[layout.joints[spec.joint.name]]
            acts[f"{spec.joint.name}.damping"] = partial(_joint_damping, *link, spec.joint.damping)
    for geom in scene.static_geoms:
        if geom.collides:
            acts[f"{geom.name}.friction"] = _friction(client, *layout.bodies[geom.name])
    for placed in scene.robots:
        trees = {layout.bodies[placed.prefix + b.name][0] for b in placed.spec.bodies}
        links = [(t, k) for t, k in layout.joint_links if t in trees]
        if not links:
            continue
        servos = [i for i, s in enumerate(client.servos) if s.body in _bodies(client, trees)]
        served = {client.servos[i].body for i in servos}
        losses = {
            link: b.joint.friction_loss
            for b in placed.spec.bodies
            if b.joint is not None and b.joint.kind != "free"
            for link in [layout.joint_links[layout.joints[placed.prefix + b.joint.name]]]
            if client.bodies[link[0]] not in served
        }
        acts[f"{placed.prefix}joints.damping"] = partial(_servo_damping, servos)
        acts[f"{placed.prefix}joints.friction"] = partial(_dry_friction, losses, servos)
        acts[f"{placed.prefix}servos.gain"] = partial(_servo_gain, servos)
    gravity = scene.gravity

    def weigh(client: Client, share: float) -> None:
        pybullet.setGravity(*(share * g for g in gravity), physicsClientId=client.id)

    return acts | {"gravity": weigh}


def _bodies(client: Client, trees: set[int]) -> set[int]:
    return {client.bodies[t] for t in trees}


def _mass(client: Client, tree: int, link: int) -> Act:
    info = pybullet.getDynamicsInfo(client.bodies[tree], link, physicsClientId=client.id)
    mass, inertia = info[0], info[2]

    def act(client: Client, share: float) -> None:
        pybullet.changeDynamics(
            client.bodies[tree], link, mass=share * mass,
            localInertiaDiagonal=[share * i for i in inertia], physicsClientId=client.id,
        )  # fmt: skip

    return act


def _friction(client: Client, tree: int, link: int) -> Act:
    info = pybullet.getDynamicsInfo(client.bodies[tree], link, physicsClientId=client.id)
    friction = info[1]

    def act(client: Client, share: float) -> None:
        pybullet.changeDynamics(
            client.bodies[tree], link, lateralFriction=share * friction, physicsClientId=client.id
        )

    return act


def _joint_damping(tree: int, link: int, damping: float, client: Client, share: float) -> None:
    pybullet.changeDynamics(
        client.bodies[tree], link, jointDamping=share * damping, physicsClientId=client.id
    )


def _dry_friction(
    losses: dict[tuple[int, int], float], servos: list[int], client: Client, share: float
) -> None:
    for i in servos:
        client.servos[i].scale(friction=share)
    for (tree, link), loss in losses.items():
        pybullet.setJointMotorControl2(
            client.bodies[tree], link, pybullet.VELOCITY_CONTROL, targetVelocity=0,
            force=share * loss, physicsClientId=client.id,
        )  # fmt: skip


def _servo_damping(servos: list[int], client: Client, share: float) -> None:
    for i in servos:
        client.servos[i].scale(damping=share)


def _servo_gain(servos: list[int], client: Client, share: float) -> None:
    for i in servos:
        client.servos[i].scale(gain=share)
