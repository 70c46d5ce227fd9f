"""Scene -> MJCF: one XML string that MuJoCo and every MuJoCo viewer can open."""

# pyright: reportAttributeAccessIssue=false
# (mujoco is a C extension without type stubs)

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree

import mujoco
import numpy as np

from octoworld.core.errors import ConfigError
from robots.spec import BodySpec, CameraSpec, GeomSpec, JointSpec, SiteSpec

from ..cameras import look_at_axes
from ..scene import CableSpec, RobotPlacement, Scene
from .solids import volume

HIDDEN_GROUP = 3
"""Geom group of shapes that collide and are not drawn; MuJoCo's viewers hide it by default."""
HOME_KEY = "home"
"""Keyframe of the initial state."""


def scene_xml(scene: Scene) -> str:
    """The scene as MJCF text with a `home` keyframe.

    Raises:
        ConfigError: the scene does not compile; the message is MuJoCo's.
    """
    root = _document(scene)
    model = _compile(root, scene.name)
    _add_home(root, scene, model)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode")


def with_contact_sensors(xml: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Add one sensor `contact:a|b` a pair to MJCF text: how often `a` touches `b`.

    A name is a body (then its whole tree counts) or, when no body is called so, a geom.

    Raises:
        ConfigError: a name is neither.
    """
    root = ElementTree.fromstring(xml)
    bodies = {e.get("name", "") for e in root.iter("body")}
    geoms = {e.get("name", "") for e in root.iter("geom")}
    sensor = ElementTree.SubElement(root, "sensor")
    for a, b in pairs:
        sides = {}
        for side, name in (("1", a), ("2", b)):
            if name in bodies:
                sides[f"subtree{side}"] = name
            elif name in geoms:
                sides[f"geom{side}"] = name
            else:
                raise ConfigError(
                    f"contacts({a!r}, {b!r}): {name!r} is neither a body nor a geom; "
                    f"bodies: {', '.join(sorted(bodies))}; geoms: {', '.join(sorted(geoms))}"
                )
        ElementTree.SubElement(
            sensor, "contact", name=f"contact:{a}|{b}", data="found", num="1", **sides
        )
    return ElementTree.tostring(root, encoding="unicode")


def _compile(root: ElementTree.Element, name: str) -> mujoco.MjModel:
    try:
        return mujoco.MjModel.from_xml_string(ElementTree.tostring(root, encoding="unicode"))
    except ValueError as error:
        raise ConfigError(f"scene {name!r} does not compile: {error}") from None


def _document(scene: Scene) -> ElementTree.Element:
    root = ElementTree.Element("mujoco", model=scene.name)
    _sub(root, "compiler", angle="radian", autolimits="true")
    # servos want implicit damping; a spinning drone wants the gyroscopic torque explicit, which
    # implicitfast damps (2 mm after 2 s of a Crazyflie's flight)
    servos = any(r.spec.actuators for r in scene.robots)
    flies = any(r.spec.rotorcraft is not None for r in scene.robots)
    # MuJoCo's documentation ("Modeling: impratio") asks for this together with elliptic cones
    _sub(
        root, "option", timestep=scene.timestep, gravity=scene.gravity, cone="elliptic",
        integrator="Euler" if flies and not servos else "implicitfast",
        impratio=scene.friction_stiffness,
    )  # fmt: skip
    visual = _sub(root, "visual")
    cameras = [*scene.cameras, *(c for r in scene.robots for c in r.spec.cameras)]
    _sub(
        visual, "global",
        offwidth=max([640, *(c.width for c in cameras)]),
        offheight=max([480, *(c.height for c in cameras)]),
    )  # fmt: skip
    # coarse round shapes: software rendering of small images spends its time on vertices
    _sub(visual, "quality", numslices=14, numstacks=8, shadowsize=0,
         offsamples=scene.antialiasing)  # fmt: skip
    _sub(visual, "headlight", ambient=(0.42,) * 3, diffuse=(0.1,) * 3, specular=(0.0,) * 3)
    _sub(visual, "map", znear=0.005, zfar=50.0)  # in extents of the scene
    if flies:
        # a wide floor would put the near plane beyond the hull, which then looks through walls:
        # planes at 0.01 and 100 m, as in PyBullet's images
        _sub(root, "statistic", extent=2.0)
    asset = _sub(root, "asset")
    # a flat texture of the least size: MuJoCo has no clear colour, and large ones cost time
    _sub(asset, "texture", type="skybox", builtin="flat", rgb1=scene.background_rgb,
         rgb2=scene.background_rgb, width=8, height=48)  # fmt: skip
    world = _sub(root, "worldbody")
    # no shadows: with them software rendering takes about twenty times as long
    for name, direction, diffuse in (
        ("key_light", (-0.5, 0.3, -1.0), 0.55),
        ("fill_light", (0.5, -0.4, -0.7), 0.2),
    ):
        _sub(world, "light", name=name, type="directional", castshadow="false", dir=direction,
             pos=(0.0, 0.0, 3.0), diffuse=(diffuse,) * 3, specular=(0.1,) * 3)  # fmt: skip
    for geom in scene.static_geoms:
        _geom(world, geom, "", None)
    elements = {"": world}
    for body in scene.bodies:
        _body(elements, body, "")
    for body1, body2 in scene.contact_excludes:
        _sub(_section(root, "contact"), "exclude", body1=body1, body2=body2)
    for robot in scene.robots:
        _robot(root, elements, robot)
    for camera in scene.cameras:
        _camera(elements, camera, "")
    for cable in scene.cables:
        _cable(_section(root, "tendon"), elements, cable)
    return root


def _robot(
    root: ElementTree.Element, elements: dict[str, ElementTree.Element], robot: RobotPlacement
) -> None:
    spec, prefix = robot.spec, robot.prefix
    base = _sub(elements[""], "frame", pos=robot.position, quat=robot.quat_wxyz)
    local = {"": base}
    for body in spec.bodies:
        _body(local, body, prefix)
    for camera in spec.cameras:
        _camera(local, camera, prefix)
    elements |= {name: element for name, element in local.items() if name}
    for equality in spec.equalities:
        # in MJCF joint1 is the one that follows
        _sub(_section(root, "equality"), "joint", joint1=prefix + equality.joint2,
             joint2=prefix + equality.joint1, polycoef=(0, 1, 0, 0, 0))  # fmt: skip
    for body1, body2 in spec.contact_excludes:
        _sub(_section(root, "contact"), "exclude", body1=prefix + body1, body2=prefix + body2)
    for actuator in spec.actuators:
        _sub(
            _section(root, "actuator"), "general",
            name=prefix + actuator.name, joint=prefix + actuator.joint,
            ctrlrange=actuator.range, forcerange=(-actuator.force_limit, actuator.force_limit),
            gainprm=actuator.stiffness, biastype="affine",
            biasprm=(0.0, -actuator.stiffness, -actuator.damping),
        )  # fmt: skip


def _body(elements: dict[str, ElementTree.Element], body: BodySpec, prefix: str) -> None:
    parent = "" if body.parent is None else prefix + body.parent
    if parent not in elements:
        known = ", ".join(sorted(filter(None, elements))) or "none"
        raise ConfigError(f"body {body.name!r}: parent {parent!r} must come first; known: {known}")
    attributes: dict = {"name": prefix + body.name, "pos": body.position, "quat": body.quat_wxyz}
    if body.movable_base:
        if body.parent is not None or body.joint is not None:
            raise ConfigError(f"movable base {body.name!r} must have no parent and no joint")
        attributes["mocap"] = "true"
    if body.gravity_compensation:
        attributes["gravcomp"] = body.gravity_compensation
    element = elements[prefix + body.name] = _sub(elements[parent], "body", **attributes)
    density = None
    if body.inertia is not None:
        if body.mass is None:
            raise ConfigError(f"body {body.name!r} gives inertia without mass")
        _sub(element, "inertial", pos=body.center_of_mass, mass=body.mass,
             fullinertia=body.inertia)  # fmt: skip
    elif body.mass is not None:
        solid = sum(volume(g) for g in body.geoms if g.collides)
        if not solid:
            raise ConfigError(f"body {body.name!r} has mass but neither inertia nor solid geoms")
        density = body.mass / solid
    if body.joint is not None:
        _joint(element, body.joint, prefix)
    for geom in body.geoms:
        _geom(element, geom, prefix, density)
    for site in body.sites:
        _site(element, site, prefix)


def _joint(body: ElementTree.Element, joint: JointSpec, prefix: str) -> None:
    if joint.kind == "free":
        _sub(body, "freejoint", name=prefix + joint.name)
        return
    limits: dict = {} if joint.range is None else {"range": joint.range}
    if joint.holds:  # as stiff as the engine allows: at its default of 0.9 a load creeps on
        limits["solimpfriction"] = (0.9999, 0.9999, 0.001, 0.5, 2.0)
    _sub(body, "joint", name=prefix + joint.name, type=joint.kind, axis=joint.axis,
         damping=joint.damping, armature=joint.armature, frictionloss=joint.friction_loss,
         **limits)  # fmt: skip


def _geom(parent: ElementTree.Element, geom: GeomSpec, prefix: str, density: float | None) -> None:
    # a plane's third size is the spacing of its grid lines
    size = (*geom.size, 0.1) if geom.shape == "plane" else geom.size
    attributes: dict = {
        "name": prefix + geom.name, "type": geom.shape, "size": size, "pos": geom.position,
        "quat": geom.quat_wxyz, "rgba": geom.rgba, "friction": geom.friction,
        "condim": geom.contact_dim,
    }  # fmt: skip
    if not geom.collides:
        attributes |= {"contype": 0, "conaffinity": 0}
    if geom.contact_time != GeomSpec.contact_time:
        attributes["solref"] = (geom.contact_time, 1.0)
    attributes["group"] = 0 if geom.visible else HIDDEN_GROUP
    if density is not None and geom.collides:
        attributes["density"] = density
    elif geom.mass is not None:
        attributes["mass"] = geom.mass
    elif not geom.collides:
        attributes["mass"] = 0.0
    _sub(parent, "geom", **attributes)


def _site(body: ElementTree.Element, site: SiteSpec, prefix: str) -> None:
    # group 4 is hidden everywhere: sites are frames, not shapes
    _sub(body, "site", name=prefix + site.name, pos=site.position, quat=site.quat_wxyz, group=4)


def _cable(
    tendons: ElementTree.Element, elements: dict[str, ElementTree.Element], cable: CableSpec
) -> None:
    tendon = _sub(
        tendons, "spatial", name=cable.name, limited="true", range=(0.0, cable.length),
        solreflimit=(cable.time_constant, 1.0), width=cable.radius, rgba=cable.rgba,
    )  # fmt: skip
    for i, (body, point) in enumerate(zip(cable.bodies, cable.points, strict=True)):
        if body not in elements:
            known = ", ".join(sorted(filter(None, elements))) or "none"
            raise ConfigError(f"cable {cable.name!r}: unknown body {body!r}; known: {known}")
        _sub(elements[body], "site", name=f"{cable.name}_end{i}", pos=point, group=4)
        _sub(tendon, "site", site=f"{cable.name}_end{i}")


def _camera(elements: dict[str, ElementTree.Element], camera: CameraSpec, prefix: str) -> None:
    body = "" if camera.body is None else prefix + camera.body
    if body not in elements:
        known = ", ".join(sorted(filter(None, elements))) or "none"
        raise ConfigError(f"camera {camera.name!r}: unknown body {body!r}; known: {known}")
    attributes: dict = {"name": prefix + camera.name, "pos": camera.position}
    if camera.quat_wxyz is not None:
        attributes["quat"] = camera.quat_wxyz
    else:
        axes = look_at_axes(camera)
        attributes["xyaxes"] = (*axes[:, 0], *axes[:, 1])
    # fovy is in degrees whatever the compiler says
    size = (camera.width, camera.height)
    _sub(elements[body], "camera", fovy=camera.fovy_deg, resolution=size, **attributes)


def _add_home(root: ElementTree.Element, scene: Scene, model: mujoco.MjModel) -> None:
    qpos, ctrl = model.qpos0.copy(), np.zeros(model.nu)
    for robot in scene.robots:
        for name, value in robot.spec.home.items():
            joint = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, robot.prefix + name)
            if joint < 0:
                raise ConfigError(f"robot {robot.spec.name!r}: home names no joint {name!r}")
            qpos[model.jnt_qposadr[joint]] = value
    for i in range(model.nu):
        ctrl[i] = qpos[model.jnt_qposadr[model.actuator_trnid[i, 0]]]
    values = {k: v for k, v in (("qpos", qpos), ("ctrl", ctrl)) if v.size}
    _sub(_section(root, "keyframe"), "key", name=HOME_KEY, **values)


def _section(root: ElementTree.Element, tag: str) -> ElementTree.Element:
    found = root.find(tag)
    return ElementTree.SubElement(root, tag) if found is None else found


def _sub(parent: ElementTree.Element, tag: str, **attributes: object) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, {k: _text(v) for k, v in attributes.items()})


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    # repr keeps every bit of a float
    return " ".join(repr(float(v)) if not isinstance(v, int | np.integer) else str(int(v))
                    for v in np.atleast_1d(np.asarray(value)).tolist())  # fmt: skip
