"""The room that drones fly in: floor, light marks for the eye, cameras, A drones."""

from __future__ import annotations

from collections.abc import Sequence

from robots.spec import BodySpec, CameraSpec, GeomSpec, RobotSpec, Vec3
from sim.rotors import AeroConfig
from sim.scene import CableSpec, RobotPlacement, Scene

PHYSICS_HZ = 240
"""Physics steps a second; gym-pybullet-drones' rate."""
FLOOR_HALF = 6.0
"""Half edge of the floor that is seen [m]; what collides has no end."""
OVERVIEW = CameraSpec(
    "overview",
    position=(-2.6, -2.6, 2.4),
    look_at=(0.0, 0.0, 0.9),
    fovy_deg=50,
    width=64,
    height=64,
)
SKY = (0.62, 0.74, 0.86)


def drone_names(count: int) -> tuple[str, ...]:
    """Prefixes of the drones' bodies: none for a single one, else d0_, d1_, ..."""
    return ("",) if count == 1 else tuple(f"d{i}_" for i in range(count))


def floor() -> tuple[GeomSpec, ...]:
    """A plane, and a cross of thin stripes that shows movement from above."""
    stripe = {"collides": False, "rgba": (0.86, 0.86, 0.84, 1.0)}
    return (
        GeomSpec("floor", "plane", (FLOOR_HALF, FLOOR_HALF), rgba=(0.45, 0.50, 0.46, 1.0)),
        GeomSpec("stripe_x", "box", (FLOOR_HALF, 0.03, 0.001), (0.0, 0.0, 0.001), **stripe),
        GeomSpec("stripe_y", "box", (0.03, FLOOR_HALF, 0.001), (0.0, 0.0, 0.001), **stripe),
    )


def arena(
    name: str,
    robot: RobotSpec,
    starts: Sequence[Vec3],
    *,
    bodies: Sequence[BodySpec] = (),
    geoms: Sequence[GeomSpec] = (),
    cameras: Sequence[CameraSpec] = (OVERVIEW,),
    cables: Sequence[CableSpec] = (),
    aero: AeroConfig | None = None,
) -> Scene:
    """A scene with one drone of the kind `robot` at each of `starts` [m]."""
    prefixes = drone_names(len(starts))
    return Scene(
        name=name,
        robots=tuple(
            RobotPlacement(robot, start, prefix=prefix)
            for start, prefix in zip(starts, prefixes, strict=True)
        ),
        bodies=tuple(bodies),
        static_geoms=(*floor(), *geoms),
        cameras=tuple(cameras),
        cables=tuple(cables),
        timestep=1 / PHYSICS_HZ,
        background_rgb=SKY,
        aero=aero,
    )
