"""Obstacles: what of a scene drones can hit or fly over, as arrays; and what each is fixed to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from robots.spec import BodySpec, GeomSpec, Quat, Vec3

from ..scene import Scene
from .algebra import compose
from .layout import SHAPES


@dataclass(frozen=True)
class Anchor:
    """What a body moves with: itself, a parent, or nothing."""

    root: str
    """Body that it is welded to and that can move; empty for the world."""
    local: NDArray[np.float64]
    """(7,) its pose in the root's frame [m, quat_wxyz]."""
    home: NDArray[np.float64]
    """(7,) its pose in the world, with every joint at 0."""


@dataclass(frozen=True)
class Obstacles:
    """O shapes that collide and belong to no drone."""

    names: tuple[str, ...]
    """Of the geoms, with the robots' prefixes."""
    owners: tuple[str, ...]
    """Name of the body that carries each; empty for the world."""
    roots: tuple[str, ...]
    """Name of the body that each moves with; empty for the world."""
    shape: NDArray[np.float64]
    """(O, 4) code of the shape and its sizes, as `GeomSpec.size` [m]."""
    local: NDArray[np.float64]
    """(O, 7) pose in the root's frame [m, quat_wxyz]."""
    home: NDArray[np.float64]
    """(O, 7) pose in the world, with every joint at 0."""

    def moving(self) -> dict[str, NDArray[np.int64]]:
        """Indices of the obstacles that move with each root."""
        return {
            root: np.array([i for i, r in enumerate(self.roots) if r == root])
            for root in dict.fromkeys(self.roots)
            if root
        }


def pose_of(position: Vec3, quat_wxyz: Quat) -> NDArray[np.float64]:
    """Position and quaternion as (7,), the quaternion made a unit."""
    quat = np.array(quat_wxyz, float)
    return np.concatenate([np.array(position, float), quat / np.linalg.norm(quat)])


IDENTITY = pose_of((0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))


def anchors(scene: Scene) -> dict[str, Anchor]:
    """The anchor of every body of `scene`, by name with its robot's prefix.

    Raises:
        ConfigError: a body comes before its parent.
    """
    trees: list[tuple[str, NDArray, tuple[BodySpec, ...]]] = [("", IDENTITY, scene.bodies)]
    for robot in scene.robots:
        trees.append((robot.prefix, pose_of(robot.position, robot.quat_wxyz), robot.spec.bodies))
    found: dict[str, Anchor] = {}
    for prefix, base, bodies in trees:
        for body in bodies:
            own = pose_of(body.position, body.quat_wxyz)
            if body.parent is None:
                parent = Anchor("", base, base)
            elif prefix + body.parent in found:
                parent = found[prefix + body.parent]
            else:
                raise ConfigError(f"body {body.name!r}: parent {body.parent!r} must come first")
            home = compose(parent.home, own)
            if body.joint is not None or body.movable_base:
                found[prefix + body.name] = Anchor(prefix + body.name, IDENTITY, home)
            else:
                local = compose(parent.local, own)
                found[prefix + body.name] = Anchor(parent.root, local, home)
    return found


def obstacles(scene: Scene) -> Obstacles:
    """The obstacles of `scene`: its static geoms, objects, and robots that have no rotors."""
    found: list[tuple[str, str, GeomSpec]] = [("", g.name, g) for g in scene.static_geoms]
    trees: list[tuple[str, tuple[BodySpec, ...]]] = [("", scene.bodies)]
    trees += [(r.prefix, r.spec.bodies) for r in scene.robots if r.spec.rotorcraft is None]
    for prefix, bodies in trees:
        found += [(prefix + b.name, prefix + g.name, g) for b in bodies for g in b.geoms]
    found = [(owner, name, g) for owner, name, g in found if g.collides]
    held = {"": Anchor("", IDENTITY, IDENTITY), **anchors(scene)}
    shape, local, home = (np.zeros((len(found), n)) for n in (4, 7, 7))
    for i, (owner, _, geom) in enumerate(found):
        shape[i, 0] = SHAPES.index(geom.shape)
        shape[i, 1 : 1 + len(geom.size)] = geom.size
        own = pose_of(geom.position, geom.quat_wxyz)
        local[i], home[i] = compose(held[owner].local, own), compose(held[owner].home, own)
    return Obstacles(
        names=tuple(name for _, name, _ in found),
        owners=tuple(owner for owner, _, _ in found),
        roots=tuple(held[owner].root for owner, _, _ in found),
        shape=shape,
        local=local,
        home=home,
    )
