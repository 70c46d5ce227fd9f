"""Cables: a pendulum's period in closed form, taut and slack, and who has none."""

import numpy as np
import pytest

from octoworld.core.errors import ConfigError
from octoworld.core.registry import BACKENDS, ROBOTS
from robots.spec import BodySpec, CameraSpec, GeomSpec, JointSpec
from sim.scene import CableSpec, RobotPlacement, Scene

LENGTH, STEP, GRAVITY = 0.4, 1 / 240, 9.81
HOOK = np.array((0.0, 0.0, 1.5))


def hanging(tied_to: str = "hook", **options) -> Scene:
    ball = GeomSpec("ball_shape", "sphere", (0.02,))
    bodies = (
        BodySpec("hook", position=(0.0, 0.0, 1.5), movable_base=True),
        BodySpec("ball", joint=JointSpec("free", "free"), geoms=(ball,), mass=0.008),
    )
    cable = CableSpec("cable", (tied_to, "ball"), LENGTH)
    return Scene("hanging", bodies=bodies, cables=(cable,), timestep=STEP, **options)


def swing(start: np.ndarray, seconds: float) -> np.ndarray:
    """Places of the ball (T, 3) from `start`, at rest."""
    world = BACKENDS.get("mujoco")(hanging(), 1, 1)
    world.set_pose("ball", np.array([[*start, 1, 0, 0, 0]]))
    places = []
    for _ in range(round(seconds / STEP)):
        world.step(np.zeros((1, 0)), 1)
        places.append(world.pose("ball")[0, :3])
    world.close()
    return np.array(places)


def test_a_load_swings_with_the_period_of_a_pendulum():
    angle = 0.1
    places = swing(HOOK + LENGTH * np.array((np.sin(angle), 0.0, -np.cos(angle))), 6.0)
    x = places[:, 0]
    at = np.flatnonzero((x[:-1] > 0) & (x[1:] <= 0))
    crossings = (at + x[at] / (x[at] - x[at + 1])) * STEP
    period = 2 * np.pi * np.sqrt(LENGTH / GRAVITY) * (1 + angle**2 / 16)
    assert np.diff(crossings).mean() == pytest.approx(period, rel=0.01)
    stretch = np.linalg.norm(places - HOOK, axis=1) - LENGTH
    assert np.abs(stretch).max() < 0.003


def test_a_slack_cable_lets_its_load_fall_and_catches_it():
    places = swing(HOOK - np.array((0.0, 0.0, 0.1)), 1.0)
    time = STEP * np.arange(1, 1 + len(places))
    free = np.flatnonzero(0.5 * GRAVITY * time**2 < 0.25)
    # semi-implicit Euler falls by g t (t + dt) / 2
    fallen = 0.5 * GRAVITY * time * (time + STEP)
    assert np.allclose(HOOK[2] - 0.1 - places[free, 2], fallen[free], atol=1e-5)
    assert places[-1, 2] == pytest.approx(HOOK[2] - LENGTH, abs=0.003)
    assert places[:, 2].min() > HOOK[2] - LENGTH - 0.03


def test_pictures_show_the_cable():
    camera = CameraSpec("side", (0.0, -1.0, 1.3), (0.0, 0.0, 1.3), fovy_deg=40, width=96, height=96)
    world = BACKENDS.get("mujoco")(hanging(cameras=(camera,)), 1, 1)
    world.set_pose("ball", np.array([[0, 0, HOOK[2] - LENGTH, 1, 0, 0, 0]]))
    world.refresh()
    image = world.render("side")[0].astype(int)
    middle = image[48, 40:56].sum(axis=-1)  # a row across the cable: dark in the middle alone
    assert middle.argmin() in (7, 8) and middle[0] - middle.min() > 50
    world.close()


@pytest.mark.parametrize("backend", ["rotorcraft", "pybullet"])
def test_other_backends_refuse_cables(backend):
    if backend == "pybullet":
        pytest.importorskip("pybullet")
    drone = (RobotPlacement(ROBOTS.get("cf2x")(), (1.0, 0.0, 1.0)),)
    with pytest.raises(ConfigError, match=f"backend '{backend}' has no cables.*use.*'mujoco'"):
        BACKENDS.get(backend)(hanging(robots=drone), 1)


def test_a_cable_to_nowhere_names_the_bodies():
    with pytest.raises(ConfigError, match=r"cable 'cable': unknown body 'hok'; known: ball, hook"):
        BACKENDS.get("mujoco")(hanging("hok"), 1)
