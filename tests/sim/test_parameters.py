"""Physics of single worlds of an arm's scene: shares by name act, last, and are saved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import octoworld
from octoworld.core.errors import ConfigError, UnknownNameError
from sim.backends import pybullet_engine as pybullet
from sim.randomize import PRESETS


@pytest.fixture
def world():
    env: Any = octoworld.make_vec("PickUp", 3, seed=1)
    yield env.world
    env.close()


@pytest.fixture(params=["mujoco", "pybullet", "mujoco_warp"])
def either(request):
    """Worlds of each engine that has arms."""
    if request.param == "mujoco_warp":
        pytest.importorskip("mujoco_warp")
    env: Any = octoworld.make_vec("PickUp", 3, seed=1, backend=request.param)
    yield env.world
    env.close()


def test_the_names_are_those_of_the_scene(either):
    names = set(either.parameters)
    assert {"block.mass", "block.friction", "drawer_slide.damping"} <= names
    assert {"joints.damping", "joints.friction", "servos.gain", "gravity"} <= names
    assert set(PRESETS["arm"]) <= names


def test_looks_are_mujocos(world):
    assert set(PRESETS["looks"]) <= set(world.parameters)


def test_gravity_acts_in_its_world_alone(either):
    world = either
    pose = world.pose("block").copy()
    pose[:, :3] = [0.5, 0.6, 0.4]  # away from the arm
    world.set_pose("block", pose)
    world.set_parameters({"gravity": [0.0, 0.5]}, np.array([True, False, True]))
    world.refresh()
    control = np.zeros((3, len(world.control_names)))
    world.step(control, 20)
    fallen = pose[:, 2] - world.pose("block")[:, 2]
    t = 20 * world.scene.timestep
    expected = 9.81 * np.array([0.0, 1.0, 0.5]) * t**2 / 2
    np.testing.assert_allclose(fallen, expected, rtol=0.06, atol=1e-6)  # float32 in mujoco_warp


def test_a_heavier_block_pushes_harder(world):
    world.set_parameters({"block.mass": [1.0, 2.0, 4.0]})
    mass = world.batch.expand("body_mass")[:, world._names.index("body", "block")]
    np.testing.assert_allclose(mass, mass[0] * np.array([1.0, 2.0, 4.0]))
    inverse = world.batch.expand("dof_invweight0")
    assert not np.allclose(inverse[0], inverse[2])  # derived constants follow


def test_slippery_objects_slide_farther(either):
    # of the two that touch, the larger counts in MuJoCo; Bullet multiplies
    world = either
    world.set_parameters({"block.friction": [1.0, 0.2, 3.0], "table.friction": [1.0, 0.2, 1.0]})
    start = world.pose("block")[:, :2].copy()
    world.set_velocity("block", np.tile([0.3, 0, 0, 0, 0, 0.0], (3, 1)))
    world.step(np.zeros((3, len(world.control_names))), 60)
    way = np.linalg.norm(world.pose("block")[:, :2] - start, axis=1)
    assert way[2] < 0.7 * way[0] and way[0] < 0.7 * way[1]


def test_weak_servos_lag(either):
    """A servo with less gain, or one that drives a stiffer joint, is later at its target."""
    arm = tuple(f"joint{i}" for i in range(1, 8))
    start = np.tile(either.joint_position(*arm)[0], (3, 1))
    either.set_joint_position(arm, start)
    either.refresh()
    either.set_parameters({"servos.gain": [1.0, 0.3, 1.0], "joints.damping": [1.0, 1.0, 20.0]})
    control = np.concatenate([start, np.zeros((3, 2))], axis=1)
    control[:, 0] += 0.02
    either.step(control, 4)
    moved = either.joint_position("joint1")[:, 0] - start[:, 0]
    assert 0 < moved[1] < 0.85 * moved[0] and 0 < moved[2] < 0.95 * moved[0]


def test_bullet_is_told_mass_and_inertia():
    env: Any = octoworld.make_vec("PickUp", 2, seed=1, backend="pybullet")
    env.world.set_parameters({"block.mass": [1.0, 2.0]})
    told = [
        pybullet.getDynamicsInfo(
            client.bodies[client.layout.bodies["block"][0]], -1, physicsClientId=client.id
        )
        for client in env.world.clients
    ]
    assert [info[0] for info in told] == pytest.approx([0.08, 0.16])
    assert told[1][2] == pytest.approx([2 * i for i in told[0][2]])
    env.close()


def test_what_follows_from_masses_is_each_worlds_own_in_mujoco_warp():
    pytest.importorskip("mujoco_warp")
    env: Any = octoworld.make_vec("PickUp", 2, seed=1, backend="mujoco_warp")
    world = env.world
    world.set_parameters({"block.mass": [1.0, 2.0]})
    block = world._names.index("body", "block")
    model = world.batch._m
    np.testing.assert_allclose(model.body_subtreemass.numpy()[:, block], [0.08, 0.16])
    inverse = model.body_invweight0.numpy()[:, block, 0]
    np.testing.assert_allclose(inverse[1] / inverse[0], 0.5, rtol=1e-5)
    env.close()


def test_shares_last_over_resets_and_are_saved_with_the_state(world):
    plain = world.get_state()
    world.set_parameters({"block.mass": 3.0})
    world.reset()
    heavy = world.get_state()
    assert heavy.shape[1] == plain.shape[1] + len(world.parameters)
    world.set_state(plain)  # rows from before mean the scene's own
    assert (world.get_state()[:, -len(world.parameters) :] == world._shares.nominal).all()
    world.set_state(heavy)
    column = world.parameters.index("block.mass") - len(world.parameters)
    assert (world.get_state()[:, column] == 3.0).all()
    mass = world.batch.expand("body_mass")[:, world._names.index("body", "block")]
    np.testing.assert_allclose(mass, 3 * 0.08)


def test_bullet_saves_them_with_the_state_too():
    env: Any = octoworld.make_vec("PickUp", 2, seed=1, backend="pybullet")
    world = env.world
    plain = world.get_state()
    world.set_parameters({"gravity": 0.5})
    light = world.get_state()
    world.set_state(plain)
    assert (world.get_state()[:, -len(world.parameters) :] == 1.0).all()
    control = np.zeros((2, len(world.control_names)))
    world.set_state(light)
    world.step(control, 5)
    kept = world.get_state()
    world.set_state(light)
    world.step(control, 5)
    assert np.array_equal(world.get_state(), kept)
    with pytest.raises(ConfigError, match="set_state"):
        world.set_state(light[:, :-1])
    env.close()


def test_shares_survive_a_new_contact_question(world):
    world.set_parameters({"block.mass": 2.0})
    world.contacts("block", "bin")
    mass = world.batch.expand("body_mass")[:, world._names.index("body", "block")]
    np.testing.assert_allclose(mass, 2 * 0.08)


def test_a_task_draws_them_and_starts_stay_the_same():
    plain: Any = octoworld.make_vec("PickUp", 4, seed=7)
    drawn: Any = octoworld.make_vec("PickUp", 4, seed=7, task_options={"randomize": "arm"})
    assert np.array_equal(plain.obs_buf, drawn.obs_buf)
    sampled = drawn.task.randomizer.sampled()
    assert set(sampled) == set(PRESETS["arm"])
    mass = sampled["block.mass"][:, 0]
    assert len(set(mass)) == 4 and ((mass >= 0.5) & (mass <= 2.0)).all()
    state = drawn.sim_state()
    other: Any = octoworld.make_vec("PickUp", 4, seed=8, task_options={"randomize": "arm"})
    other.restore_worlds(np.ones(4, bool), state)
    assert np.array_equal(other.task.randomizer.sampled()["block.mass"][:, 0], mass)


def test_bad_parameters_are_told(world):
    with pytest.raises(UnknownNameError, match=r"block\.mass"):
        world.set_parameters({"block.mas": 1.0})
    for value in (0.0, -1.0, np.nan):
        with pytest.raises(ConfigError, match="above 0"):
            world.set_parameters({"block.mass": value})
    with pytest.raises(UnknownNameError, match="arm"):
        octoworld.make_vec("PickUp", 1, task_options={"randomize": "leg"})


def test_looks_change_pictures_of_their_world_alone(world):
    plain = world.render("front", [0, 1, 2])
    before = world.get_state()
    world.set_parameters({"lights.brightness": 0.5}, np.array([False, True, False]))
    dark = world.render("front", [0, 1, 2])
    assert np.array_equal(dark[[0, 2]], plain[[0, 2]])
    assert dark[1].mean() < 0.7 * plain[1].mean()
    saved = world.get_state()
    world.set_parameters({"lights.brightness": 1.0})
    assert np.array_equal(world.render("front", [0, 1, 2]), plain)
    # the looks are part of the state, and rows from before there were any mean: as built
    world.set_state(saved)
    assert np.array_equal(world.render("front", [0, 1, 2]), dark)
    world.set_state(before)
    assert np.array_equal(world.render("front", [0, 1, 2]), plain)


def test_a_camera_out_of_place_sees_the_scene_shifted(world):
    def coloured() -> np.ndarray:
        image = world.render("front", [0])[0].astype(float)
        return np.argwhere(np.ptp(image, axis=-1) > 90)

    plain = coloured()
    for name, axis in (("front.yaw", 1), ("front.pitch", 0)):
        world.set_parameters({name: 0.08})
        # turning the camera left (up) moves the picture right (down)
        assert (coloured().mean(0) - plain.mean(0))[axis] > 2
        world.set_parameters({name: 0.0})
    world.set_parameters({"front.fov": 0.7})
    assert len(coloured()) > 1.4 * len(plain)


def test_a_ramp_widens_the_spreads_with_the_episodes():
    env: Any = octoworld.make_vec(
        "PickUp", 4, task_options={"randomize": {"gravity": [0.5, 1.5]}, "randomize_ramp": 8}
    )
    spans = []
    for seed in (0, 10, 20):
        env.reset(seed=seed)
        spans.append(np.abs(env.task.randomizer.sampled()["gravity"] - 1).max())
    assert spans[0] == 0 < spans[1] <= 0.25
    assert env.task.randomizer.level == 1
    env.close()
    with pytest.raises(ConfigError, match="ramp"):
        octoworld.make_vec("PickUp", 1, task_options={"randomize": "arm", "randomize_ramp": -1})
