"""WorldModelEnv keeps the VecEnv contract in imagination."""

import dataclasses

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from octoworld.core.errors import ActionError, ConfigError
from worldmodels.autoencoder import FrameAutoencoder
from worldmodels.env import ImaginationConfig, WorldModelEnv
from worldmodels.starts import StartConfig

IMAGE, STATE = "observation.images.front", "observation.state"


def _env(trained, reflector, num_envs=4, mode=AutoresetMode.DISABLED, **config):
    return WorldModelEnv(
        trained["model"],
        reflector,
        trained["held_out"],
        num_envs,
        dataclasses.replace(ImaginationConfig(horizon=10), **config),
        autoreset_mode=mode,
    )


@pytest.fixture
def never(reflector):
    """The reflector with a threshold that is never reached, so that only the clock ends."""
    kept = float(reflector.threshold)
    reflector.threshold.fill_(2.0)
    yield reflector
    reflector.threshold.fill_(kept)


def test_reset_shows_recorded_frames(trained, reflector):
    env = _env(trained, reflector, 3)
    data = trained["held_out"]
    obs, _ = env.reset(seed=0, options={"start": [(0, 0), (1, 5), (2, 9)]})
    assert env.observation_space.contains(obs)
    for world, (episode, time) in enumerate([(0, 0), (1, 5), (2, 9)]):
        row = data.starts[episode] + time
        assert np.array_equal(obs[IMAGE][world], data.frames["front"][row].numpy())
        assert np.array_equal(obs[STATE][world], data.proprio[row].numpy())
        assert env.instructions[world] == data.instruction(episode)


def test_equal_seeds_start_equal_groups(trained, reflector):
    env = _env(trained, reflector, 6, starts=StartConfig(middle_share=0.5))
    env.reset(seed=[7, 7, 7, 8, 8, 8])
    rows = env.start_rows
    assert (rows[:3] == rows[0]).all()
    assert (rows[3:] == rows[3]).all()
    starts = {env._sampler.draw(s) for s in range(50)}
    assert any(t > 0 for _, t in starts)
    assert any(t == 0 for _, t in starts)
    data = trained["held_out"]
    assert not any(data.success[data.starts[e] + t] for e, t in starts)


def test_chunk_contract_and_truncation(trained, never):
    env = _env(trained, never)
    env.reset(seed=0)
    actions = np.zeros((4, 4, 2), np.float32)
    results = [env.step_chunk(actions) for _ in range(3)]
    for result in results:
        assert result.rewards.shape == result.alive.shape == (4, 4)
        assert env.observation_space.contains(result.obs)
        assert len(result.observations) == 4
        assert env.observation_space.contains(result.observations[1])
    assert not results[1].truncated.any()
    assert results[2].truncated[:, 1:].all()  # the tenth step is the clock's
    assert not results[2].truncated[:, 0].any()
    assert results[2].alive.tolist() == [[True, True, False, False]] * 4
    # the value of the last state, once
    assert (results[2].rewards[:, 1] > 0).all()
    assert results[2].rewards[:, [0, 2, 3]].sum() == 0
    assert env.true_steps == env.true_episodes == 0


def test_a_chunk_equals_single_steps_in_shape_and_clock(trained, never):
    env = _env(trained, never)
    env.reset(seed=0)
    for _ in range(9):
        _, _, terminated, truncated, infos = env.step(np.zeros((4, 2), np.float32))
        assert not truncated.any()
        assert not terminated.any()
    obs, reward, _, truncated, infos = env.step(np.zeros((4, 2), np.float32))
    assert truncated.all()
    np.testing.assert_allclose(reward, infos["success_probability"])
    assert obs[IMAGE].dtype == np.uint8


def test_stop_terminates_and_pays_the_probability(trained, reflector):
    env = _env(trained, reflector)
    kept = float(reflector.threshold)
    reflector.threshold.fill_(-1.0)  # every step counts, so the second one stops
    try:
        env.reset(seed=0)
        result = env.step_chunk(np.zeros((4, 4, 2), np.float32))
    finally:
        reflector.threshold.fill_(kept)
    assert result.terminated.tolist() == [[False, True, True, True]] * 4
    assert not result.truncated.any()
    assert result.alive.tolist() == [[True, True, False, False]] * 4
    assert (result.rewards[:, 1] == result.infos[1]["success_probability"]).all()
    assert result.infos[3]["success"].all()
    assert np.array_equal(result.obs[IMAGE], result.observations[1][IMAGE])


def test_same_seed_same_dream_and_autoreset(trained, never):
    env = _env(trained, never, mode=AutoresetMode.SAME_STEP, horizon=3)
    seen = []
    for _ in range(2):
        env.reset(seed=5)
        for _ in range(3):
            obs, *_, infos = env.step(np.full((4, 2), 0.5, np.float32))
        seen.append((obs[IMAGE], infos["final_obs"][IMAGE]))
    assert np.array_equal(seen[0][0], seen[1][0])
    assert np.array_equal(seen[0][1], seen[1][1])
    assert (env.progress_buf == 0).all()


def test_frames_are_drawn_in_as_many_steps_as_asked(trained, never, dreamer):
    def dream(steps: int):
        env = _env(trained, never, sampling_steps=steps)
        env.reset(seed=5)
        return env.step_chunk(np.full((4, 4, 2), 0.5, np.float32)).obs[IMAGE]

    own = trained["model"].settings.sampling_steps
    assert own != 1
    assert np.array_equal(dream(0), dream(own))
    assert not np.array_equal(dream(0), dream(1))
    with pytest.raises(ConfigError, match="AutoregressiveWorldModel draws in no such steps"):
        _env(dreamer, never, sampling_steps=1)


def test_partial_reset_leaves_the_others(trained, never):
    env = _env(trained, never)
    env.reset(seed=0)
    result = env.step_chunk(np.ones((4, 4, 2), np.float32))
    mask = np.array([True, False, False, False])
    obs, _ = env.reset(options={"reset_mask": mask})
    assert np.array_equal(obs[IMAGE][1:], result.obs[IMAGE][1:])
    assert env.progress_buf.tolist() == [0, 4, 4, 4]


def test_export_of_imagined_episodes(trained, never):
    env = _env(trained, never, record=True)
    env.reset(seed=0)
    for _ in range(3):
        env.step_chunk(np.zeros((4, 4, 2), np.float32))
    episodes = env.to_episodes()
    assert [len(e) for e in episodes] == [10] * 4
    assert episodes[0][IMAGE].shape == (10, 32, 32, 3)
    assert episodes[0].info["source"] == "imagination"
    assert episodes[0]["next.done"].tolist() == [False] * 9 + [True]
    assert env.to_episodes() == []


def test_mistakes_are_named(trained, reflector):
    env = _env(trained, reflector)
    with pytest.raises(ConfigError, match="reset"):
        env.step_chunk(np.zeros((4, 4, 2), np.float32))
    env.reset(seed=0)
    with pytest.raises(ActionError):
        env.step_chunk(np.zeros((4, 4, 3), np.float32))
    with pytest.raises(ActionError, match="world 2"):
        bad = np.zeros((4, 4, 2), np.float32)
        bad[2, 1] = np.nan
        env.step_chunk(bad)
    with pytest.raises(ConfigError, match="episode 99"):
        env.reset(options={"start": [(99, 0)] * 4})
    other = FrameAutoencoder(dict(trained["autoencoder"].config["autoencoder_config"]))
    mixed = trained["model"].autoencoder
    trained["model"].autoencoder = other
    try:
        with pytest.raises(ConfigError, match="latents"):
            _env(trained, reflector)
    finally:
        trained["model"].autoencoder = mixed


def test_torch_output(trained, reflector):
    env = WorldModelEnv(
        trained["model"], reflector, trained["held_out"], 2, ImaginationConfig(horizon=4),
        autoreset_mode=AutoresetMode.DISABLED, output="torch",
    )  # fmt: skip
    env.reset(seed=0)
    result = env.step_chunk(torch.zeros(2, 4, 2))
    assert isinstance(result.obs[IMAGE], torch.Tensor)
    assert isinstance(result.rewards, torch.Tensor)
