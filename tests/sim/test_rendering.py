"""Images show the world they claim to show, after any history of renderers."""

import gc
import subprocess
import sys
from ctypes.util import find_library

import numpy as np
import pytest

from octoworld.core.errors import RenderError, UnknownNameError
from robots.spec import BodySpec, CameraSpec, GeomSpec, JointSpec
from sim.cameras import projection
from sim.scene import Scene

BALL = BodySpec(
    "ball", position=(0, 0, 0.3), joint=JointSpec("ball_free", "free"),
    geoms=(GeomSpec("ball_geom", "sphere", (0.02,), rgba=(1, 0, 0, 1)),),
)  # fmt: skip
FRONT = CameraSpec("front", (0.9, 0.3, 0.9), look_at=(0, 0, 0.2), width=96, height=64)
WRIST = CameraSpec("wrist", (0.05, -0.3, 0.0), look_at=(0, 0, 0), up=(0, 0, 1), body="mount")
MOUNT = BodySpec("mount", movable_base=True, position=(0, -0.4, 0.4))


def ball_scene():
    return Scene("ball", bodies=(BALL, MOUNT), static_geoms=(GeomSpec("floor", "plane", (2, 2)),),
                 cameras=(FRONT, WRIST))  # fmt: skip


def scatter(world, seed=0):
    rng = np.random.default_rng(seed)
    pose = np.tile([0, 0, 0, 1.0, 0, 0, 0], (world.num_worlds, 1))
    pose[:, :3] = rng.uniform((-0.15, -0.15, 0.1), (0.15, 0.15, 0.4), (world.num_worlds, 3))
    world.set_pose("ball", pose)
    mount = np.tile([0, -0.4, 0.3, 1.0, 0, 0, 0], (world.num_worlds, 1))
    mount[:, 3:] += rng.uniform(-0.1, 0.1, (world.num_worlds, 4))
    world.set_pose("mount", mount)
    world.refresh()


def test_projection_finds_the_ball(make_world):
    world = make_world(12, ball_scene())
    scatter(world)
    centre = world.pose("ball")[:, :3]
    seen = 0
    for camera, body in ((FRONT, None), (WRIST, world.pose("mount"))):
        size = (192, 288)
        images = world.render(camera.name, size=size).astype(int)
        pixels, depth = projection(camera, centre, body, size)
        for image, (u, v), z in zip(images, pixels, depth, strict=True):
            red = (image[..., 0] > 60) & (image[..., 1] < 40) & (image[..., 2] < 40)
            if z < 0.1 or not (20 < u < size[1] - 20 and 20 < v < size[0] - 20):
                continue
            rows, columns = np.nonzero(red)
            assert abs(columns.mean() + 0.5 - u) < 1 and abs(rows.mean() + 0.5 - v) < 1
            seen += 1
    assert seen >= 16


def test_points_behind_the_camera_have_no_pixel():
    pixels, depth = projection(FRONT, [[5.0, 2.0, 4.0]])
    assert depth[0] < 0 and np.isnan(pixels).all()


def test_many_scenes_after_many_renderers(make_world):
    """Sixty scenes, drawn again by later owners of OpenGL contexts of several sizes."""
    first = make_world(60, ball_scene())
    scatter(first)
    expected = first.render("front")
    assert len({image.tobytes() for image in expected}) == 60
    for _ in range(3):
        other = make_world(60, ball_scene())
        scatter(other)
        other.render("front", [0], (32, 32))
        np.testing.assert_array_equal(other.render("front"), expected)
        np.testing.assert_array_equal(first.render("front"), expected)
        other.close()
        np.testing.assert_array_equal(first.render("front"), expected)
        np.testing.assert_array_equal(other.render("front"), expected)  # reopened
    forgotten = make_world(1, ball_scene())
    forgotten.render("front")
    forgotten._offscreen = None
    gc.collect()
    np.testing.assert_array_equal(first.render("front", [7, 3]), expected[[7, 3]])


def test_colours_are_per_world_and_hidden_shapes_are_not_drawn(make_world):
    world = make_world(3)
    before = world.render("front")
    assert (before[0] == before[1]).all()
    world.set_color("block_geom", (0, 0, 1, 1), np.array([False, True, False]))
    after = world.render("front")
    np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])
    assert not np.array_equal(after[1], before[1])
    np.testing.assert_allclose(world.color("block_geom")[:, 2], [0, 1, 0])
    green = (after[..., 1] > 100) & (after[..., 0] < 60) & (after[..., 2] < 60)
    assert not green.any()  # the arm's collision hull


def test_background_has_its_colour(make_world):
    image = make_world(1).render("front", size=(64, 64))[0]
    np.testing.assert_allclose(image[0, 0], np.array([0.35, 0.45, 0.55]) * 255, atol=2)


def test_bad_sizes_and_names(make_world):
    world = make_world(1)
    with pytest.raises(RenderError, match="480"):
        world.render("front", size=(10_000, 64))
    with pytest.raises(UnknownNameError, match="front"):
        world.render("fron")


CODE = """
import numpy as np
from octoworld.core.errors import RenderError
from sim.backends.mujoco import MujocoWorld
from sim.scene import Scene
from robots.spec import CameraSpec
world = MujocoWorld(Scene("empty", cameras=(CameraSpec("c", (1, 1, 1), look_at=(0, 0, 0)),)), 2)
world.step(np.zeros((2, 0)), 2)
try:
    print(world.render("c").shape)
except RenderError as error:
    print(error)
"""


def run(**env):
    env |= {"PATH": "/usr/bin:/bin", "MUJOCO_EGL_DEVICE_ID": "99"}  # there is no such device
    return subprocess.run(
        [sys.executable, "-c", CODE], env=env, capture_output=True, text=True, timeout=120
    )


def test_without_opengl_physics_runs_and_images_say_what_to_install():
    result = run(MUJOCO_GL="egl")
    assert "apt-get install libegl1 libgl1 libosmesa6" in result.stdout, result.stderr


@pytest.mark.skipif(find_library("OSMesa") is None, reason="libosmesa6 is not installed")
def test_osmesa_follows_where_egl_fails():
    result = run()
    assert "(2, 64, 64, 3)" in result.stdout, result.stdout + result.stderr


def test_no_noise_at_exit():
    code = CODE + "world.render('c', size=(32, 32))\n"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0 and result.stderr == ""
