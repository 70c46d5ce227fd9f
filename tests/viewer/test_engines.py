"""One app shows what PyBullet did, what MuJoCo did, and what a world model imagined of it."""

import numpy as np
import pytest

from octoworld.core.io import write_text
from octoworld.core.paths import asset
from octoworld.recipes.recording import write_dataset
from octoworld.recipes.rollouts import RolloutConfig, collect
from octoworld.recipes.worldenv.learning import load_part
from octoworld.recipes.worldenv.outcome import add_imagination
from octoworld.viewer.app import ViewerApp
from octoworld.viewer.recording import open_recording
from sim.backends.mjcf import scene_xml
from tasks.env import task_env
from worldmodels.flow import FlowWorldModel


def record(folder, task, backend, change=lambda episode: None):
    """An episode of the expert, with the scene that it is replayed in."""
    options = {"backend": backend, "max_episode_length": 12}
    (episode,) = collect(
        task, [0], RolloutConfig(1, 12), policy=None, source="expert", options=options
    )
    change(episode)
    write_dataset(folder, [episode])
    env = task_env(task, 1, **options)
    write_text(folder / "scene.xml", scene_xml(env.world.scene))
    env.close()


def test_episodes_of_every_origin_are_shown(tmp_path):
    pytest.importorskip("pybullet")
    model = load_part(FlowWorldModel, asset("checkpoints", "tabletop", "worldmodel"))
    episodes = tmp_path / "episodes"
    record(episodes / "bullet", "PickUp", "pybullet")
    record(episodes / "flight", "Hover", "pybullet")
    record(episodes / "mujoco", "PickUp", "mujoco", lambda e: add_imagination(e, model, 0))
    app = ViewerApp(open_recording(tmp_path), port=18980)
    try:
        widths = {}
        for name in ("bullet", "flight", "mujoco"):
            app.open_dataset(name)
            replay = app.stage.replay
            assert replay is not None, name
            places = []
            for step in (0, len(app.episode) - 1):
                app.timeline.value = step
                places.append(replay.data.xpos.copy())
            assert np.isfinite(places[1]).all() and not np.array_equal(*places), name
            widths[name] = app.images["front"].shape[1] if "front" in app.images else 0
        # true, imagined and their difference, where the other arm has the true picture alone
        assert widths["mujoco"] > 2.5 * widths["bullet"] > 0
    finally:
        app.close()
