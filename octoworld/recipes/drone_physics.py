"""What drones' physics must be: engines that agree, closed forms, states that stay finite."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import DependencyError
from octoworld.core.registry import BACKENDS, ROBOTS
from octoworld.core.rotations import matrix_from_quat, quat_from_rotvec, quat_multiply
from robots.spec import GeomSpec
from sim.rotors import COMPAT_GRAVITY, COMPAT_TIMESTEP, AeroConfig, WindConfig, clean
from sim.scene import RobotPlacement, Scene

Vector = tuple[float, float, float]
FLOOR = GeomSpec("floor", "plane", (5.0, 5.0))
OBSTACLES = (
    FLOOR,
    GeomSpec("box", "box", (0.2, 0.3, 0.1), (0.3, 0.0, 0.1)),
    GeomSpec("cylinder", "cylinder", (0.2, 0.3), (-0.3, 0.0, 0.3)),
    GeomSpec("sphere", "sphere", (0.2,), (0.0, 0.5, 0.2)),
)
ZERO_WIDTH = 0.6875
"""Height over a drone [m] at which the original's wake has no width, and gives NaN on its axis."""
VACUUM = dict.fromkeys(("ground_effect", "drag", "downwash", "motors", "gyroscopic"), False)
"""The clean set without air, motors' lag and propellers' momentum."""


def angle_between(one: NDArray, two: NDArray) -> NDArray:
    """Angles (...,) [deg] between attitudes (..., 4) quat_wxyz of unit length."""
    between = quat_multiply(one * np.array([1.0, -1.0, -1.0, -1.0]), two)
    # the arc tangent keeps angles that an arc cosine rounds to 0
    half = np.arctan2(np.linalg.norm(between[..., 1:], axis=-1), np.abs(between[..., 0]))
    return np.degrees(2 * half)


def scene_of(
    places: Sequence[Vector], model: str = "cf2x", *, aero: AeroConfig, timestep: float = 1e-3,
    static: Sequence[GeomSpec] = (),
) -> Scene:  # fmt: skip
    """Drones of one model, level and at rest at `places` [m]."""
    spec = ROBOTS.get(model)()
    robots = tuple(RobotPlacement(spec, p, prefix=f"drone{i}/") for i, p in enumerate(places))
    gravity = COMPAT_GRAVITY if aero.compat else (0.0, 0.0, -9.81)
    return Scene(
        "drones", robots, static_geoms=tuple(static), timestep=timestep, gravity=gravity, aero=aero
    )


@contextmanager
def opened(scene: Scene, num_worlds: int = 1, backend: str = "rotorcraft") -> Iterator[Any]:
    """A world that is closed afterwards."""
    world = BACKENDS.get(backend)(scene, num_worlds)
    try:
        yield world
    finally:
        world.close()


def disagreement(
    backends: Sequence[str] = ("rotorcraft", "mujoco", "pybullet"), seconds: float = 2.0
) -> dict[str, float]:
    """How far engines drift apart in the clean set: largest of all pairs, [m] and [deg].

    Three drones above each other, with wakes, wind, motors' lag and all, under rotor speeds that
    wave by 1 % (other phases for each motor), physics at 1 kHz. `travelled` [m] and `tilted` [deg]
    say what the least and the most of them did meanwhile.

    Raises:
        DependencyError: a backend is not installed.
    """
    places = [(0.3 * i, 0.0, 1.5 + 0.5 * i) for i in range(3)]
    aero = clean(wind=WindConfig((0.4, -0.2, 0.0)), latency=0.01)
    scene = scene_of(places, "cf2x_L250", aero=aero, static=[FLOOR])
    spec: Any = scene.robots[0].spec
    hover = spec.rotorcraft.hover_rpm(spec.bodies[0].mass)
    level, tilted, flights = np.array([1.0, 0.0, 0.0, 0.0]), 0.0, []
    for backend in backends:
        with opened(scene, 1, backend) as world:
            world.flight.rotor_speed[...] = hover
            for k in range(round(seconds / 0.01)):
                wave = 1 + 0.01 * np.sin(0.4 * k + np.arange(len(world.control_names)))
                world.step(hover * wave[None], 10)
                tilted = max(tilted, float(angle_between(world.flight.quat[0], level).max()))
            flight = world.flight
            flights.append((np.array(flight.position[0]), np.array(flight.quat[0])))
    pairs = list(itertools.combinations(flights, 2))
    return {
        "position [m]": max(_farthest(a[0], b[0]) for a, b in pairs),
        "attitude [deg]": max(float(angle_between(a[1], b[1]).max()) for a, b in pairs),
        "travelled [m]": float(np.linalg.norm(flights[0][0] - places, axis=-1).min()),
        "tilted [deg]": tilted,
    }


def fall_error(backend: str, seconds: float = 1.0, timestep: float = 1e-3) -> float:
    """Distance [m] of a drone that falls in a vacuum from where the step's closed form puts it.

    Semi-implicit Euler is ahead of the parabola by exactly g t dt / 2.
    """
    scene = scene_of([(0.0, 0.0, 100.0)], aero=clean(**VACUUM), timestep=timestep)
    with opened(scene, 1, backend) as world:
        world.step(np.zeros((1, 4)), round(seconds / timestep))
        fallen = 100.0 - float(world.flight.position[0, 0, 2])
    return abs(fallen - 9.81 / 2 * seconds * (seconds + timestep))


def spin_error(seconds: float = 10.0, timestep: float = 1e-3) -> float:
    """Relative change of the angular momentum (a vector, in the world) of a free spin, by RK4."""
    scene = scene_of(
        [(0.0, 0.0, 1e3)], "cf2p", aero=clean(**VACUUM, integrator="rk4"), timestep=timestep
    )
    inertia = np.array(scene.robots[0].spec.bodies[0].inertia)[:3]
    with opened(scene) as world:
        world.flight.omega_body[0, 0] = 3.0, -2.0, 4.0
        before = inertia * world.flight.omega_body[0, 0]
        world.step(np.zeros((1, 4)), round(seconds / timestep))
        body = inertia * world.flight.omega_body[0, 0]
        after = matrix_from_quat(world.flight.quat[0, 0]) @ body
    return float(np.linalg.norm(after - before) / np.linalg.norm(before))


def convergence_order(integrator: str, steps: tuple[int, int] = (50, 100)) -> dict[str, float]:
    """Order of an integrator, from its errors against closed forms with two numbers of steps.

    `fall`: 1 s straight down against linear drag, v = v_end (1 - exp(-t / T)).
    `spin`: attitude of a free symmetric top, R = Exp(t L / I1) Exp(t w3 (1 - I3 / I1) e3) with its
    momentum L in the world, after 1 s.
    """
    model = "cf2x_L250"
    spec: Any = ROBOTS.get(model)()
    body, rotors = spec.bodies[0], spec.rotorcraft
    inertia, rates = np.array(body.inertia)[:3], np.array([3.0, -2.0, 4.0])
    constant = body.mass / rotors.linear_drag[2]
    fallen = 9.81 * constant * (1.0 - constant * -np.expm1(-1.0 / constant))
    turn = quat_multiply(
        quat_from_rotvec(inertia * rates / inertia[0]),
        quat_from_rotvec(np.array([0.0, 0.0, rates[2] * (1 - inertia[2] / inertia[0])])),
    )
    errors: dict[str, list[float]] = {"fall": [], "spin": []}
    for count in steps:
        for what, drag in (("fall", True), ("spin", False)):
            aero = clean(**(VACUUM | {"drag": drag}), integrator=integrator)
            scene = scene_of([(0.0, 0.0, 0.0)], model, aero=aero, timestep=1.0 / count)
            with opened(scene) as world:
                if what == "spin":
                    world.flight.omega_body[0, 0] = rates
                world.step(np.zeros((1, 4)), count)
                if what == "fall":
                    error = abs(float(world.flight.position[0, 0, 2]) + fallen)
                else:
                    error = float(angle_between(world.flight.quat[0, 0], turn))
            errors[what].append(error)
    ratio = np.log(steps[1] / steps[0])
    return {what: float(np.log(e[0] / e[1]) / ratio) for what, e in errors.items()}


def count_broken(aero: AeroConfig, states: int, seed: int = 0) -> int:
    """How many of `states` random states of 2 to 10 drones are not finite after one step.

    Drones are crowded, at any attitude, fast, inside obstacles and each other. In half of the
    states two of them are exactly `ZERO_WIDTH` above each other.
    """
    broken, counts = 0, range(2, 11)
    for k, count in enumerate(counts):
        worlds = states * (k + 1) // len(counts) - states * k // len(counts)
        places = [(0.5 * i, 0.0, 1.0) for i in range(count)]
        scene = scene_of(places, aero=aero, timestep=COMPAT_TIMESTEP, static=OBSTACLES)
        with opened(scene, worlds) as world:
            broken += int((~_finite_step(world, np.random.default_rng([seed, count]))).sum())
    return broken


def scatter(world: Any, rng: np.random.Generator) -> None:
    """Put the drones of all worlds into random states; see `count_broken`."""
    flight, worlds = world.flight, world.num_worlds
    shape = flight.position.shape
    flight.position[...] = rng.uniform([-0.6, -0.6, 0.0], [0.6, 0.6, 0.8], shape)
    flight.position[: worlds // 2, 1] = flight.position[: worlds // 2, 0] + [0, 0, ZERO_WIDTH]
    flight.quat[...] = quat_from_rotvec(rng.uniform(-np.pi, np.pi, shape))
    flight.velocity[...] = rng.normal(0, 3.0, shape)
    flight.omega_body[...] = rng.normal(0, 10.0, shape)
    flight.rotor_speed[...] = rng.uniform(0, 2e4, flight.rotor_speed.shape)


def _finite_step(world: Any, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(N,) whether the state after one step from a random one is finite."""
    scatter(world, rng)
    world.step(rng.uniform(0, 2e4, (world.num_worlds, len(world.control_names))), 1)
    # a world that left the finite range has been put back to its start, and says so
    f = world.flight
    numbers = np.concatenate([f.position, f.quat, f.velocity, f.omega_body], axis=-1)
    return np.isfinite(numbers).all(axis=(1, 2)) & ~world.diverged


def installed(backends: Sequence[str]) -> tuple[str, ...]:
    """Those of `backends` whose engine is there."""
    found = []
    scene = scene_of([(0.0, 0.0, 1.0)], aero=clean())
    for name in backends:
        try:
            with opened(scene, 1, name):
                found.append(name)
        except (DependencyError, ImportError):
            continue
    return tuple(found)


def _farthest(one: NDArray, two: NDArray) -> float:
    return float(np.linalg.norm(one - two, axis=-1).max())
