"""RobotSpec: a robot as pure data, which every engine, controller and viewer reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from octoworld.core.errors import ConfigError

if TYPE_CHECKING:
    from .rotorcraft import RotorcraftSpec

Vec3 = tuple[float, float, float]
Quat = tuple[float, float, float, float]


@dataclass(frozen=True)
class GeomSpec:
    """A primitive shape fixed to a body."""

    name: str
    shape: Literal["box", "sphere", "capsule", "cylinder", "ellipsoid", "plane"]
    size: tuple[float, ...]
    """Half-lengths of a box (3) and ellipsoid (3), radius of a sphere (1), radius and half-length
    of a capsule or cylinder (2), half-lengths of a plane (2) [m]."""
    position: Vec3 = (0.0, 0.0, 0.0)
    """In the body's frame [m]."""
    quat_wxyz: Quat = (1.0, 0.0, 0.0, 0.0)
    rgba: tuple[float, float, float, float] = (0.7, 0.7, 0.7, 1.0)
    collides: bool = True
    """False: drawn only."""
    visible: bool = True
    """False: collides only."""
    mass: float | None = None
    """[kg]; None where the body gives its own inertia, 0 mass for drawn-only shapes."""
    friction: Vec3 = (1.0, 0.005, 0.0001)
    """Sliding [-], torsional [m], rolling [m], as MuJoCo defines them."""
    contact_dim: int = 3
    """Contact dimensionality: 3 sliding, 4 + torsional, 6 + rolling."""
    contact_time: float = 0.02
    """Time constant in which a contact's penetration and slip die out [s]; at least two physics
    steps. Shorter is stiffer."""


@dataclass(frozen=True)
class JointSpec:
    """The joint between a body and its parent."""

    name: str
    kind: Literal["hinge", "slide", "free"]
    axis: Vec3 = (0.0, 0.0, 1.0)
    range: tuple[float, float] | None = None
    """Position limits [rad] or [m]; None is unlimited."""
    damping: float = 0.0
    """[N m s/rad] or [N s/m]."""
    armature: float = 0.0
    """Reflected rotor inertia [kg m^2] or mass [kg]."""
    friction_loss: float = 0.0
    """Dry friction [N m] or [N]."""
    holds: bool = False
    """Whether dry friction keeps a smaller load where it is for minutes: the soft constraints of
    an engine creep otherwise."""
    velocity_limit: float | None = None
    """[rad/s] or [m/s]."""


@dataclass(frozen=True)
class SiteSpec:
    """A named frame on a body (tool centre point, sensor mount, handle)."""

    name: str
    position: Vec3 = (0.0, 0.0, 0.0)
    quat_wxyz: Quat = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class CameraSpec:
    """An off-screen camera; it looks along its own -z, with +y up (OpenGL and MuJoCo)."""

    name: str
    position: Vec3
    """In the frame of `body`, or of the world [m]."""
    look_at: Vec3 | None = None
    """Point to look at, same frame; or give `quat_wxyz`."""
    quat_wxyz: Quat | None = None
    up: Vec3 = (0.0, 0.0, 1.0)
    fovy_deg: float = 45.0
    """Vertical field of view [deg]."""
    body: str | None = None
    """Body that carries it; None is fixed to the world."""
    width: int = 64
    height: int = 64


@dataclass(frozen=True)
class BodySpec:
    """A rigid body; `parent=None` hangs it on the world (or on the robot's base)."""

    name: str
    parent: str | None = None
    position: Vec3 = (0.0, 0.0, 0.0)
    """Of this body's frame in its parent's [m]."""
    quat_wxyz: Quat = (1.0, 0.0, 0.0, 0.0)
    joint: JointSpec | None = None
    """None welds it to its parent."""
    geoms: tuple[GeomSpec, ...] = ()
    sites: tuple[SiteSpec, ...] = ()
    mass: float | None = None
    """[kg]; None: from the geoms' masses."""
    center_of_mass: Vec3 = (0.0, 0.0, 0.0)
    """In the body's frame [m]."""
    inertia: tuple[float, float, float, float, float, float] | None = None
    """About the centre of mass, axes of the body: xx yy zz xy xz yz [kg m^2]."""
    movable_base: bool = False
    """True: a base without joint whose pose is set per world (MuJoCo: mocap)."""
    gravity_compensation: float = 0.0
    """Share of the weight that the actuators carry unasked (1 as in the Panda's firmware)."""


@dataclass(frozen=True)
class ActuatorSpec:
    """A position servo: force = stiffness * (target - q) - damping * dq, within the limit."""

    name: str
    joint: str
    stiffness: float
    """[N m/rad] or [N/m]."""
    damping: float
    """[N m s/rad] or [N s/m]."""
    force_limit: float
    """[N m] or [N]."""
    range: tuple[float, float]
    """Targets accepted [rad] or [m]."""


@dataclass(frozen=True)
class EqualitySpec:
    """joint2 follows joint1 (a gripper's second finger)."""

    joint1: str
    joint2: str


@dataclass(frozen=True)
class ArmSpec:
    """What control and tasks must know of an arm: where its tool can be, in the base's frame."""

    workspace: tuple[Vec3, Vec3]
    """Lowest and highest position that end-effector control goes to [m]."""
    reach_box: tuple[Vec3, Vec3]
    """Lowest and highest corner of a box in which the tool gets from anywhere to anywhere while it
    points down [m]."""
    fingers: tuple[str, str]
    """Bodies that close on a thing."""
    tool_quat_wxyz: Quat = (0.0, 1.0, 0.0, 0.0)
    """Orientation that end-effector control holds when it shifts only: pointing down, fingers
    opening along y."""
    orientation_cost: float = 0.5
    """Of the tool's orientation error in inverse kinematics, against 1/m of its position's [1/rad];
    small where an arm of less than 6 joints must give up orientation for position."""
    posture_cost: float = 0.005
    """Pull towards the home posture, which decides a redundant joint [1/rad]."""
    lm_damping: float = 1e-3
    """Levenberg-Marquardt damping, times the squared weighted error [-]; larger where
    `orientation_cost` is small, or steps to places far off overshoot."""


@dataclass(frozen=True)
class RobotSpec:
    """Everything an engine needs to build the robot and a controller needs to drive it."""

    name: str
    bodies: tuple[BodySpec, ...]
    """Parents before children."""
    actuators: tuple[ActuatorSpec, ...]
    """In the order of the control vector."""
    home: dict[str, float]
    """Joint positions at rest, by joint name [rad] or [m]."""
    arm_joints: tuple[str, ...] = ()
    """Joints that inverse kinematics moves, base to tip."""
    gripper_joints: tuple[str, ...] = ()
    gripper_range: tuple[float, float] = (0.0, 0.0)
    """Target of each gripper joint when closed and when open [m], of a jaw's hinge [rad]."""
    tool_site: str = ""
    """Site that end-effector control moves."""
    arm: ArmSpec | None = None
    """Where an arm's tool can be and how it is led there; None: no arm."""
    cameras: tuple[CameraSpec, ...] = ()
    equalities: tuple[EqualitySpec, ...] = ()
    contact_excludes: tuple[tuple[str, str], ...] = ()
    """Pairs of bodies that never collide."""
    rotorcraft: RotorcraftSpec | None = None
    """Rotors and aerodynamics of a flying robot."""
    source: str = ""
    """Where the numbers come from."""
    notes: dict[str, str] = field(default_factory=dict)


def arm_of(spec: RobotSpec) -> ArmSpec:
    """What the spec says of its arm.

    Raises:
        ConfigError: the robot has no arm.
    """
    if spec.arm is None or not spec.arm_joints:
        raise ConfigError(f"robot {spec.name!r} has no arm (its spec gives no ArmSpec)")
    return spec.arm
