"""Play's recorder and the viewer's rows: what is written agrees with what was flown."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from octoworld.core.errors import ConfigError
from octoworld.data.flightlog import FlightLog
from octoworld.data.reader import Dataset
from octoworld.data.video import iterate_video
from octoworld.recipes.fly.play import play
from octoworld.recipes.scene_rows import SceneRows
from octoworld.viewer.physics import PhysicsReplay
from tasks.env import task_env


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Two flights of an expert."""
    folder = tmp_path_factory.mktemp("played")
    return folder, play(None, folder, task="Hover", episodes=2, film_size=(240, 320))


def test_logs_hold_the_episodes(played):
    folder, facts = played
    assert facts["success_at_end"] == 1.0
    episodes = Dataset(folder / "episodes" / "play-0")
    for k, files in enumerate(facts["files"]):
        log, episode = FlightLog.load(files["log"]), episodes.episode(k)
        assert log.model == "cf2x" and len(log) * log.dt == pytest.approx(8.0)
        seen = PhysicsReplay(folder / "episodes" / "play-0" / "scene.xml").paths(
            episode["scene_state"]
        )[0]
        # row t of the data set is before action t; the log has every step of the inner loop
        np.testing.assert_allclose(seen[0], log.init_xyz[0], atol=1e-6)
        each = len(log) // len(seen)
        np.testing.assert_allclose(seen[1:], log.position[each - 1 : -1 : each, 0], atol=1e-6)
        with open(next((folder / "flights").glob(f"*{episode.info['seed']}/*.csv"))) as file:
            rows = list(csv.reader(file))
        assert len(rows) == 1 + len(log) and float(rows[-1][3]) == log.position[-1, 0, 2]


def test_films_show_movement(played):
    for files in played[1]["files"]:
        frames = [frame for _, frame in iterate_video(files["film"])]
        assert len(frames) == 8 * 24 and frames[0].shape == (240, 320, 3)
        # the drone is seen, and elsewhere at the end
        assert (np.abs(frames[0].astype(int) - frames[-1]) > 20).any()
        assert (np.fromfile(files["plot"], np.uint8)[:4] == [0x89, 0x50, 0x4E, 0x47]).all()


@pytest.mark.parametrize("backend", ["mujoco", "pybullet", "rotorcraft"])
def test_rows_for_the_viewer_are_alike_in_every_engine(backend, tmp_path):
    from sim.backends.mjcf import scene_xml

    if backend == "pybullet":
        pytest.importorskip("pybullet")
    env = task_env("FlyThroughColoredGate", 2, backend=backend, seed=3)
    rows = SceneRows(env.world)
    assert rows.is_needed
    (tmp_path / "scene.xml").write_text(scene_xml(env.world.scene))
    replay = PhysicsReplay(tmp_path / "scene.xml")
    env.step(np.zeros((2, 4), np.float32))
    found = rows()
    assert replay.misfit(found.shape[1]) is None
    replay.show(found[1])
    for name in ("drone", "gate0", "gate1"):
        np.testing.assert_allclose(
            replay.data.body(name).xpos, env.world.pose(name)[1, :3], atol=1e-6
        )
    geom = env.world.scene.bodies[0].geoms[0].name
    np.testing.assert_allclose(replay.model.geom(geom).rgba, env.world.color(geom)[1], atol=1e-3)
    env.close()


def test_a_task_on_a_table_needs_no_other_rows():
    env = task_env("PickUp", 1)
    assert not SceneRows(env.world).is_needed
    env.close()


def test_films_too_small_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="film_size"):
        play(None, tmp_path, task="Hover", film_size=(1, 1))
