"""Scenes of drones for the tests of rotorcraft physics."""

import numpy as np

from octoworld.core.registry import ROBOTS
from robots.spec import BodySpec, GeomSpec
from sim.rotors import COMPAT_GRAVITY, COMPAT_TIMESTEP, AeroConfig
from sim.scene import RobotPlacement, Scene

FLOOR = GeomSpec("floor", "plane", (5, 5))
SOLIDS = (
    FLOOR,
    GeomSpec("box", "box", (0.2, 0.3, 0.1), (0.3, 0, 0.1)),
    GeomSpec("cylinder", "cylinder", (0.2, 0.3), (-0.3, 0, 0.3)),
    GeomSpec("sphere", "sphere", (0.2,), (0, 0.5, 0.2)),
    GeomSpec("capsule", "capsule", (0.1, 0.3), (0, -0.5, 0.3), (0.7, 0.7, 0, 0)),
)
PLATE = BodySpec(
    "plate",
    position=(2, 0, 0.5),
    movable_base=True,
    geoms=(GeomSpec("top", "box", (0.3, 0.3, 0.02)),),
)


def drones(
    places=((0, 0, 1),), model="cf2x", *, aero=None, static=(), bodies=(), dt=COMPAT_TIMESTEP,
    models=None,
):  # fmt: skip
    """A scene with one drone at each place."""
    aero = AeroConfig() if aero is None else aero
    names = models or [model] * len(places)
    robots = tuple(
        RobotPlacement(ROBOTS.get(name)(), (float(p[0]), float(p[1]), float(p[2])), prefix=f"d{i}/")
        for i, (name, p) in enumerate(zip(names, places, strict=True))
    )
    gravity = COMPAT_GRAVITY if aero.compat else (0.0, 0.0, -9.81)
    return Scene("test", robots, tuple(bodies), tuple(static), timestep=dt, gravity=gravity,
                 aero=aero)  # fmt: skip


def row(count, gap=0.5, height=1.0):
    """Places of `count` drones in a row."""
    return [(gap * i, 0.0, height) for i in range(count)]


def scatter(flight, rng, low=(-0.6, -0.6, 0.0), high=(0.6, 0.6, 0.7), speed=1.0):
    """Random states: half of the worlds nearly level, half at any attitude."""
    n, a, m = flight.rotor_speed.shape
    quat = rng.normal(size=(n, a, 4))
    quat[: n // 2] = [1, 0, 0, 0] + 0.1 * quat[: n // 2]
    quat /= np.linalg.norm(quat, axis=-1, keepdims=True)
    flight.position[...] = rng.uniform(low, high, (n, a, 3))
    flight.quat[...] = quat
    flight.velocity[...] = speed * rng.normal(size=(n, a, 3))
    flight.omega_body[...] = speed * rng.normal(size=(n, a, 3))
    flight.rotor_speed[...] = rng.uniform(0, 20000, (n, a, m))


def quiet(**options):
    """The clean set without air, motors' lag or propellers' momentum."""
    from sim.rotors import clean

    off = dict.fromkeys(("ground_effect", "drag", "downwash", "motors", "gyroscopic"), False)
    return clean(**(off | options))
