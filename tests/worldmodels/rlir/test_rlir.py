"""RLIR raises the reward of what is imagined; a data term holds the model to its recordings."""

import copy
from dataclasses import replace

import pytest
import torch

from octoworld.core.errors import ConfigError, DatasetError
from octoworld.rl import TrainerConfig, collect
from worldmodels.flow.chain import ChainConfig
from worldmodels.rlir import (
    ClipEnv,
    Dreamer,
    FlowSampler,
    PromptConfig,
    RlirConfig,
    Video,
    rlir,
)

SHORT = RlirConfig(
    rl=TrainerConfig(
        iterations=8, group_size=8, num_groups=8, max_groups=8, returns="sum", credit="decision",
        estimator="grpo", min_group_std=0.0, learning_rate=1e-3, epochs=1, minibatch_size=64,
        anchor_weight=0.0, warmup_iterations=1,
    ),
    prompts=PromptConfig(chunks=2),
)  # fmt: skip


def redness(video: Video) -> torch.Tensor:
    """More red than green, frame by frame."""
    new = video.frames["front"][:, 1:].float() / 255
    return (new[..., 0] - new[..., 1]).mean((2, 3))


@pytest.fixture
def sampler(trained):
    return FlowSampler(copy.deepcopy(trained["model"]), ChainConfig(steps=2, fresh=1.0, floor=0.1))


def test_equal_seeds_are_one_prompt_and_foreign_actions_come_from_elsewhere(sampler, trained):
    data = trained["dataset"]
    env = ClipEnv(sampler, data, redness, 6, PromptConfig(chunks=2, foreign_share=0.5))
    obs, _ = env.reset(seed=[1, 1, 2, 3, 4, 5])
    assert torch.equal(obs["history.0"][0], obs["history.0"][1])
    assert not torch.equal(obs["history.0"][0], obs["history.0"][2])
    recorded = data.actions[env._rows[:, :4]]
    same = [torch.equal(a, b) for a, b in zip(obs["actions"], recorded, strict=True)]
    assert same == env._own.tolist() and len(set(same)) == 2


def test_rewards_see_the_frame_before_and_the_frames_of_each_chunk(sampler, trained):
    seen: list[Video] = []

    def reward(video: Video) -> torch.Tensor:
        seen.append(video)
        return redness(video)

    env = ClipEnv(sampler, trained["dataset"], reward, 8, PromptConfig(chunks=2))
    rollouts = collect(
        env, Dreamer(sampler), [3, 7], group_size=4, horizon=2, temperature=1.0,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    assert rollouts.rewards.shape == (2, 8, 4) and bool(rollouts.alive.all())
    first, second = (v.frames["front"] for v in seen)
    assert torch.equal(first[:, -1], second[:, 0])
    recorded = trained["dataset"].frames["front"][seen[0].prompt[:, 0]]
    assert torch.equal(first[:, 0], recorded)
    assert torch.equal(first[0, 0], first[3, 0]) and not torch.equal(first[0, 1], first[3, 1])


def test_the_reward_rises_and_the_codec_stays(sampler, trained, tmp_path):
    before = {k: v.clone() for k, v in sampler.model.state_dict().items()}
    history = rlir(sampler, redness, trained["dataset"], SHORT, tmp_path, 0)
    returns = [row["rlir/return"] for row in history]
    assert sum(returns[-3:]) / 3 > sum(returns[:3]) / 3 + 0.02
    after = sampler.model.state_dict()
    for name, value in before.items():
        moved = not torch.equal(value, after[name])
        assert not (moved and name.split(".")[0] in sampler.frozen), name
    assert all(p.requires_grad for p in sampler.model.transformer.parameters())


def test_the_data_term_holds_the_model_to_recordings(trained, tmp_path):
    losses = {}
    for weight in (0.0, 3.0):
        sampler = FlowSampler(copy.deepcopy(trained["model"]), ChainConfig(steps=2, floor=0.1))
        config = replace(SHORT, rl=replace(SHORT.rl, anchor_weight=weight, iterations=5))
        rlir(sampler, redness, trained["dataset"], config, tmp_path / str(weight), 0)
        term = sampler.data_term(trained["held_out"], 64)
        with torch.no_grad():
            losses[weight] = float(term(torch.Generator().manual_seed(0)))
    assert losses[3.0] < losses[0.0]


def test_a_killed_run_goes_on_to_the_same_weights(trained, tmp_path):
    def weights(folder, iterations):
        sampler = FlowSampler(copy.deepcopy(trained["model"]), ChainConfig(steps=2))
        for total in iterations:
            config = replace(SHORT, rl=replace(SHORT.rl, iterations=total, final_learning_rate=1.0))
            sampler = FlowSampler(copy.deepcopy(trained["model"]), ChainConfig(steps=2))
            rlir(sampler, redness, trained["dataset"], config, folder, 0)
        return sampler.model.state_dict()

    whole, resumed = weights(tmp_path / "a", [3]), weights(tmp_path / "b", [1, 3])
    assert all(torch.equal(whole[k], resumed[k]) for k in whole)


def test_bad_settings_are_named(sampler, trained):
    with pytest.raises(DatasetError, match="no episode is longer than 80 steps"):
        ClipEnv(sampler, trained["dataset"], redness, 4, PromptConfig(chunks=20))
    with pytest.raises(ConfigError, match="foreign_share must be in"):
        PromptConfig(foreign_share=2.0)
    env = ClipEnv(sampler, trained["dataset"], redness, 4)
    with pytest.raises(ConfigError, match="expected 4 seeds, got 3"):
        env.reset(seed=[1, 2, 3])
