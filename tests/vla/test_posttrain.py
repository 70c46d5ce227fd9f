"""Post-training of a small policy that sees pixels: it improves, resumes, freezes, is checked."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from octoworld.core.errors import ConfigError
from octoworld.core.fit import FitConfig
from octoworld.data.episode import Episode
from octoworld.rl import Evaluate, TrainerConfig, evaluate
from sim.vec_env import VecEnv
from vla.act import ActConfig
from vla.posttrain import PosttrainConfig, posttrain
from vla.sft import SftConfig, train_sft
from vla.tiny import TinyConfig, TinyPolicy

SIZE = 16
MODEL = TinyConfig(
    image_size=SIZE, chunk_size=2, width=32, depth=2, heads=2, text_width=16, text_depth=1,
    stem_channels=8, num_keypoints=4, keypoint_tokens=2, max_words=4,
)  # fmt: skip
TEST_STARTS = range(500_000, 500_064)


class LineEnv(VecEnv):
    """A white dot on a line must come to the red mark; it sees pixels and where the dot is."""

    def __init__(self, num_envs, max_steps=8):
        image = gymnasium.spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8)
        state = gymnasium.spaces.Box(-2, 2, (2,), np.float32)
        super().__init__(
            num_envs=num_envs,
            single_observation_space=gymnasium.spaces.Dict(
                {"observation.images.front": image, "observation.state": state}
            ),
            single_action_space=gymnasium.spaces.Box(-1, 1, (2,), np.float32),
            max_episode_length=max_steps,
            fps=10,
            autoreset_mode=AutoresetMode.DISABLED,
        )
        self.position, self.target = np.zeros((2, num_envs), np.float32)

    def _reset(self, mask, seeds):
        for i in np.flatnonzero(mask):
            self.position[i], self.target[i] = np.random.default_rng(seeds[i]).uniform(-0.8, 0.8, 2)
            self.instructions[i] = "go to the red mark"

    def _step(self, actions):
        self.position = self.position + 0.3 * actions[:, 0]
        success = np.abs(self.target - self.position) < 0.07
        return {"success": success}, success.astype(np.float32), success

    def _observe(self):
        pixels = np.zeros((self.num_envs, SIZE, SIZE, 3), np.uint8)
        columns = np.arange(SIZE)
        for values, rows, color in (
            (self.target, slice(0, 8), (255, 0, 0)),
            (self.position, slice(8, 16), (255, 255, 255)),
        ):
            at = (values[:, None] + 1) / 2 * (SIZE - 1)
            shade = np.clip(1.5 - np.abs(columns - at), 0, 1)
            pixels[:, rows] = (shade[:, None, :, None] * np.array(color)).astype(np.uint8)
        state = np.stack([self.position, np.zeros_like(self.position)], 1)
        return {"observation.images.front": pixels, "observation.state": state}


def _demonstrations(number=12):
    env = LineEnv(number)
    obs, _ = env.reset(seed=900_000)
    rows = []
    for _ in range(6):
        action = np.zeros((number, 2), np.float32)
        # a timid expert: it leaves room for improvement
        action[:, 0] = np.clip((env.target - env.position) / 0.6, -1, 1)
        seen = obs
        obs, reward, *_, info = env.step(action)
        rows.append(
            seen | {"action": action, "next.reward": reward, "next.success": info["success"]}
        )
    return [
        Episode({k: np.stack([r[k][i] for r in rows]) for k in rows[0]}, "go to the red mark", 10)
        for i in range(number)
    ]


@pytest.fixture(scope="module")
def demonstrations():
    return _demonstrations()


@pytest.fixture(scope="module")
def tuned(demonstrations, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sft")
    config = SftConfig(model=MODEL, fit=FitConfig(steps=80, batch_size=32, learning_rate=2e-3))
    train_sft(demonstrations, config, folder, seed=0)
    return folder / "policy"


RL = TrainerConfig(
    iterations=2, group_size=4, num_groups=8, max_groups=8, horizon=4, learning_rate=1e-3,
    temperature=2.0, final_temperature=2.0,
    returns="success", discount=0.9, min_group_std=0.01, anchor_weight=0.05,
)  # fmt: skip


def _weights(policy):
    return torch.cat([v.flatten().float() for v in policy.state_dict().values()])


@pytest.mark.slow
def test_it_improves_on_imitation(tuned, demonstrations, tmp_path):
    policy = TinyPolicy.from_pretrained(tuned)
    env = LineEnv(64)
    before = evaluate(env, policy, TEST_STARTS, horizon=4)
    config = PosttrainConfig(
        rl=replace(RL, iterations=25, group_size=8, num_groups=16, max_groups=16),
        frozen=(),
        anchor_batch_size=16,
    )
    history = posttrain(policy, LineEnv(128), demonstrations, config, tmp_path, seed=1)
    after = evaluate(env, policy, TEST_STARTS, horizon=4)
    assert before.success_rate < 0.5
    assert after.success_rate > before.success_rate + 0.3, (
        before.success_rate,
        after.success_rate,
    )
    assert "rl/anchor_loss" in history[0]
    assert torch.equal(_weights(TinyPolicy.from_pretrained(tmp_path / "policy")), _weights(policy))


def test_with_a_fixed_scale_the_mean_alone_learns(tuned, demonstrations, tmp_path):
    policy = TinyPolicy.from_pretrained(tuned)
    obs, _ = LineEnv(4).reset(seed=0)
    seen = {k: torch.as_tensor(v) for k, v in obs.items()}
    before = policy.distribution(seen, ["go to the red mark"] * 4)
    config = PosttrainConfig(rl=RL, frozen=(), fixed_scale=0.2, anchor_batch_size=16)
    posttrain(policy, LineEnv(32), demonstrations, config, tmp_path, seed=1)
    after = policy.distribution(seen, ["go to the red mark"] * 4)
    assert not torch.equal(after.mean, before.mean)
    torch.testing.assert_close(after.scale, torch.full_like(after.scale, 0.2))
    assert before.scale.std() > 0
    with pytest.raises(ConfigError, match=r"scale 0.9: expected inside scale_range \(0.05, 0.5\)"):
        posttrain(policy, LineEnv(32), [], replace(config, fixed_scale=0.9), tmp_path / "b", 1)


def test_it_resumes_to_the_same_bits(tuned, demonstrations, tmp_path):
    class Stop(Evaluate):
        def on_rollouts(self, state, rollouts):
            if state.iteration == 1:
                raise KeyboardInterrupt
            return rollouts

    whole, again = TinyPolicy.from_pretrained(tuned), TinyPolicy.from_pretrained(tuned)
    posttrain(whole, LineEnv(32), demonstrations, PosttrainConfig(rl=RL), tmp_path / "a", seed=1)
    hooks = [Stop(LineEnv(4), [1], horizon=1)]
    with pytest.raises(KeyboardInterrupt):
        posttrain(
            TinyPolicy.from_pretrained(tuned), LineEnv(32), demonstrations, PosttrainConfig(rl=RL),
            tmp_path / "b", seed=1, hooks=hooks,
        )  # fmt: skip
    posttrain(again, LineEnv(32), demonstrations, PosttrainConfig(rl=RL), tmp_path / "b", seed=1)
    assert torch.equal(_weights(whole), _weights(again))
    assert not torch.equal(_weights(whole), _weights(TinyPolicy.from_pretrained(tuned)))


def test_frozen_parts_stay_and_are_free_again(tuned, demonstrations, tmp_path):
    policy, before = TinyPolicy.from_pretrained(tuned), TinyPolicy.from_pretrained(tuned)
    posttrain(policy, LineEnv(32), demonstrations, PosttrainConfig(rl=RL), tmp_path, seed=1)
    for (name, now), old in zip(policy.named_parameters(), before.parameters(), strict=True):
        assert now.requires_grad, name
        if name.startswith(("text.", "stem.")):
            assert torch.equal(now, old), name
    assert not torch.equal(policy.mean_head.weight, before.mean_head.weight)


def test_reference_and_no_anchor(tuned, tmp_path):
    config = PosttrainConfig(rl=replace(RL, kl_weight=0.1))
    history = posttrain(
        TinyPolicy.from_pretrained(tuned), LineEnv(32), [], config, tmp_path, seed=1
    )
    assert "rl/anchor_loss" not in history[0]
    assert history[0]["rl/reference_kl"] >= 0


@pytest.mark.parametrize(("parts", "message"), [(("txt",), "no part 'txt'"), (None, "nothing to")])
def test_wrong_parts_are_named(tuned, tmp_path, parts, message):
    policy = TinyPolicy.from_pretrained(tuned)
    if parts is None:
        parts = tuple({name.split(".")[0] for name, _ in policy.named_parameters()})
    with pytest.raises(ConfigError, match=message):
        posttrain(policy, LineEnv(32), [], PosttrainConfig(rl=RL, frozen=parts), tmp_path, seed=1)


def test_observations_changed_in_place_are_caught(tuned, tmp_path):
    class Flicker(Evaluate):
        def on_rollouts(self, state, rollouts):
            rollouts.obs["observation.images.front"] += 40
            return rollouts

    hooks = [Flicker(LineEnv(4), [1], horizon=1)]
    with pytest.raises(ConfigError, match="ratio is off 1"):
        posttrain(
            TinyPolicy.from_pretrained(tuned), LineEnv(32), [], PosttrainConfig(rl=RL),
            tmp_path, seed=1, hooks=hooks,
        )  # fmt: skip


def test_act_is_post_trained_as_tiny_is(demonstrations, tmp_path):
    model = ActConfig(
        image_size=SIZE, chunk_size=2, width=32, heads=2, text_width=16, text_depth=1, max_words=4,
        encoder_depth=1, latent_depth=1, latent_dim=2, channels=(8, 16),
    )  # fmt: skip
    config = SftConfig(model=model, fit=FitConfig(steps=80, batch_size=32, learning_rate=2e-3))
    policy = train_sft(demonstrations, config, tmp_path / "sft", seed=0)
    before = _weights(policy)
    history = posttrain(
        policy, LineEnv(32), demonstrations, PosttrainConfig(rl=RL), tmp_path / "rl", seed=1
    )
    assert len(history) == 2 and "rl/anchor_loss" in history[0]
    assert not torch.equal(_weights(policy), before)
    with pytest.raises(ConfigError, match="act policy has no features for a critic"):
        ppo = PosttrainConfig(rl=replace(RL, estimator="gae"))
        posttrain(policy, LineEnv(32), demonstrations, ppo, tmp_path / "ppo", seed=1)


def test_a_critic_sees_what_the_policy_sees(tuned, demonstrations, tmp_path):
    policy = TinyPolicy.from_pretrained(tuned)
    obs, _ = LineEnv(4).reset(seed=0)
    seen = {k: torch.as_tensor(v) for k, v in obs.items()}
    features = policy.value_features(seen, ["go to the red mark"] * 4)
    assert features.shape == (4, policy.num_value_features) and not features.requires_grad
    config = PosttrainConfig(rl=replace(RL, estimator="gae"), anchor_batch_size=16)
    before = _weights(policy)
    history = posttrain(policy, LineEnv(32), demonstrations, config, tmp_path, seed=1)
    assert "rl/explained_variance" in history[0] and not torch.equal(_weights(policy), before)
