"""The viewer without a browser: its controls move the pictures, the plots and the bodies."""

# pyright: reportAttributeAccessIssue=false

import shutil
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from octoworld.viewer.app import ViewerApp, serve
from octoworld.viewer.frames import upscale
from octoworld.viewer.recording import open_recording


@pytest.fixture(scope="module")
def shared_app(run_folder):
    app = ViewerApp(open_recording(run_folder), port=18180)
    yield app
    app.close()


@pytest.fixture
def app(shared_app):
    """The app at the first step of the first episode."""
    shared_app.pause()
    shared_app.open_dataset("after")
    return shared_app


def block_position(app):
    return app.stage.replay.data.body("block").xpos.copy()


def test_slider_moves_pictures_bodies_and_cursor(app, episode):
    app.timeline.value = 17
    assert app.step == 17
    true = upscale(app.episode["observation.images.front"][17], 3)
    assert (app.images["front"][-192:, :192] == true).all()
    np.testing.assert_allclose(block_position(app)[1], -0.1 + 0.3 * 17 / 23, atol=1e-9)
    for plot in app.signals.plots:
        time_axis, *values, cursor = plot.handle.data
        assert time_axis[cursor.argmax()] == pytest.approx(1.7)
        assert np.array_equal(np.delete(values[0], [17, 18]), plot.curves[0].values)
    assert "17" in app.clock.content


def test_plots_carry_rewards_and_the_stop_threshold(app):
    names = [curve.name for plot in app.signals.plots[:2] for curve in plot.curves]
    assert names == ["reward", "success", "probability", "progress", "stop", "stop threshold"]
    assert (app.signals.plots[1].curves[-1].values == 0.9).all()
    assert [curve.name for curve in app.signals.plots[2].curves] == [
        f"action {i}" for i in range(4)
    ]


def test_choosing_an_episode_starts_it_anew(app):
    app.timeline.value = 9
    app.finder.episode.value = app.finder.episode.options[1]
    assert (app.index, app.step) == (1, 0)
    assert app.episode.info["seed"] == 1
    color = np.random.default_rng(1).uniform(0.1, 0.9, 3)
    shown = app.stage.replay.model.geom("block").rgba[:3]
    np.testing.assert_allclose(shown, color, atol=1e-6)


def test_choosing_a_dataset_lists_its_episodes(app):
    app.finder.dataset.value = "before"
    assert app.dataset == "before"
    assert app.finder.episode.options[1].startswith("001 failure")
    assert app.episode.info["seed"] == 2
    app.finder.episode.value = app.finder.episode.options[1]
    assert app.episode.info["seed"] == 9


def test_steps_stay_inside_the_episode(app):
    app.move(-1)
    assert app.step == 0
    app.move(3)
    assert app.step == 3
    app.move(10**9)
    assert app.step == 23


def test_playing_runs_to_the_end_and_again(app):
    app.speed.value = "4x"
    app.timeline.value = 18
    app.toggle()
    assert app.is_playing
    deadline = time.monotonic() + 10
    while app.is_playing and time.monotonic() < deadline:
        time.sleep(0.05)
    assert app.step == 23 and not app.is_playing
    app.toggle()  # from the start, because it stood at the end
    assert app.step < 23
    app.pause()


def test_everything_is_there_so_nothing_is_said_to_be_missing(app):
    assert not app.missing_text.visible
    assert "push the block" in app.instruction.content


def test_numbers_alone_still_open(bare_folder):
    app = ViewerApp(open_recording(bare_folder), port=18180)
    try:
        assert app.missing_text.visible
        assert "sim_state" in app.missing_text.content
        assert app.images == {}
        app.timeline.value = 4
        assert [c.name for c in app.signals.plots[0].curves] == ["reward"]
    finally:
        app.close()


def test_physics_of_another_scene_is_said_and_not_drawn(run_folder, tmp_path):
    (tmp_path / "episodes").symlink_to(run_folder / "episodes")
    (tmp_path / "scene.xml").write_text(
        '<mujoco><worldbody><body><freejoint/><geom size="0.1"/></body></worldbody></mujoco>'
    )
    app = ViewerApp(open_recording(tmp_path), port=18180)
    try:
        assert "scene.xml expects" in app.missing_text.content
        app.timeline.value = 3
        assert app.images["front"].any()
    finally:
        app.close()


def test_a_taken_port_is_left_for_the_next_free_one(run_folder, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = serve(run_folder, port=port, block=False)
        try:
            assert server.get_port() != port
            text = capsys.readouterr().out
            assert f"http://localhost:{server.get_port()}" in text
            assert f"port {port} is taken" in text
        finally:
            server.stop()


def test_training_metric_is_chosen(run_folder, tmp_path):
    (tmp_path / "episodes").symlink_to(run_folder / "episodes")
    rows = [f'{{"step": {i}, "rl/kl": {i / 10}, "rl/reward": {i}}}' for i in range(4)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(rows))
    app = ViewerApp(open_recording(tmp_path), port=18180)
    try:
        assert app.training is not None
        app.training.choice.value = "rl/reward"
        assert np.array_equal(app.training.plot.data[1], [0, 1, 2, 3])
    finally:
        app.close()


def test_a_damaged_episode_is_said_and_the_others_stay(run_folder, tmp_path):
    copy = Path(shutil.copytree(run_folder, tmp_path / "copy"))
    app = ViewerApp(open_recording(copy), port=18180)
    try:
        shutil.rmtree(copy / "episodes/after/videos")
        app.finder.episode.value = app.finder.episode.options[1]
        assert "is missing" in app.missing_text.content
        app.finder.dataset.value = "before"
        assert not app.missing_text.visible and app.images["front"].any()
    finally:
        app.close()
