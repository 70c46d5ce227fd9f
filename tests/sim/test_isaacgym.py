"""The face of IsaacGymEnvs' VecTask: buffers, both kinds of reset, cfg, xyzw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import octoworld
from octoworld.core.errors import ActionError, ConfigError
from sim.isaacgym_config import read_cfg

LENGTH = 4
BUFFERS = {
    "obs_buf": torch.float32, "rew_buf": torch.float32, "reset_buf": torch.int64,
    "timeout_buf": torch.int64, "progress_buf": torch.int64, "randomize_buf": torch.int64,
}  # fmt: skip
NAMES = [
    "num_envs",
    "num_agents",
    "num_obs",
    "num_states",
    "num_acts",
    "num_actions",
    "num_observations",
    "observation_space",
    "obs_space",
    "action_space",
    "act_space",
    "state_space",
    "device",
    "device_id",
    "device_type",
    "rl_device",
    "headless",
    "graphics_device_id",
    "control_freq_inv",
    "clip_obs",
    "clip_actions",
    "max_episode_length",
    "dt",
    "sim",
    "viewer",
    "control_steps",
    "total_train_env_frames",
    "render_fps",
    "first_randomization",
    "last_step",
    "obs_dict",
    "extras",
    "states_buf",
]


def make(num_envs: Any = 3, **options) -> Any:
    return octoworld.make_isaac("Hover", num_envs, max_episode_length=LENGTH, seed=5, **options)


def test_it_has_all_of_vectask():
    env = make()
    assert all(hasattr(env, name) for name in NAMES)
    for name, dtype in BUFFERS.items():
        buffer = getattr(env, name)
        assert buffer.dtype == dtype and buffer.shape[0] == 3, name
    assert env.obs_buf.shape == (3, env.num_obs)
    assert env.zero_actions().shape == (3, env.num_actions)
    assert env.render().shape[-1] == 3
    assert env.get_state().shape == (3, 0)


def test_reset_resets_nothing():
    env = make()
    env.step(env.zero_actions())
    before = env.obs_buf.clone()
    assert torch.equal(env.reset()["obs"], before)
    assert env.progress_buf.tolist() == [1, 1, 1]


def test_eager_and_lazy_resets_show_the_same_episodes():
    eager, lazy = make(), make(lazy_reset=True)
    assert lazy.reset_buf.tolist() == [1, 1, 1]  # as VecTask begins
    assert not lazy.reset()["obs"].any()
    actions = torch.full((3, eager.num_actions), 0.1)
    for _ in range(LENGTH - 1):
        a, b = eager.step(actions), lazy.step(actions)
        assert torch.equal(a[0]["obs"], b[0]["obs"])
    (new, *a, extras), (last, *b, lazy_extras) = eager.step(actions), lazy.step(actions)
    assert torch.equal(extras["final_obs"]["obs"], last["obs"])
    assert not torch.equal(new["obs"], last["obs"])
    for x, y in zip(a, b, strict=True):
        assert torch.equal(x, y)
    assert extras["time_outs"].tolist() == lazy_extras["time_outs"].tolist() == [1, 1, 1]
    assert lazy.progress_buf.tolist() == [LENGTH] * 3 and eager.progress_buf.tolist() == [0] * 3
    # the new episode's first step: lazily begun just now, eagerly one step ago
    assert torch.equal(eager.step(actions)[0]["obs"], lazy.step(actions)[0]["obs"])
    assert lazy.progress_buf.tolist() == [1] * 3


def test_reset_done_and_reset_idx():
    env = make(lazy_reset=True)
    for _ in range(LENGTH):
        env.step(env.zero_actions())
    _, ids = env.reset_done()
    assert ids.tolist() == [0, 1, 2] and env.progress_buf.tolist() == [0, 0, 0]
    env.step(env.zero_actions())
    env.reset_idx(torch.tensor([1]))
    assert env.progress_buf.tolist() == [1, 0, 1]


def test_quaternions_are_xyzw():
    env: Any = octoworld.make_isaac("PickUp", 3)
    state, pose = env.root_state("block").numpy(), env.sim.pose("block")
    assert state.shape == (3, 13)
    assert abs(pose[:, 3]).min() > 0 and abs(pose[:, 6]).min() > 0  # turned about z
    np.testing.assert_allclose(state[:, 6], pose[:, 3], rtol=1e-6)
    np.testing.assert_allclose(state[:, 3:6], pose[:, 4:], rtol=1e-6, atol=1e-7)


def test_dof_state_of_an_arm():
    env = octoworld.make_isaac("PickUp", 2)
    joints = ("finger_joint1", "finger_joint2")
    assert env.dof_state(*joints).shape == (2, 2, 2)


def test_cfg_sets_and_checks():
    env = make(None, cfg={
        "physics_engine": "physx",
        "env": {"numEnvs": 2, "clipObservations": 0.5, "clipActions": 0.25, "numActions": 4},
        "sim": {"physx": {"num_threads": 4}, "gravity": [0, 0, -9.81]},
    })  # fmt: skip
    assert env.num_envs == 2 and env.obs_buf.abs().max() <= 0.5
    other = make(2)
    big, small = torch.full((2, 4), 1.0), torch.full((2, 4), 0.25)
    env.step(big), other.step(small)
    assert torch.equal(env.obs_buf, other.obs_buf.clamp(-0.5, 0.5))


@pytest.mark.parametrize(
    ("cfg", "said"),
    [
        ({"env": {"numObservations": 21}}, "env.numObservations is 21"),
        ({"sim": {"dt": 0.5}}, "sim.dt is 0.5"),
        ({"sim": {"gravity": [0, 0, -1.6]}}, "sim.gravity"),
        ({"env": {"numEnvs": "many"}}, "env.numEnvs"),
        ({"env": {"numStates": 3}}, "env.numStates"),
        ({"env": 3}, "cfg env"),
        ({"env": {"clipActions": 0}}, "env.clipActions"),
    ],
)
def test_a_cfg_that_does_not_fit_is_told(cfg, said):
    with pytest.raises(ConfigError, match=said):
        make(cfg=cfg)


def test_other_bad_input():
    with pytest.raises(ConfigError, match="sim_device"):
        make(sim_device="cuda:0")
    with pytest.raises(ConfigError, match="headless"):
        make(headless=False)
    env = make()
    with pytest.raises(ActionError, match="torch"):
        env.step(np.zeros((3, 4)))
    with pytest.raises(ActionError):
        env.step(torch.zeros(3, 5))


RANDOM = {
    "frequency": 100,
    "observations": {
        "range": [0, 0.002], "operation": "additive", "distribution": "gaussian",
        "range_correlated": [0, 0.001],
    },
    "actions": {"range": [0.0, 0.02], "operation": "additive", "distribution": "gaussian"},
    "sim_params": {"gravity": {"range": [0.9, 1.1], "operation": "scaling"}},
    "actor_params": {
        "robot": {
            "color": True,
            "dof_properties": {
                "damping": {
                    "range": [0.5, 2.0], "operation": "scaling", "distribution": "loguniform",
                    "schedule": "linear", "schedule_steps": 90,
                },
                "stiffness": {
                    "range": [1.0, 0.1], "operation": "scaling", "distribution": "gaussian"
                },
            },
        },
        "block": {
            "rigid_body_properties": {"mass": {"range": [0.5, 1.5], "operation": "scaling"}},
            "rigid_shape_properties": {"friction": {"range": [0.7, 1.3], "operation": "scaling"}},
        },
    },
}  # fmt: skip


def randomized(params, task="PickUp", **options: Any):
    cfg = {"task": {"randomize": True, "randomization_params": params}}
    return octoworld.make_isaac(task, 4, cfg=cfg, **options)


def test_randomization_params_become_ours():
    env: Any = randomized(RANDOM, max_episode_length=30)
    drawn = env.env.task.randomizer
    assert set(drawn.spreads) == {
        "gravity", "robot.brightness", "joints.damping", "servos.gain", "block.mass",
        "block.friction",
    }  # fmt: skip
    assert drawn.spreads["joints.damping"].log
    assert drawn.spreads["servos.gain"].normal
    assert drawn.spreads["servos.gain"].low == pytest.approx(0.8)
    assert drawn.ramp == 90 // 30 * 4
    names = [type(effect).__name__ for effect in env.env.effects]
    assert names == ["ObservationNoise", "ActionNoise"]
    assert env.env.effects[0].bias == 0.001
    env.step(torch.zeros(4, env.num_acts))
    env.env.close()


def test_drones_take_their_share_of_it():
    mass = {"rigid_body_properties": {"mass": {"range": [0.8, 1.2], "operation": "scaling"}}}
    env: Any = randomized({"actor_params": {"cf2x": mass}}, "Hover")
    assert list(env.env.task.randomizer.spreads) == ["mass_scale"]
    env.env.close()


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"weather": {}}, "weather"),
        ({"sim_params": {"dt": {"range": [1, 2]}}}, "only gravity"),
        ({"actor_params": {"robot": {"scale": {"x": {"range": [1, 2]}}}}}, "not ours"),
        ({"actor_params": {"ghost": {"color": True}}}, "ghost.brightness"),
        ({"observations": {"range": [0, 1], "operation": "scaling"}}, "additive"),
        ({"actions": {"range": [0], "operation": "additive"}}, "range"),
        ({"sim_params": {"gravity": {"range": [0, 1], "operation": "additive"}}}, "scaling"),
        ({"sim_params": {"gravity": {"range": [0, 1], "distribution": "beta"}}}, "beta"),
    ],
)
def test_randomization_without_meaning_is_told(params, said):
    with pytest.raises(ConfigError, match=said):
        randomized(params)


def test_randomization_is_read_where_it_is_switched_on():
    assert read_cfg({"task": {"randomize": True, "randomization_params": RANDOM}}).randomization
    assert not read_cfg(
        {"task": {"randomize": False, "randomization_params": RANDOM}}
    ).randomization
