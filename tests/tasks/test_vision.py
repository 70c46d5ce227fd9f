"""What drones see through the environment: any camera of the scene, in every physics backend."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import octoworld
from octoworld.core.errors import ConfigError, RenderError, UnknownNameError
from octoworld.core.registry import BACKENDS
from tasks.env import task_env

FRONT = "observation.images.front"


CPU = [name for name in BACKENDS.names() if name != "mujoco_warp"]  # its pictures are mujoco's


@pytest.fixture(params=CPU)
def backend(request):
    if request.param == "pybullet":
        pytest.importorskip("pybullet")
    return request.param


def test_a_drone_task_is_seen_through_the_forward_camera(backend):
    env = task_env("Hover", 3, obs_mode="vision", cameras=("front",), backend=backend)
    try:
        images = [env.reset(seed=7)[0][FRONT]]
        for _ in range(4):
            obs = env.step(np.full((3, 4), 0.2, np.float32))[0]
            assert env.observation_space.contains(obs)
            images.append(obs[FRONT])
        assert images[0].shape == (3, 48, 64, 3) and images[0].dtype == np.uint8
        # starts differ, and the view moves with the drone
        assert len({image.tobytes() for step in images for image in step}) == 15
        depth = env.world.render_depth("front", [2])
        labels = env.world.render_segmentation("front", [2])
        sky = labels == env.world.segments.index("background")
        assert np.isinf(depth[sky]).all() and np.isfinite(depth[~sky]).all()
    finally:
        env.close()


def test_backends_show_the_same_starts():
    pytest.importorskip("pybullet")
    labels, depths = [], []
    for name in CPU:
        env = task_env("Hover", 4, backend=name, seed=3)
        labels.append(env.world.render_segmentation("front"))
        depths.append(env.world.render_depth("front"))
        env.close()
    for other in (1, 2):
        same = labels[0] == labels[other]
        assert same.mean() > 0.99  # edges may fall on either side
        both = same & (labels[0] > 0)
        np.testing.assert_allclose(depths[other][both], depths[0][both], rtol=2e-3)


def test_each_of_several_drones_has_its_own_eyes():
    env = octoworld.make_vec("MultiHover", 2, obs_mode="vision", cameras=("d0_front", "d1_front"))
    obs, _ = env.reset(seed=0)
    first, second = (obs[f"observation.images.d{i}_front"] for i in range(2))
    assert first.shape == second.shape == (2, 48, 64, 3) and (first != second).any()
    env.close()


def test_image_size_and_gymnasium():
    env = gymnasium.make(
        "octoworld/Hover-v0", obs_mode="vision", cameras=("front",), image_size=(64, 64)
    )
    with pytest.warns(UserWarning, match="infinity"):  # of the unbounded proprioception alone
        check_env(env.unwrapped, skip_render_check=True)
    assert env.reset(seed=0)[0][FRONT].shape == (64, 64, 3)
    env.close()


def test_misspelt_options_are_named():
    with pytest.raises(UnknownNameError, match=r"'nose'.*front, overview"):
        octoworld.make_vec("Hover", 1, obs_mode="vision", cameras=("nose",))
    with pytest.raises(ConfigError, match=r"backend rotorcraft .*'gui'.* dtype, device"):
        octoworld.make_vec("Hover", 1, backend_options={"gui": True})
    with pytest.raises(ConfigError, match=r"Hover .*'nonsense'.* obs_mode"):
        octoworld.make_vec("Hover", 1, nonsense=1)


def test_the_window_needs_a_display(monkeypatch):
    pytest.importorskip("pybullet")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(RenderError, match="display"):
        octoworld.make_vec("Hover", 1, backend="pybullet", backend_options={"gui": True})
    with pytest.raises(ConfigError, match="num_threads 4"):
        octoworld.make_vec("Hover", 1, backend="pybullet", num_threads=4)
