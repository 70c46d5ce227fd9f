"""Recorded physics: bodies and colours stand where the recording says."""

# pyright: reportAttributeAccessIssue=false

import numpy as np
import pytest

from octoworld.core.errors import DatasetError
from octoworld.viewer.physics import PhysicsReplay


@pytest.fixture
def replay(run_folder):
    return PhysicsReplay(run_folder / "scene.xml")


def test_bodies_follow_the_recorded_state(replay, episode):
    for step in (0, 23, 10):
        replay.show(episode["sim_state"][step])
        expected = [0.35, -0.1 + 0.3 * step / 23, 0.025]
        np.testing.assert_allclose(replay.data.body("block").xpos, expected, atol=1e-12)


def test_colours_are_the_worlds_own(replay, episode):
    assert replay.show(episode["sim_state"][0])  # the block is not grey any more
    color = np.random.default_rng(0).uniform(0.1, 0.9, 3)
    np.testing.assert_allclose(replay.model.geom("block").rgba[:3], color, atol=1e-6)
    assert not replay.show(episode["sim_state"][1])  # the same colours: nothing to redraw


def test_physics_without_colours(replay, episode):
    row = episode["sim_state"][5][: replay.state_size]
    assert replay.misfit(len(row)) is None
    assert not replay.show(row)


def test_row_of_another_scene(replay, episode):
    row = episode["sim_state"][0][:-1]
    with pytest.raises(DatasetError, match=f"sim_state has {len(row)} values"):
        replay.show(row)


def test_damaged_scene(tmp_path):
    (tmp_path / "scene.xml").write_text("<mujoco><worldbody>")
    with pytest.raises(DatasetError, match="not a scene MuJoCo can load"):
        PhysicsReplay(tmp_path / "scene.xml")
