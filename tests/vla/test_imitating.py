"""What every policy that learns from demonstrations keeps: it sees, listens, saves, repeats."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from octoworld.core.errors import CheckpointError, ConfigError, DatasetError
from octoworld.core.io import read_json
from octoworld.core.rng import torch_generator
from vla.checkpoint import load_policy
from vla.dataset import build_dataset
from vla.policy import Policy
from vla.sft import make_policy, sft_loss, train_sft
from vla.vision_policy import VisionPolicy

from .seeing import ACT, DIFFUSION, MODELS, episodes, make_episode, observations, quick

TEXTS = ["go there", "go away", "go there"]
every_policy = pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
REMEMBERING = {
    "act": replace(ACT, temporal_ensemble=True),
    "diffusion": replace(DIFFUSION, n_obs_steps=2),
}


def untrained(model, demos=None) -> VisionPolicy:
    demos = demos or episodes()
    data = build_dataset(demos, model.horizon, model.cameras)
    policy = make_policy(demos, data, model, seed=0).eval()
    with torch.no_grad():  # heads begin near zero, where nothing that is seen shows
        for name, weights in policy.named_parameters():
            if name.startswith("mean_head"):
                weights.mul_(30)
    return policy


def some(rows):
    return {name: values[rows] for name, values in observations(episodes()).items()}


def raw_actions(policy, obs, texts) -> torch.Tensor:
    raw = policy.act(obs, texts).raw_actions
    assert raw is not None
    return raw


@pytest.mark.slow
@every_policy
def test_learns_to_see_and_to_listen(model, tmp_path):
    """Places are shared by both signs: deaf, the best L1 is the mean |action|; blind, as bad."""
    changes = {"chunk_size": 1} | ({"prediction_horizon": 2} if model is DIFFUSION else {})
    steps = 220 if model is DIFFUSION else 500
    config = quick(replace(model, **changes), steps)
    fit = replace(
        config.fit, learning_rate=1e-3, batch_size=32, log_every=50, checkpoint_every=steps
    )
    demos = episodes()
    policy = train_sft(demos, replace(config, fit=fit), tmp_path, seed=0)
    truth = torch.from_numpy(np.concatenate([d["action"] for d in demos]))
    obs = observations(demos)
    texts = [d.instruction for d in demos for _ in range(40)]
    deaf_optimum = float(truth.abs().mean())

    def error(obs, texts):
        return float((policy.act(obs, texts).actions[:, 0] - truth).abs().mean())

    # how far it gets in these few steps depends on the machine's rounding
    assert error(obs, texts) < 0.5 * deaf_optimum
    assert error(obs, texts[::-1]) > deaf_optimum
    blind = obs | {"observation.images.front": torch.full((80, 32, 32, 3), 90, dtype=torch.uint8)}
    assert error(blind, texts) > 0.75 * deaf_optimum
    fresh = make_episode(1, 7)
    unseen = {k: torch.from_numpy(fresh[k]) for k in obs}
    guess = policy.act(unseen, ["go there"] * 40).actions[:, 0]
    assert float((guess - torch.from_numpy(fresh["action"])).abs().mean()) < 0.5 * deaf_optimum


@every_policy
def test_is_a_policy_of_moderate_size_with_its_shapes(model):
    policy = untrained(model)
    assert isinstance(policy, Policy)
    chunk = policy.act(some([0, 1, 2]), TEXTS)
    assert chunk.actions.shape == (3, policy.chunk_size, 2) and chunk.log_prob is None
    assert chunk.actions.abs().max() <= 1
    assert torch.equal(chunk.actions, policy.act(some([0, 1, 2]), TEXTS).actions)
    full = type(model)(state_dim=3, action_dim=2, cameras=("front", "wrist"))
    count = sum(p.numel() for p in type(policy)(full, policy.processor).parameters())
    assert 2_000_000 <= count <= 5_000_000


@every_policy
def test_what_is_drawn_is_a_function_of_the_generator(model):
    policy = untrained(model)

    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        raw = policy.act(some([0, 1, 2]), TEXTS, temperature=1.0, generator=generator).raw_actions
        assert raw is not None
        return raw

    torch.manual_seed(0)
    first = draw(3)
    torch.manual_seed(1)
    assert torch.equal(first, draw(3)) and not torch.equal(first, draw(4))


@every_policy
def test_rows_do_not_depend_on_their_neighbours(model):
    policy = untrained(model)
    together = policy.act(some([0, 1, 2]), TEXTS).actions
    alone = policy.act(some([1]), TEXTS[1:2]).actions
    torch.testing.assert_close(together[1:2], alone)
    assert not torch.allclose(together[0], together[2])


@every_policy
def test_save_and_load_act_the_same_to_the_bit(model, tmp_path):
    policy = untrained(model)
    policy.save_pretrained(tmp_path)
    loaded = load_policy(tmp_path, robot="panda", control_mode="ee_delta_pos")
    assert isinstance(loaded, VisionPolicy)
    assert type(loaded) is type(policy) and loaded.config == policy.config
    assert read_json(tmp_path / "config.json")["type"] == policy.kind
    for temperature in (0.0, 1.0):
        before, after = (
            p.act(
                some([0, 1, 2]), TEXTS, temperature=temperature, generator=torch_generator(0)
            ).actions
            for p in (policy, loaded)
        )
        assert torch.equal(before, after)


@every_policy
def test_imitation_reaches_every_weight(model):
    model = REMEMBERING.get(next(k for k, v in MODELS.items() if v is model), model)
    policy = untrained(model)
    data = build_dataset(episodes(), model.horizon)
    sft_loss(policy, data, torch.arange(3, 60), torch_generator(0), quick(model))["loss"].backward()
    silent = [n for n, p in policy.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


@every_policy
def test_actions_past_the_end_have_no_influence(model):
    data = build_dataset(episodes(), model.horizon)
    policy = untrained(model)
    rows = torch.tensor([38, 39, 79])
    garbage = replace(data, actions=data.actions.masked_fill(~data.mask.unsqueeze(-1), 7.0))
    losses = [
        sft_loss(policy, d, rows, torch_generator(0), quick(model))["loss"] for d in (data, garbage)
    ]
    assert torch.equal(losses[0], losses[1])


@pytest.mark.parametrize("kind", REMEMBERING)
def test_a_world_that_is_reset_acts_as_a_new_one(kind):
    """World 1 begins anew after two calls; the others go on as if nothing had happened."""
    model = REMEMBERING[kind]
    seen = [[0, 1, 2], [3, 4, 5], [6, 7, 8]]

    def run(reset_at=None, mask=None):
        policy = untrained(model)
        actions = []
        for step, rows in enumerate(seen):
            if step == reset_at:
                policy.reset(mask)
            with torch.inference_mode():
                actions.append(raw_actions(policy, some(rows), TEXTS))
        return torch.stack(actions)

    whole, partial = run(), run(2, torch.tensor([False, True, False]))
    new = raw_actions(untrained(model), some([7]), TEXTS[1:2])
    assert torch.equal(partial[:2], whole[:2])
    assert torch.equal(partial[2, [0, 2]], whole[2, [0, 2]])
    torch.testing.assert_close(partial[2, 1:2], new)
    assert not torch.allclose(whole[2, 1:2], new)
    torch.testing.assert_close(run(2)[2], raw_actions(untrained(model), some(seen[2]), TEXTS))


@pytest.mark.parametrize("kind", REMEMBERING)
def test_another_number_of_worlds_needs_a_reset(kind):
    policy = untrained(REMEMBERING[kind])
    policy.reset(torch.tensor([True]))  # nothing is remembered yet
    policy.act(some([0, 1, 2]), TEXTS)
    with pytest.raises(ConfigError, match=r"1 worlds, but the policy remembers 3: call reset\(\)"):
        policy.act(some([0]), TEXTS[:1])
    with pytest.raises(ConfigError, match="2 worlds"):
        policy.reset(torch.tensor([True, False]))
    policy.reset()
    policy.act(some([0]), TEXTS[:1])


@every_policy
def test_bad_input(model, tmp_path):
    policy = untrained(model)
    with pytest.raises(CheckpointError, match=r"no 'observation\.images\.front'"):
        policy.act({"observation.state": torch.zeros(1, 3)}, ["go there"])
    with pytest.raises(CheckpointError, match=r"observation.state: .*\(1, 3\), got \(1, 5\)"):
        policy.act(some([0]) | {"observation.state": torch.zeros(1, 5)}, ["go there"])
    blind = quick(replace(model, cameras=("front", "wrist")))
    with pytest.raises(DatasetError, match=r"no column 'observation\.images\.wrist'"):
        train_sft(episodes(), blind, tmp_path, seed=0)
    longer = episodes(actions=3)
    with pytest.raises(DatasetError, match="action_dim 2, the episodes have 3"):
        train_sft(longer, quick(model), tmp_path, seed=0, initial=policy)
    with pytest.raises(DatasetError, match="action_dim 2, the episodes are of 3"):
        train_sft(longer, quick(replace(model, action_dim=2)), tmp_path, seed=0)


@every_policy
def test_goes_on_from_a_policy(model, tmp_path):
    initial = untrained(model)
    policy = train_sft(episodes(), quick(model), tmp_path, seed=0, initial=initial)
    assert type(policy) is type(initial)
    assert not torch.equal(policy.text.words.weight, initial.text.words.weight)  # type: ignore[union-attr]
