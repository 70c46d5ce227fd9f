"""Scene: an engine-neutral description of one world, which a backend copies N times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from robots.spec import BodySpec, CameraSpec, GeomSpec, RobotSpec, Vec3

if TYPE_CHECKING:
    from .rotors.config import AeroConfig


@dataclass(frozen=True)
class RobotPlacement:
    """A robot in a scene; names inside it are prefixed by `prefix` (empty for a single robot)."""

    spec: RobotSpec
    position: Vec3 = (0.0, 0.0, 0.0)
    quat_wxyz: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    prefix: str = ""


@dataclass(frozen=True)
class CableSpec:
    """A thin cable without mass between two bodies: it pulls when taut and is slack otherwise.

    Backend `mujoco` has cables; the others raise ConfigError.
    """

    name: str
    bodies: tuple[str, str]
    """What it ties together, names with their prefixes."""
    length: float
    """[m]."""
    points: tuple[Vec3, Vec3] = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    """Where it is tied, in the frame of each body [m]."""
    time_constant: float = 0.01
    """In which stretch dies out [s]; at least two physics steps."""
    radius: float = 0.0025
    """As drawn [m]."""
    rgba: tuple[float, float, float, float] = (0.15, 0.15, 0.15, 1.0)


@dataclass(frozen=True)
class Scene:
    """Bodies, robots, cameras and light of one world. SI units, z up."""

    name: str
    robots: tuple[RobotPlacement, ...] = ()
    bodies: tuple[BodySpec, ...] = ()
    """Objects; parents before children."""
    static_geoms: tuple[GeomSpec, ...] = ()
    """Shapes fixed to the world: floor, table."""
    cameras: tuple[CameraSpec, ...] = ()
    contact_excludes: tuple[tuple[str, str], ...] = ()
    """Pairs of bodies that never collide (a drawer and its cabinet)."""
    cables: tuple[CableSpec, ...] = ()
    timestep: float = 0.005
    """Physics step [s]."""
    gravity: Vec3 = (0.0, 0.0, -9.81)
    friction_stiffness: float = 10.0
    """How much stiffer friction is than the contacts themselves [-] (MuJoCo: impratio; elsewhere
    ignored). Things that are carried for a minute creep out of the fingers at 10."""
    background_rgb: tuple[float, float, float] = (0.35, 0.45, 0.55)
    """Colour of the sky, without a skybox texture (cheap to draw, easy to learn)."""
    antialiasing: int = 4
    """Samples a pixel: 4 shows movements smaller than a pixel, 0 draws about twice as fast."""
    aero: AeroConfig | None = None
    """Air, motors and contacts of the scene's rotorcraft (None: `AeroConfig()`)."""
