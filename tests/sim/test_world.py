"""The World contract on the MuJoCo backend: state, writes, contacts, isolation, divergence."""

# pyright: reportAttributeAccessIssue=false

import mujoco
import numpy as np
import pytest

from octoworld.core.errors import ConfigError, UnknownNameError
from octoworld.core.registry import BACKENDS
from robots.spec import BodySpec, GeomSpec
from sim.backends.mjcf import scene_xml
from sim.backends.mujoco import MujocoWorld, default_threads
from sim.scene import Scene
from sim.world import World


def drop(world, height=0.3):
    """Different starts: block heights and control targets."""
    n = world.num_worlds
    pose = np.tile([0.3, 0.3, 0.0, 0.9, 0.1, 0.2, 0.3], (n, 1))
    pose[:, 2] = height + 0.05 * np.arange(n)
    world.set_pose("block", pose)
    world.refresh()
    return np.linspace(-1, 1, n)[:, None]


def test_it_is_a_world(make_world):
    world = make_world()
    assert isinstance(world, World) and BACKENDS.get("mujoco") is MujocoWorld
    assert world.control_names == ("servo",)
    np.testing.assert_allclose(world.joint_position("hinge"), 0.3)
    np.testing.assert_allclose(
        world.pose("tip")[0, :3], [0.3 * np.cos(0.3), 0, 0.5 - 0.3 * np.sin(0.3)]
    )


def test_restored_state_continues_with_the_same_bits(make_world):
    world = make_world(5)
    control = drop(world)
    world.contacts("block", "floor")
    world.set_color("block_geom", np.random.default_rng(0).random((5, 4)))
    for _ in range(3):
        world.step(control, 20)
    snapshot = world.snapshot()
    for _ in range(50):
        world.step(control, 1)
    expected, touching = world.get_state(), world.contacts("block", "floor")
    world.restore(snapshot)
    for _ in range(50):
        world.step(control, 1)
    np.testing.assert_array_equal(world.get_state(), expected)
    # in a fresh world, in another place, with other threads, and never asked about contacts
    fresh = make_world(5, num_threads=2)
    fresh.set_state(snapshot.state[::-1])
    for _ in range(50):
        fresh.step(control[::-1], 1)
    np.testing.assert_array_equal(fresh.get_state(), expected[::-1])
    np.testing.assert_array_equal(fresh.contacts("block", "floor"), touching[::-1])


def test_neighbours_do_not_matter(make_world):
    many, one = make_world(6), make_world(1)
    control = drop(many)
    one.set_state(many.get_state()[4:5])
    many.step(control, 100)
    one.step(control[4:5], 100)
    np.testing.assert_array_equal(many.get_state()[4], one.get_state()[0])


def test_refresh_and_questions_leave_every_bit(make_world):
    world = make_world()
    world.step(drop(world), 60)
    before = world.get_state()
    world.contacts("block", "floor")
    world.refresh()
    world.pose("tip")
    world.velocity("link")
    np.testing.assert_array_equal(world.get_state(), before)


def test_masks_touch_only_their_worlds(make_world):
    world = make_world()
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


def test_writes_are_read_back(make_world):
    world = make_world(2)
    world.set_pose("cabinet", [-0.4, 0.1, 0.2, 2, 0, 0, 0])
    world.set_joint_position(("slide", "hinge"), [[0.1, 0.5], [0.2, -0.5]])
    world.refresh()
    np.testing.assert_allclose(world.pose("cabinet")[0], [-0.4, 0.1, 0.2, 1, 0, 0, 0])
    np.testing.assert_allclose(world.pose("drawer")[:, 0], [-0.2, -0.1])
    np.testing.assert_allclose(world.joint_position("hinge", "slide"), [[0.5, 0.1], [-0.5, 0.2]])
    world.step(world.joint_position("hinge"), 20)
    np.testing.assert_allclose(world.joint_position("hinge")[:, 0], [0.5, -0.5], atol=1e-3)
    with pytest.raises(ConfigError, match="neither free"):
        world.set_pose("drawer", [0, 0, 0, 1, 0, 0, 0])


def test_servo_reaches_its_target_and_velocity_agrees_with_differences(make_world):
    world = make_world(1)
    world.step([[1.0]], 20)
    position = world.pose("tip")[0, :3]
    world.step([[1.0]], 1)
    # positions advance with the new velocity (semi-implicit)
    moved, velocity = (world.pose("tip")[0, :3] - position) / 0.005, world.velocity("tip")[0]
    np.testing.assert_allclose(moved, velocity[:3], rtol=0.02, atol=2e-3)
    np.testing.assert_allclose(velocity[4], world.joint_velocity("hinge")[0, 0], rtol=1e-9)
    world.step([[1.0]], 400)
    np.testing.assert_allclose(world.joint_position("hinge"), 1.0, atol=1e-2)


def test_contacts_are_current_and_know_trees(make_world):
    world = make_world(2)
    world.set_pose("block", [[0.3, 0.3, 1.0, 1, 0, 0, 0], [-0.33, 0, 0.05, 1, 0, 0, 0]])
    world.refresh()
    assert world.contacts("block", "floor").tolist() == [False, True]
    world.set_pose("block", [[0.3, 0.3, 0.05, 1, 0, 0, 0], [-0.3, 0, 0.2, 1, 0, 0, 0]])
    world.refresh()
    assert world.contacts("block", "floor").tolist() == [True, False]
    assert world.contacts("block", "drawer").tolist() == [False, True]
    assert world.contacts("cabinet", "block").tolist() == [False, True]
    assert world.contacts("block", "base").tolist() == [False, False]
    with pytest.raises(ConfigError, match="nothing"):
        world.contacts("block", "nothing")


def test_divergence_is_reported_and_mended(make_world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its warnings into MUJOCO_LOG.TXT
    world = make_world(3)
    control = np.full((3, 1), 0.3)
    state = world.get_state()
    state[1, 5] = np.nan
    world.set_state(state)
    world.step(control, 5)
    assert world.diverged.tolist() == [False, True, False]
    assert np.isfinite(world.get_state()).all()
    np.testing.assert_allclose(world.joint_position("hinge")[1], 0.3)
    world.reset(world.diverged.copy())
    assert not world.diverged.any()


def test_unknown_names_list_the_choices(make_world):
    world = make_world(1)
    with pytest.raises(UnknownNameError, match=r"'blok'.*'block'"):
        world.pose("blok")
    with pytest.raises(UnknownNameError, match="hinge"):
        world.joint_position("hing")


def test_xml_stands_alone(scene):
    model = mujoco.MjModel.from_xml_string(scene_xml(scene))
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    assert model.key(0).name == "home" and data.joint("hinge").qpos[0] == 0.3
    assert model.body("block").mass[0] == pytest.approx(0.2)
    assert not model.light_castshadow.any()


def test_bad_scenes_say_what_is_wrong():
    body = BodySpec("a", parent="b", geoms=(GeomSpec("g", "sphere", (0.1,)),))
    with pytest.raises(ConfigError, match="parent 'b'"):
        scene_xml(Scene("bad", bodies=(body,)))
    with pytest.raises(ConfigError, match="does not compile"):
        scene_xml(Scene("bad", static_geoms=(GeomSpec("g", "sphere", (-1.0,)),)))


def test_threads_follow_the_number_of_worlds():
    assert default_threads(1) == 1 and default_threads(4096) >= default_threads(16) >= 1
