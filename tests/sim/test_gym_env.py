"""gymnasium's own checker accepts one world of a VecEnv."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from octoworld.core.errors import ConfigError
from sim.gym_env import SingleWorldEnv
from sim.registration import register_gymnasium


@pytest.mark.parametrize("vision", [False, True])
def test_check_env(make_env, vision):
    vec = make_env(num_envs=1, vision=vision, autoreset_mode=AutoresetMode.DISABLED)
    env = SingleWorldEnv(vec, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*(obs|reward|reset).*not.*")
        check_env(env, skip_render_check=True)
    frame = env.render()
    assert frame is not None and frame.shape == (64, 64, 3)
    obs, info = env.reset(seed=1)
    assert "raise" in info["instruction"]
    again, _ = env.reset(seed=1)
    if not vision:
        np.testing.assert_array_equal(obs, again)


def test_only_one_world_that_waits(make_env):
    with pytest.raises(ConfigError, match="num_envs=1"):
        SingleWorldEnv(make_env(num_envs=2, autoreset_mode=AutoresetMode.DISABLED))
    with pytest.raises(ConfigError, match="DISABLED"):
        SingleWorldEnv(make_env(num_envs=1))


def test_registered_ids_carry_both_entry_points():
    ids = register_gymnasium(["Toy"], "a.module:make", "a.module:make_vec", "octoworld_test")
    spec = gymnasium.registry[ids[0]]
    assert ids == ["octoworld_test/Toy-v0"] and spec.kwargs == {"task": "Toy"}
    assert spec.entry_point == "a.module:make" and spec.vector_entry_point == "a.module:make_vec"
    del gymnasium.registry[ids[0]]
