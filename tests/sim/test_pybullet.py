"""The World contract on the PyBullet backend, and its agreement with MuJoCo."""

import gc

import numpy as np
import pytest

pytest.importorskip("pybullet")

from octoworld.core.errors import ConfigError, RenderError, UnknownNameError
from octoworld.core.registry import BACKENDS, ROBOTS
from robots.spec import BodySpec, GeomSpec, JointSpec, RobotSpec, SiteSpec
from sim.backends import pybullet_engine as pybullet
from sim.backends.pybullet import PyBulletWorld
from sim.backends.urdf import rpy, tree_urdf, trees
from sim.scene import RobotPlacement, Scene
from sim.world import World


@pytest.fixture
def make(scene):
    worlds = []

    def make(num_worlds=4, scene=scene, **kwargs):
        worlds.append(PyBulletWorld(scene, num_worlds, **kwargs))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


def drop(world, height=5.0):
    """Blocks high in the air, turned, so that nothing touches; different control targets."""
    n = world.num_worlds
    pose = np.tile([0.3, 0.3, 0.0, 0.9, 0.1, 0.2, 0.3], (n, 1))
    pose[:, 2] = height + 0.05 * np.arange(n)
    world.set_pose("block", pose)
    world.set_velocity("block", np.tile([1.0, 0.5, 2.0, 3.0, -2.0, 1.0], (n, 1)))
    world.refresh()
    return np.linspace(-1, 1, n)[:, None]


def test_it_is_a_world(make):
    world = make()
    assert BACKENDS.get("pybullet") is PyBulletWorld
    assert world.control_names == ("servo",)
    np.testing.assert_allclose(world.joint_position("hinge"), 0.3)
    tip = [0.3 * np.cos(0.3), 0, 0.5 - 0.3 * np.sin(0.3)]
    np.testing.assert_allclose(world.pose("tip")[0, :3], tip, atol=1e-6)
    with pytest.raises(ConfigError, match="rotorcraft"):
        world.flight.position  # noqa: B018
    assert isinstance(world, World)


def test_a_world_that_is_dropped_gives_its_engines_back(scene):
    world = PyBulletWorld(scene, 2)
    engines = [client.id for client in world.clients]
    assert all(pybullet.isConnected(i) for i in engines)
    del world
    gc.collect()
    assert not any(pybullet.isConnected(i) for i in engines)


def test_restored_state_continues_with_the_same_bits(make):
    world = make(3)
    control = drop(world)
    world.set_color("block_geom", np.random.default_rng(0).random((3, 4)))
    world.step(control, 20)
    snapshot = world.snapshot()
    for _ in range(4):
        world.step(control, 5)
    expected = world.get_state()
    world.restore(snapshot)
    for _ in range(4):
        world.step(control, 5)
    np.testing.assert_array_equal(world.get_state(), expected)
    # in a fresh world, and in another place
    fresh = make(3)
    fresh.set_state(snapshot.state[::-1])
    for _ in range(4):
        fresh.step(control[::-1], 5)
    np.testing.assert_array_equal(fresh.get_state(), expected[::-1])


def test_neighbours_do_not_matter_and_looking_changes_nothing(make):
    many, one = make(3), make(1)
    control = drop(many)
    one.set_state(many.get_state()[2:])
    for _ in range(5):
        many.step(control, 10)
        one.step(control[2:], 10)
        one.contacts("block", "floor")
        one.pose("tip")
        one.render("front")
        one.refresh()
    np.testing.assert_array_equal(many.get_state()[2], one.get_state()[0])


def test_masks_touch_only_their_worlds(make):
    world = make()
    control = drop(world)
    world.step(control, 20)
    before = world.get_state()
    mask = np.array([False, True, False, True])
    world.reset(mask)
    world.set_pose("cabinet", [[0, 0, 1, 1, 0, 0, 0], [0, 0, 2, 1, 0, 0, 0]], mask)
    world.set_joint_position(("slide", "hinge"), [[0.1, 0.5], [0.2, -0.5]], mask)
    world.set_color("block_geom", (0, 0, 1, 1), mask)
    world.refresh(mask)
    world.step(control, 5, mask)
    np.testing.assert_array_equal(world.get_state()[~mask], before[~mask])
    assert (world.get_state()[mask] != before[mask]).any(axis=1).all()
    with pytest.raises(ConfigError, match="mask"):
        world.reset(np.array([0, 1]))


def test_writes_are_read_back(make):
    world = make(2)
    world.set_pose("cabinet", [-0.4, 0.1, 0.2, 2, 0, 0, 0])
    world.set_joint_position(("slide", "hinge"), [[0.1, 0.5], [0.2, -0.5]])
    world.refresh()
    np.testing.assert_allclose(world.pose("cabinet")[0], [-0.4, 0.1, 0.2, 1, 0, 0, 0])
    np.testing.assert_allclose(world.pose("drawer")[:, 0], [-0.2, -0.1], atol=1e-6)
    np.testing.assert_allclose(world.joint_position("hinge", "slide"), [[0.5, 0.1], [-0.5, 0.2]])
    for body, match in (("drawer", "neither free"), ("floor", "neither free")):
        with pytest.raises(ConfigError, match=match):
            world.set_pose(body, [0, 0, 0, 1, 0, 0, 0])
    with pytest.raises(UnknownNameError, match="block"):
        world.pose("blok")


def test_a_centre_of_mass_off_the_origin_falls_straight_and_turns_about_itself(make):
    body = BodySpec(
        "stone", position=(0, 0, 10), joint=JointSpec("stone_free", "free"), mass=2.0,
        center_of_mass=(0.1, 0.0, 0.05), inertia=(0.02, 0.03, 0.04, 0.004, -0.002, 0.003),
        geoms=(GeomSpec("stone_geom", "sphere", (0.1,)),),
        sites=(SiteSpec("mark", (0.1, 0, 0.05)),),
    )  # fmt: skip
    worlds = [
        make(1, Scene("s", bodies=(body,))),
        BACKENDS.get("mujoco")(Scene("s", bodies=(body,)), 1),
    ]
    start = np.array([0.3, -0.2, 9.0, 0.5, 0.5, -0.5, 0.5])
    for world in worlds:
        world.set_pose("stone", start)
        world.refresh()
        np.testing.assert_allclose(world.pose("stone")[0], start, atol=1e-12)
    world = worlds[0]
    world.set_velocity("stone", [1.0, 0, 0, 0, 2.0, 0])
    np.testing.assert_allclose(world.velocity("stone")[0], [1, 0, 0, 0, 2, 0], atol=1e-12)
    centre, speed = world.pose("mark")[0, :3], world.velocity("mark")[0, :3]
    world.step(np.zeros((1, 0)), 100)
    t, h = 0.5, 0.005
    fallen = centre + speed * t - [0, 0, 0.5 * 9.81 * (t * t + h * t)]
    np.testing.assert_allclose(world.pose("mark")[0, :3], fallen, atol=1e-9)
    worlds[1].close()


def test_servo_and_arm_agree_with_mujoco(make, make_world):
    ours, theirs = make(2), make_world(2)
    control = [[1.0], [-1.0]]
    for world in (ours, theirs):
        world.step(control, 30)
    a, b = ours.joint_position("hinge"), theirs.joint_position("hinge")
    np.testing.assert_allclose(a, b, atol=0.03)  # two implicit schemes at 5 ms
    for world in (ours, theirs):
        world.step(control, 400)
        np.testing.assert_allclose(world.joint_position("hinge"), control, atol=5e-3)


def test_the_panda_moves_its_arm_and_closes_its_coupled_fingers(make):
    panda = ROBOTS.get("panda")()
    world = make(1, Scene("arm", robots=(RobotPlacement(panda),)))
    arm = [*panda.arm_joints, *panda.gripper_joints]
    target = np.array([panda.home[j] for j in arm])
    target[:7] += [0.3, -0.2, 0.1, 0.3, 0.2, -0.1, 0.2]
    target[7:] = 0.02
    for _ in range(4):
        world.step(target[None], 50)
    np.testing.assert_allclose(world.joint_position(*arm)[0], target, atol=2e-3)


def test_contacts_know_trees_and_resting_blocks_stay(make):
    world = make(2)
    world.set_pose("block", [[0.3, 0.3, 1.0, 1, 0, 0, 0], [-0.33, 0, 0.05, 1, 0, 0, 0]])
    world.refresh()
    assert world.contacts("block", "floor").tolist() == [False, True]
    world.set_pose("block", [[0.3, 0.3, 0.05, 1, 0, 0, 0], [-0.3, 0, 0.2, 1, 0, 0, 0]])
    world.refresh()
    assert world.contacts("block", "drawer").tolist() == [False, True]
    assert world.contacts("cabinet", "block").tolist() == [False, True]
    assert world.contacts("block_geom", "base").tolist() == [False, False]
    world.reset()
    for _ in range(20):
        world.step(np.full((2, 1), 0.3), 10)
    np.testing.assert_allclose(world.pose("block")[:, :3], [[0.3, 0.3, 0.05]] * 2, atol=1e-3)
    np.testing.assert_allclose(world.velocity("block"), 0, atol=0.02)
    assert world.contacts("block", "floor").all()
    with pytest.raises(ConfigError, match="nothing"):
        world.contacts("block", "nothing")


def test_divergence_is_reported_and_mended(make):
    world = make(3)
    state = world.get_state()
    state[1, 1] = np.nan
    world.set_state(state)
    world.step(np.full((3, 1), 0.3), 5)
    assert world.diverged.tolist() == [False, True, False]
    assert np.isfinite(world.get_state()).all()
    np.testing.assert_allclose(world.joint_position("hinge")[1], 0.3, atol=1e-3)
    world.reset(world.diverged.copy())
    assert not world.diverged.any()


def test_colours_are_per_world(make):
    world = make(3)
    before = world.render("front")
    assert before.shape == (3, 64, 64, 3) and (before[0] == before[1]).all()
    world.set_color("block_geom", (0, 0, 1, 1), np.array([False, True, False]))
    after = world.render("front")
    np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])
    assert not np.array_equal(after[1], before[1])
    np.testing.assert_allclose(world.color("block_geom")[:, 2], [0, 1, 0])
    with pytest.raises(RenderError, match="size"):
        world.render("front", size=(0, 4))


def test_bad_scenes_and_counts_say_what_is_wrong(make, monkeypatch):
    ball = BodySpec("egg", geoms=(GeomSpec("egg", "ellipsoid", (0.1, 0.1, 0.2)),))
    with pytest.raises(ConfigError, match="ellipsoid"):
        make(1, Scene("bad", bodies=(ball,)))
    with pytest.raises(ConfigError, match="parent 'b'"):
        trees(Scene("bad", bodies=(BodySpec("a", parent="b"),)))
    light = BodySpec("light", joint=JointSpec("swing", "hinge"))
    with pytest.raises(ConfigError, match="no mass"):
        make(1, Scene("bad", bodies=(light,)))
    with pytest.raises(ConfigError, match="1024"):
        make(2000)
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(RenderError, match="DISPLAY"):
        make(1, gui=True)


def test_rotations_survive_roll_pitch_yaw():
    pybullet = pytest.importorskip("pybullet")
    rng = np.random.default_rng(0)
    quats = rng.normal(size=(200, 4))
    quats = np.concatenate([quats, [[1, 0, 1, 0], [1, 0, -1, 0], [1, 1, 1, 1], [0, 1, 0, 1]]])
    for quat in quats / np.linalg.norm(quats, axis=1, keepdims=True):
        x, y, z, w = pybullet.getQuaternionFromEuler(rpy(tuple(quat)))
        # at pitch +-90 deg the angles hold half of the digits
        assert abs(abs(np.dot(quat, [w, x, y, z])) - 1) < 1e-9


def test_urdf_names_every_body(scene):
    robot = RobotSpec("r", bodies=(BodySpec("root"),), actuators=(), home={})
    named = Scene("s", robots=(RobotPlacement(robot, prefix="left_"),), bodies=scene.bodies)
    text = "".join(tree_urdf(tree) for tree in trees(named))
    for name in ("left_root", "block", "cabinet", "drawer"):
        assert f'<link name="{name}"' in text
