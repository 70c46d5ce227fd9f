"""Scene -> URDF: one text for each tree of bodies, for PyBullet and every URDF viewer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.rotations import matrix_from_quat, quat_multiply
from robots.spec import ActuatorSpec, BodySpec, GeomSpec, JointSpec

from ..scene import Scene
from .solids import mass_properties

SHEET = 1e-3
"""Thickness with which a plane is drawn [m]; its upper face is the plane."""
ANCHOR = "anchor"
"""Name of the base of a tree whose first body hangs on the world by a joint."""


@dataclass
class Tree:
    """A root body with all that hangs on it: one multi-body of the engine."""

    name: str
    """Of the root body, or of the static geom."""
    kind: Literal["free", "movable", "fixed"]
    home: NDArray[np.float64]
    """(7,) pose of the base's frame in the world."""
    bodies: list[BodySpec]
    """Parents before children; the first is the root."""
    prefix: str = ""
    actuators: list[ActuatorSpec] = field(default_factory=list)
    anchored: bool = False
    """The base is the world itself, and the root body hangs on it by its joint."""

    @property
    def names(self) -> list[str]:
        """Bodies with the robot's prefix."""
        return [self.prefix + b.name for b in self.bodies]

    @property
    def joints(self) -> list[tuple[str, JointSpec]]:
        """Hinges and slides: (name of the body they move, joint)."""
        return [
            (self.prefix + b.name, b.joint)
            for b in self.bodies
            if b.joint is not None and b.joint.kind != "free"
        ]


def trees(scene: Scene) -> list[Tree]:
    """The scene's multi-bodies: static geoms, then objects, then robots.

    Raises:
        ConfigError: a parent is unknown, or a joint stands where the engine has none.
    """
    found = [
        Tree(geom.name, "fixed", _pose(geom.position, geom.quat_wxyz), [_static(geom)])
        for geom in scene.static_geoms
    ]
    found += _split(scene.bodies, "", _pose((0, 0, 0), (1, 0, 0, 0)))
    for robot in scene.robots:
        parts = _split(robot.spec.bodies, robot.prefix, _pose(robot.position, robot.quat_wxyz))
        for actuator in robot.spec.actuators:
            owner = [t for t in parts if any(j.name == actuator.joint for _, j in t.joints)]
            if not owner:
                raise ConfigError(
                    f"actuator {actuator.name!r} of robot {robot.spec.name!r}: no joint "
                    f"{actuator.joint!r}"
                )
            owner[0].actuators.append(actuator)
        found += parts
    return found


def tree_urdf(tree: Tree) -> str:
    """One tree as URDF text; links are named as bodies, joints as in the scene.

    Raises:
        ConfigError: a moving body has no mass, or a shape has no counterpart.
    """
    root = ElementTree.Element("robot", name=tree.name or "tree")
    if tree.anchored:
        _inertial(_add(root, "link", name=ANCHOR), 0.0, np.zeros(3), np.zeros((3, 3)))
    for i, body in enumerate(tree.bodies):
        name = tree.prefix + body.name
        link = _add(root, "link", name=name)
        still = i == 0 and not tree.anchored and tree.kind != "free"
        mass, center, inertia = mass_properties(body)
        if mass <= 0 and body.joint is not None:
            raise ConfigError(f"body {name!r} moves by {body.joint.name!r} and has no mass")
        if still:
            mass, center, inertia = 0.0, np.zeros(3), np.zeros((3, 3))
        _inertial(link, mass, center, inertia)
        for geom in body.geoms:
            _shapes(link, geom, tree.prefix)
        if i > 0 or tree.anchored:
            parent = ANCHOR if body.parent is None else tree.prefix + body.parent
            _joint(root, body, name, parent, tree, at_home=i == 0)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode")


def _static(geom: GeomSpec) -> BodySpec:
    # the tree's pose carries the geom's, so that a plane's normal turns with it
    unplaced = GeomSpec(
        geom.name, geom.shape, geom.size, rgba=geom.rgba, collides=geom.collides,
        visible=geom.visible, friction=geom.friction,
    )  # fmt: skip
    return BodySpec(geom.name, geoms=(unplaced,))


def _split(bodies: tuple[BodySpec, ...], prefix: str, base: NDArray) -> list[Tree]:
    found: list[Tree] = []
    owner: dict[str, Tree] = {}
    for body in bodies:
        if body.parent is None:
            free = body.joint is not None and body.joint.kind == "free"
            kind = "free" if free else "movable" if body.movable_base else "fixed"
            tree = Tree(
                prefix + body.name, kind, _compose(base, _pose(body.position, body.quat_wxyz)),
                [], prefix, anchored=body.joint is not None and not free,
            )  # fmt: skip
            found.append(tree)
        elif body.parent not in owner:
            known = ", ".join(sorted(owner)) or "none"
            raise ConfigError(
                f"body {body.name!r}: parent {body.parent!r} must come first; known: {known}"
            )
        elif body.movable_base or (body.joint is not None and body.joint.kind == "free"):
            raise ConfigError(f"body {body.name!r} hangs on another and cannot be free or movable")
        else:
            tree = owner[body.parent]
        tree.bodies.append(body)
        owner[body.name] = tree
    return found


def _joint(
    root: ElementTree.Element, body: BodySpec, name: str, parent: str, tree: Tree, at_home: bool
) -> None:
    joint = body.joint
    kind, limits = "fixed", {}
    if joint is not None:
        kind = "revolute" if joint.kind == "hinge" else "prismatic"
        # an upper limit under the lower one is none, for Bullet
        low, high = joint.range or (1.0, -1.0)
        limits = {"lower": low, "upper": high}
    element = _add(
        root, "joint", name=f"{name}:weld" if joint is None else tree.prefix + joint.name, type=kind
    )
    _add(element, "parent", link=parent)
    _add(element, "child", link=name)
    if not at_home:  # an anchored root: the anchor itself stands at its place
        _add(element, "origin", xyz=body.position, rpy=rpy(body.quat_wxyz))
    if joint is not None:
        _add(element, "axis", xyz=joint.axis)
        speed = joint.velocity_limit or 1e6
        _add(element, "limit", effort=1e9, velocity=speed, **limits)
        # no <dynamics>: damping, friction and armature are the servo's work


def _inertial(link: ElementTree.Element, mass: float, center: NDArray, inertia: NDArray) -> None:
    element = _add(link, "inertial")
    _add(element, "origin", xyz=center, rpy=(0.0, 0.0, 0.0))
    _add(element, "mass", value=mass)
    m = inertia
    _add(
        element, "inertia", ixx=m[0, 0], ixy=m[0, 1], ixz=m[0, 2], iyy=m[1, 1], iyz=m[1, 2],
        izz=m[2, 2],
    )  # fmt: skip


def _shapes(link: ElementTree.Element, geom: GeomSpec, prefix: str) -> None:
    if geom.collides:
        _shape(_add(link, "collision"), geom, drawn=False)
    if geom.visible:
        visual = _add(link, "visual", name=prefix + geom.name)
        _shape(visual, geom, drawn=True)
        material = _add(visual, "material", name=f"{prefix}{geom.name}:rgba")
        _add(material, "color", rgba=geom.rgba)


def _shape(parent: ElementTree.Element, geom: GeomSpec, drawn: bool) -> None:
    position = np.asarray(geom.position, float)
    size, shape = geom.size, geom.shape
    if shape == "plane" and drawn:
        position = position - SHEET / 2 * matrix_from_quat(np.asarray(geom.quat_wxyz, float))[:, 2]
    _add(parent, "origin", xyz=position, rpy=rpy(geom.quat_wxyz))
    holder = _add(parent, "geometry")
    match shape:
        case "box":
            _add(holder, "box", size=2 * np.asarray(size))
        case "sphere":
            _add(holder, "sphere", radius=size[0])
        case "cylinder" | "capsule":
            _add(holder, shape, radius=size[0], length=2 * size[1])
        case "plane" if drawn:
            _add(holder, "box", size=(2 * size[0], 2 * size[1], SHEET))
        case "plane":
            _add(holder, "plane", normal=(0.0, 0.0, 1.0))
        case _:
            raise ConfigError(
                f"geom {geom.name!r}: the pybullet backend has no {shape!r}; it has box, capsule, "
                "cylinder, plane, sphere"
            )


def rpy(quat_wxyz: tuple[float, ...]) -> tuple[float, float, float]:
    """Fixed-axis roll, pitch, yaw [rad] of a unit quaternion, as URDF writes rotations."""
    m = matrix_from_quat(np.asarray(quat_wxyz, float) / np.linalg.norm(quat_wxyz))
    pitch = np.arctan2(-m[2, 0], np.hypot(m[0, 0], m[1, 0]))
    if abs(m[2, 0]) < 1 - 1e-12:
        return (np.arctan2(m[2, 1], m[2, 2]), pitch, np.arctan2(m[1, 0], m[0, 0]))
    # straight up or down: roll and yaw are one, and yaw takes all of it
    return (0.0, pitch, np.arctan2(-m[0, 1], m[1, 1]))


def _pose(position: tuple[float, ...], quat: tuple[float, ...]) -> NDArray[np.float64]:
    return np.array([*position, *quat], float)


def _compose(a: NDArray, b: NDArray) -> NDArray[np.float64]:
    turned = matrix_from_quat(a[3:]) @ b[:3]
    return np.concatenate([a[:3] + turned, quat_multiply(a[3:], b[3:])])


def _add(parent: ElementTree.Element, tag: str, **attributes: object) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, {k: _text(v) for k, v in attributes.items()})


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return " ".join(repr(float(v)) for v in np.atleast_1d(np.asarray(value, float)))
