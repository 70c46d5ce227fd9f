"""Stable-Baselines3's VecEnv over ours: its contract, its statistics, its checker."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

import octoworld
from octoworld.core.errors import ConfigError
from octoworld.rl.adapters.sb3 import Sb3VecEnv
from sim.vec_env import VecEnv

LENGTH = 5


class Counter(VecEnv):
    """Observes (seed, steps done); ends world i of seed s in success at step 3 if s is even.

    The reward is the number of steps done; the clock ends the others at step 5.
    """

    def __init__(self, num_envs=3, images=False, **options):
        box = gymnasium.spaces.Box(0, 9999, (2,), np.float32)
        space: gymnasium.Space = box
        if images:
            picture = gymnasium.spaces.Box(0, 255, (36, 36, 3), np.uint8)
            space = gymnasium.spaces.Dict(
                {"observation.images.front": picture, "observation.state": box}
            )
        super().__init__(
            num_envs=num_envs, single_observation_space=space,
            single_action_space=gymnasium.spaces.Box(-1, 1, (2,), np.float32),
            max_episode_length=LENGTH, fps=10, **options,
        )  # fmt: skip
        self.images, self.now, self.gain = images, np.zeros((num_envs, 2)), np.ones(num_envs)

    def _reset(self, mask, seeds):
        self.now[mask] = np.stack([seeds[mask] % 100, 0 * seeds[mask]], axis=1)

    def _step(self, actions):
        self.now[:, 1] += 1
        success = (self.now[:, 1] == 3) & (self.now[:, 0] % 2 == 0)
        return {"success": success, "count": self.now[:, 1] * 1.0}, self.now[:, 1], success

    def _observe(self):
        state = self.now.astype(np.float32)
        if not self.images:
            return state
        drawn = np.full((self.num_envs, 36, 36, 3), self.now[:, 1, None, None, None], np.uint8)
        return {"observation.images.front": drawn, "observation.state": state}

    def render_frames(self, camera=None, worlds=None, size=None):
        return np.zeros((self.num_envs, 4, 4, 3), np.uint8)

    def scaled(self, factor):
        return self.now[:, 0] * factor


def act(env: Any) -> np.ndarray:
    return np.zeros((env.num_envs, 2), np.float32)


@pytest.mark.parametrize("output", ["numpy", "torch"])
@pytest.mark.parametrize("images", [False, True])
def test_ends_and_statistics(output, images):
    env: Any = Sb3VecEnv(Counter(images=images, output=output))

    def state(obs: Any) -> np.ndarray:
        return obs["observation_state"] if images else obs

    env.seed(10)
    obs: Any = env.reset()
    assert env.observation_space.contains({k: v[0] for k, v in obs.items()} if images else obs[0])
    assert state(obs).tolist() == [[10, 0], [11, 0], [12, 0]]
    for step in range(1, LENGTH + 1):
        obs, rewards, dones, infos = env.step(act(env))
        assert isinstance(state(obs), np.ndarray) and rewards.dtype == np.float32
        if step == 3:
            assert dones.tolist() == [True, False, True]
            assert infos[1] == {}
            info = infos[2]
            assert not info["TimeLimit.truncated"] and info["is_success"] and info["count"] == 3
            assert info["episode"] == {"r": 6.0, "l": 3, "t": info["episode"]["t"]}
            assert state(info["terminal_observation"]).tolist() == [12, 3]
            assert state(obs)[0, 1] == 0  # the new episode's
            if images:
                assert info["terminal_observation"]["observation_images_front"].max() == 3
        elif step == LENGTH:
            assert dones.tolist() == [False, True, False]
            assert infos[1]["TimeLimit.truncated"] and not infos[1]["is_success"]
            assert infos[1]["episode"]["r"] == 15.0 and infos[1]["episode"]["l"] == LENGTH
            assert infos[0] == {}
        else:
            assert not dones.any() and infos == [{}] * 3


def test_terminal_observation_outlives_the_step():
    env = Sb3VecEnv(Counter())
    env.seed(10)
    env.reset()
    for _ in range(3):
        *_, infos = env.step(act(env))
    kept = infos[0]["terminal_observation"]
    before = kept.copy()
    env.step(act(env))
    assert np.array_equal(kept, before)


def test_seeds_are_used_once_and_reset_restarts_the_statistics():
    env = Sb3VecEnv(Counter())
    assert env.seed(40) == [40, 41, 42]
    env.reset()
    env.step(act(env))
    again: Any = env.reset()
    assert again[:, 1].tolist() == [0, 0, 0] and again[:, 0].tolist() != [40, 41, 42]
    for _ in range(LENGTH):
        *_, dones, infos = env.step(act(env))
        for world in np.flatnonzero(dones):
            assert infos[world]["episode"]["l"] in (3, LENGTH)
    env.seed(40)
    assert env.reset()[:, 0].tolist() == [40, 41, 42]


def test_attributes_and_methods():
    env = Sb3VecEnv(Counter())
    env.seed(1)
    env.reset()
    assert env.get_attr("fps") == [10, 10, 10] and env.get_attr("fps", 1) == [10]
    assert env.get_attr("gain", [0, 2]) == [1, 1]
    env.set_attr("gain", 3.0, indices=[1])
    assert env.get_attr("gain") == [1, 3, 1]
    env.set_attr("fps", 20)
    assert env.env.fps == 20
    with pytest.raises(ConfigError, match=r"'fps' for worlds \[0\]"):
        env.set_attr("fps", 5, indices=0)
    assert env.env_method("scaled", 2) == [2, 4, 6]
    assert env.env_method("scaled", factor=3, indices=[2]) == [9]
    with pytest.raises(AttributeError):
        env.get_attr("no_such_thing")
    assert env.env_is_wrapped(Monitor) == [True] * 3
    assert env.env_is_wrapped(gymnasium.wrappers.TimeLimit, indices=[0]) == [False]
    images = env.get_images()
    assert len(images) == 3 and images[0] is not None and images[0].shape == (4, 4, 3)


@pytest.mark.filterwarnings("ignore:The environment is already wrapped")
def test_wrappers_do_not_spill_into_other_worlds():
    env = VecNormalize(VecMonitor(Sb3VecEnv(Counter())))
    env.seed(10)
    env.reset()
    for step in range(1, 2 * LENGTH):
        *_, dones, infos = env.step(act(env))
        for world in range(3):
            assert ("terminal_observation" in infos[world]) == dones[world], step


def test_options_of_worlds_must_agree():
    env = Sb3VecEnv(Counter())
    env.set_options([{"a": 1}, {}, {}])
    with pytest.raises(ConfigError, match="one dict for all worlds"):
        env.reset()


def test_an_env_that_does_not_reset_itself_is_refused():
    with pytest.raises(ConfigError, match="SAME_STEP, got DISABLED"):
        Sb3VecEnv(Counter(autoreset_mode=AutoresetMode.DISABLED))


def test_same_as_dummy_vec_env_of_single_worlds():
    """The same task, seeds and actions give what SB3's own DummyVecEnv gives."""
    batch = Sb3VecEnv(octoworld.make_vec("PickUp", 2, max_episode_length=4))
    single: Any = DummyVecEnv(
        [lambda: Monitor(octoworld.make("PickUp", max_episode_length=4)) for _ in range(2)]
    )
    batch.seed(7)
    single.seed(7)
    rng = np.random.default_rng(0)
    assert np.allclose(batch.reset(), single.reset(), atol=1e-6)
    for step in range(4):
        actions = rng.uniform(-1, 1, (2, 4)).astype(np.float32)
        obs: Any
        obs, rewards, dones, infos = batch.step(actions)
        other, other_rewards, other_dones, other_infos = single.step(actions)
        assert np.array_equal(dones, other_dones) and np.allclose(rewards, other_rewards, atol=1e-6)
        if step < 3:  # after it the streams of later episodes differ
            assert np.allclose(obs, other, atol=1e-6)
    for ours, theirs in zip(infos, other_infos, strict=True):
        assert ours["TimeLimit.truncated"] == theirs["TimeLimit.truncated"] is True
        # Monitor rounds to six digits
        assert ours["episode"]["r"] == pytest.approx(theirs["episode"]["r"], abs=1e-5)
        assert ours["episode"]["l"] == theirs["episode"]["l"] == 4
        gap = np.abs(ours["terminal_observation"] - theirs["terminal_observation"]).max()
        assert gap < 1e-6
    batch.close()
    single.close()


def test_sb3_checks_every_task():
    for task in octoworld.list_tasks():
        env = octoworld.make(task)
        check_env(env, warn=False, skip_render_check=True)
        env.close()


@pytest.mark.parametrize("algorithm", [PPO, SAC])
def test_algorithms_learn_from_images_and_state(algorithm: Any):
    env = Sb3VecEnv(Counter(2, images=True, output="torch"))
    # without this the CNN's first pass asks for every thread of the machine
    torch.set_num_threads(1)
    short: dict[str, Any] = (
        {"n_steps": 4, "batch_size": 8} if algorithm is PPO else {"buffer_size": 64}
    )
    if algorithm is SAC:
        short |= {"learning_starts": 4, "batch_size": 8}
    extractor = {"features_extractor_kwargs": {"cnn_output_dim": 8}, "net_arch": [8]}
    model = algorithm("MultiInputPolicy", env, policy_kwargs=extractor, seed=0, **short)
    before = [p.detach().clone() for p in model.policy.parameters()]
    model.learn(24)
    changed = [
        not torch.equal(a, b) for a, b in zip(before, model.policy.parameters(), strict=True)
    ]
    assert any(changed)
    mean: Any
    mean, _ = evaluate_policy(model, env, n_eval_episodes=4, warn=True)
    assert 6.0 <= mean <= 15.0  # the returns of an episode of 3 and of 5 steps
