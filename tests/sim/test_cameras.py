"""Colour, depth and segmentation agree with geometry, in every backend that draws."""

import numpy as np
import pytest

from octoworld.core.errors import UnknownNameError
from octoworld.core.registry import BACKENDS, ROBOTS
from octoworld.core.rotations import quat_from_rotvec, quat_multiply
from robots.spec import BodySpec, CameraSpec, GeomSpec, JointSpec, RobotSpec
from sim.cameras import extrinsics, intrinsics, projection
from sim.scene import RobotPlacement, Scene
from sim.segments import segment_names, segment_of_geom

FRONT = CameraSpec("eye", (0, 0, 0), look_at=(1, 0, 0), fovy_deg=60, body="drone", width=64,
                   height=48)  # fmt: skip
DRONE = RobotSpec(
    "drone",
    bodies=(
        BodySpec(
            "drone", joint=JointSpec("drone_free", "free"), mass=0.03,
            inertia=(1e-5, 1e-5, 1e-5, 0, 0, 0),
            geoms=(
                GeomSpec("hull", "cylinder", (0.06, 0.0125), visible=False),
                # behind the camera, so that it never sees itself
                GeomSpec("tail", "box", (0.02, 0.02, 0.01), (-0.1, 0, 0), collides=False),
            ),
        ),
    ),
    actuators=(), home={}, cameras=(FRONT,),
)  # fmt: skip


def drone_scene(**options):
    return Scene(
        "view",
        robots=(RobotPlacement(DRONE, (0, 0, 1.5), prefix="a_"),),
        bodies=(
            BodySpec(
                "ball", position=(5.0, 1.0, 2.5), joint=JointSpec("ball_free", "free"), mass=0.1,
                geoms=(GeomSpec("ball_geom", "sphere", (0.4,), rgba=(1, 0, 0, 1)),),
            ),
        ),
        static_geoms=(
            GeomSpec("floor", "plane", (60, 60), rgba=(0.2, 0.3, 0.2, 1)),
            GeomSpec("wall", "box", (0.05, 0.5, 0.4), (2.05, 0.0, 1.5)),
        ),
        **options,
    )  # fmt: skip


@pytest.fixture(scope="module", params=["mujoco", "pybullet"])
def world(request):
    if request.param == "pybullet":
        pytest.importorskip("pybullet")
    world = BACKENDS.get(request.param)(drone_scene(), 3)
    yield world
    world.close()


def place(world, rotvec, position=(0, 0, 1.5)):
    quat = quat_from_rotvec(np.asarray(rotvec, float))
    world.set_pose("a_drone", np.array([*position, *quat]))
    world.refresh()


def test_segments_are_named_by_the_scene(world):
    assert world.segments == ("background", "floor", "wall", "ball", "a_drone")
    assert world.segments == segment_names(world.scene)
    assert segment_of_geom(world.scene) == {"floor": 1, "wall": 2, "ball_geom": 3, "a_tail": 4}


def test_a_wall_at_two_metres_has_that_depth_everywhere(world):
    place(world, (0, 0, 0))
    depth = world.render_depth("a_eye")
    labels = world.render_segmentation("a_eye")
    assert depth.shape == labels.shape == (3, 48, 64)
    assert depth.dtype == np.float32 and labels.dtype == np.int32
    wall = labels == world.segments.index("wall")
    # its edges by the pinhole model: 41.57 px focal length, 1.0 x 0.8 m
    assert wall[0].sum() == 20 * 16
    np.testing.assert_allclose(depth[wall], 2.0, atol=1e-3)


def test_floor_and_ball_have_the_depth_of_geometry(world):
    place(world, (0.2, -0.1, 0.3))
    size = (96, 128)
    depth = world.render_depth("a_eye", [1], size)[0].astype(float)
    labels = world.render_segmentation("a_eye", [1], size)[0]
    frame = extrinsics(FRONT, world.pose("a_drone"))[1]
    k = intrinsics(FRONT, size)
    v, u = np.mgrid[: size[0], : size[1]] + 0.5
    rays = np.stack([(u - k[0, 2]) / k[0, 0], (k[1, 2] - v) / k[1, 1], -np.ones(size)], -1)
    rays = rays @ frame[:3, :3].T
    floor = labels == 1
    expected = -frame[2, 3] / rays[..., 2]
    near = floor & (expected > 0) & (expected < 15)
    assert near.sum() > 2000
    np.testing.assert_allclose(depth[near], expected[near], rtol=1e-3)
    # the ball: nearest point along the rays through its inside
    centre = world.pose("ball")[1, :3] - frame[:3, 3]
    unit = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    along = unit @ centre
    inside = (centre @ centre - along**2 < 0.3**2) & (labels == 3)
    assert inside.sum() > 30
    hit = along - np.sqrt(0.4**2 - (centre @ centre - along**2).clip(max=0.16))
    hit = hit / np.linalg.norm(rays, axis=-1)
    np.testing.assert_allclose(depth[inside], hit[inside], atol=0.04)  # round shapes have facets


def test_the_sky_is_background_and_infinitely_far(world):
    place(world, (0, -np.pi / 2, 0), (0, 0, 3))  # looks up
    assert np.isinf(world.render_depth("a_eye")).all()
    assert (world.render_segmentation("a_eye") == 0).all()
    expected = np.array(world.scene.background_rgb) * 255
    np.testing.assert_allclose(world.render("a_eye")[0, 20, 20], expected, atol=2)


@pytest.mark.parametrize("degrees", [30.0, -30.0, 75.0])
def test_rolling_the_body_tilts_the_horizon(world, degrees):
    roll = (np.deg2rad(degrees), 0, 0)
    turned = quat_multiply(
        quat_from_rotvec(np.array([0, 0, np.pi])), quat_from_rotvec(np.array(roll))
    )
    world.set_pose("a_drone", np.array([0, 0, 1.5, *turned]))
    world.refresh()
    size = (192, 256)
    ground = world.render_segmentation("a_eye", [0], size)[0] == 1
    image = world.render("a_eye", [0], size)[0].astype(int)
    sky = np.array(world.scene.background_rgb) * 255
    dark = np.abs(image - sky).sum(-1) > 60
    for below in (ground, dark):
        if abs(degrees) < 45:
            columns = np.arange(40, 216)
            edge = size[0] - below[:, columns].sum(axis=0)
            slope = np.polyfit(columns, edge, 1)[0]
        else:
            rows = np.arange(40, 152)
            side = below[rows].sum(axis=1)
            slope = 1 / np.polyfit(rows, size[1] - side, 1)[0]
        # a body that rolls to its right sees the horizon turn to the left: up on the right side
        assert abs(np.rad2deg(np.arctan(slope)) + degrees) < 0.5


@pytest.mark.parametrize("robot", ["cf2x", "cf2p", "racer", "quadrotor"])
@pytest.mark.parametrize("backend", ["mujoco", "pybullet", "rotorcraft"])
def test_a_drone_against_a_wall_sees_the_wall(backend, robot):
    """Neither its own propellers nor, beyond a near plane too far out, what is behind the wall."""
    if backend == "pybullet":
        pytest.importorskip("pybullet")
    spec = ROBOTS.get(robot)()
    radius = spec.rotorcraft.collision_radius
    scene = Scene(
        "against a wall",
        robots=(RobotPlacement(spec, (0.0, 0.0, 1.0)),),
        static_geoms=(
            GeomSpec("floor", "plane", (6, 6)),
            GeomSpec("wall", "box", (0.5, 5, 5), (radius + 0.512, 0, 1)),
        ),
    )
    world = BACKENDS.get(backend)(scene, 1)
    world.refresh()
    depth, labels = world.render_depth("front")[0], world.render_segmentation("front")[0]
    wall = labels == world.segments.index("wall")
    # the racer's propellers reach beyond its hull, so that it sees them, as FPV pilots do
    assert wall[24:].all() and (robot == "racer" or wall.all())
    ahead = radius + 0.012 - spec.cameras[0].position[0]
    np.testing.assert_allclose(depth[wall], ahead, atol=1e-3)
    world.close()


@pytest.mark.parametrize("size", [(96, 128), (128, 128), (96, 256)])
@pytest.mark.parametrize("backend", ["mujoco", "pybullet"])
def test_a_sphere_looks_round_in_images_of_any_shape(backend, size):
    """A ball of 0.4 m at 3 m has the outline of the pinhole model, as high as wide, to a pixel."""
    if backend == "pybullet":
        pytest.importorskip("pybullet")
    ball = GeomSpec("ball", "sphere", (0.4,), (3.0, 0.0, 1.5), rgba=(1, 0, 0, 1))
    robots = (RobotPlacement(DRONE, (0, 0, 1.5), prefix="a_"),)
    world = BACKENDS.get(backend)(Scene("ball", robots=robots, static_geoms=(ball,)), 1)
    world.refresh()
    labels = world.render_segmentation("a_eye", size=size)[0] == 1
    red = world.render("a_eye", size=size)[0].astype(int)
    # the tangent cone of the ball cut by the image plane
    expected = 2 * intrinsics(FRONT, size)[0, 0] * 0.4 / np.sqrt(3.0**2 - 0.4**2)
    for seen in (labels, red[..., 0] > 2 * red[..., 2]):
        wide, high = seen.any(axis=0).sum(), seen.any(axis=1).sum()
        assert abs(wide - expected) <= 1 and abs(high - expected) <= 1 and abs(wide - high) <= 1
    world.close()


def test_labels_lie_where_points_are_projected(world):
    place(world, (0, 0, 0.2))
    pixels, _ = projection(FRONT, world.pose("ball")[:1, :3], world.pose("a_drone")[:1])
    labels = world.render_segmentation("a_eye", [0])[0]
    rows, columns = np.nonzero(labels == 3)
    np.testing.assert_allclose([columns.mean() + 0.5, rows.mean() + 0.5], pixels[0], atol=1.0)


def test_worlds_and_sizes_are_chosen_and_colours_do_not_matter(world):
    poses = np.tile([0, 0, 1.5, 1, 0, 0, 0.0], (3, 1))
    poses[:, 0] = 0, 0.5, 1.0
    world.set_pose("a_drone", poses)
    world.refresh()
    depth = world.render_depth("a_eye", [2, 0], (24, 32))
    assert depth.shape == (2, 24, 32)
    np.testing.assert_allclose(depth[:, 12, 16], [1.0, 2.0], atol=1e-3)
    before = world.render_segmentation("a_eye")
    world.set_color("ball_geom", (0, 1, 0, 1))
    np.testing.assert_array_equal(world.render_segmentation("a_eye"), before)
    world.reset()
    with pytest.raises(UnknownNameError, match="a_eye"):
        world.render_depth("eye")


def test_antialiasing_changes_colours_alone():
    pytest.importorskip("mujoco")
    worlds = [BACKENDS.get("mujoco")(drone_scene(antialiasing=n), 1) for n in (0, 4)]
    for world in worlds:
        place(world, (0.3, 0.1, 0.2))
    labels = [w.render_segmentation("a_eye") for w in worlds]
    assert set(np.unique(labels[0])) <= set(range(len(worlds[0].segments)))
    np.testing.assert_array_equal(labels[0], labels[1])
    np.testing.assert_array_equal(*(w.render_depth("a_eye") for w in worlds))
    assert (worlds[0].render("a_eye") != worlds[1].render("a_eye")).any()
    for world in worlds:
        world.close()


def test_the_rotorcraft_backend_draws_the_same():
    spec = BACKENDS.get("mujoco"), BACKENDS.get("rotorcraft")
    scene = Scene(
        "fleet",
        robots=tuple(
            RobotPlacement(ROBOTS.get("cf2x")(), (0.0, 0.4 * i, 1.0), prefix=f"d{i}_")
            for i in range(2)
        ),
        static_geoms=(GeomSpec("floor", "plane", (5, 5)), GeomSpec("post", "capsule", (0.1, 0.8),
                                                                   (1.0, 0.1, 0.8))),
    )  # fmt: skip
    worlds = [make(scene, 3) for make in spec]
    poses = np.tile([-0.5, 0.0, 1.0, 1, 0, 0, 0], (3, 1))
    poses[:, 0] -= [0, 0.2, 0.4]
    for world in worlds:
        world.set_pose("d1_drone", poses)
        world.refresh()
        assert world.segments == ("background", "floor", "post", "d0_drone", "d1_drone")
    for what in ("render", "render_depth", "render_segmentation"):
        ours, theirs = (getattr(w, what)("d1_front", [2, 0], (48, 64)) for w in worlds)
        np.testing.assert_array_equal(ours, theirs)
    labels = worlds[1].render_segmentation("d1_front")
    # floor, post, the other drone; never itself
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    assert worlds[1].render_depth("d1_front", np.zeros(0, int)).shape == (0, 48, 64)
    for world in worlds:
        world.close()


def test_what_is_made_clear_is_in_no_picture_of_its_world():
    """Colours are per world in depth and segmentation too, not only in images."""
    from robots.spec import BodySpec, CameraSpec, GeomSpec
    from sim.scene import Scene

    box = BodySpec("box", geoms=(GeomSpec("box_geom", "box", (0.1, 0.1, 0.1), mass=1.0),))
    camera = CameraSpec("eye", (1.0, 0.0, 0.0), look_at=(0.0, 0.0, 0.0))
    world = BACKENDS.get("mujoco")(Scene("one_box", bodies=(box,), cameras=(camera,)), 2)
    world.set_color("box_geom", (1.0, 0.0, 0.0, 0.0), np.array([False, True]))
    ids, depth = world.render_segmentation("eye"), world.render_depth("eye")
    assert ids[0].any() and not ids[1].any()
    assert np.isfinite(depth[0]).any() and not np.isfinite(depth[1]).any()
    world.close()
