"""The autoregressive model: a policy over codes whose frames follow the actions."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

import octoworld
from octoworld.core.config import to_dict
from octoworld.core.errors import ActionError, CheckpointError, ConfigError
from octoworld.core.fit import FitConfig
from worldmodels.autoencoder import AutoencoderConfig, FrameAutoencoder
from worldmodels.autoregressive import (
    AutoregressiveConfig,
    AutoregressiveTrainConfig,
    AutoregressiveWorldModel,
    FrameTokenizer,
    TokenizerConfig,
    train_autoregressive,
)
from worldmodels.autoregressive.sampling import draw, log_softmax
from worldmodels.env import ImaginationConfig, WorldModelEnv
from worldmodels.metrics import action_following, rollout_report
from worldmodels.model import Clip
from worldmodels.replay import start_rows

IMAGE = "observation.images.front"


def _seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _start(dreamer, count=4, time=0):
    data, model = dreamer["held_out"], dreamer["model"]
    rows = start_rows(data, np.arange(count), np.full(count, time), model.context_length)
    actions = data.actions[data.windows(np.arange(count), np.full(count, time), 0, 3)]
    return model, model.start(data.clip(rows)), actions


def _untrained(cameras=("front",), objects=0, **config) -> AutoregressiveWorldModel:
    """Sizes that differ from the trained one's, weights that say something at random."""
    image = AutoencoderConfig(cameras=cameras, image_size=32, width=8, latent_channels=32)
    autoencoder = FrameAutoencoder(to_dict(image)).eval()
    torch.manual_seed(0)
    tokenizer = FrameTokenizer.build(autoencoder, TokenizerConfig(groups=2, levels=(5, 3)))
    settings = replace(AutoregressiveConfig(dim=32, layers=2, heads=2, cell_width=16), **config)
    model = AutoregressiveWorldModel.build(tokenizer, settings, 5, 3, objects).eval()
    with torch.no_grad():
        for parameter in model.transformer.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return model


def _history(model, count=2):
    steps = 1 + model.context_length
    cameras = model.cameras
    frames = {
        c: torch.randint(256, (count, steps, 32, 32, 3), dtype=torch.uint8, generator=_seeded())
        for c in cameras
    }
    proprio = torch.randn(count, steps, 5, generator=_seeded())
    return model.start(Clip(frames, proprio, torch.zeros(count, steps, 3)))


# -- a policy over codes ---------------------------------------------------------------------------


@pytest.mark.parametrize("together", [1, 2, 8])
@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, 0), (0.6, 5)])
def test_drawing_with_a_cache_equals_one_full_pass(together, temperature, top_k):
    model = _untrained(("front", "wrist"), objects=2, tokens_per_step=together)
    history, actions = _history(model), torch.randn(2, 4, 3, generator=_seeded())
    _, rollout = model.sample(history, actions, _seeded(1), temperature, top_k)
    assert rollout.tokens.shape == rollout.log_probs.shape == (2, 4, 8, 2)
    again = model.log_probs(history, actions, rollout.tokens, temperature, top_k)
    torch.testing.assert_close(again, rollout.log_probs, atol=1e-4, rtol=0)
    assert again.std() > 0.1


def test_log_probs_teach_the_transformer_alone(dreamer):
    model, history, actions = _start(dreamer)
    _, rollout = model.sample(history, actions, _seeded(), 1.0)
    model = copy.deepcopy(model).requires_grad_(True)
    logs = model.log_probs(history, actions, rollout.tokens, 1.0)
    torch.testing.assert_close(logs, rollout.log_probs, atol=1e-4, rtol=0)
    logs.sum().backward()
    taught = [n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()]
    assert {n.split(".")[0] for n in taught} == {"transformer"}
    assert len(taught) == len(list(model.transformer.parameters()))
    # a step uphill makes these codes likelier
    with torch.no_grad():
        for parameter in model.transformer.parameters():
            parameter.add_(1e-5 * parameter.grad)
    assert model.log_probs(history, actions, rollout.tokens, 1.0).sum() > logs.sum()


def test_codes_are_drawn_as_often_as_they_say():
    logits = torch.tensor([1.0, 0.0, -1.0, 2.0]).expand(20000, 4)
    uniform = torch.rand(20000, generator=_seeded())
    for temperature, top_k in ((1.0, 0), (0.5, 0), (1.0, 2)):
        codes, logs = draw(logits, uniform, temperature, top_k)
        chance = log_softmax(logits[:1], temperature, top_k).exp()[0]
        assert int((chance > 0).sum()) == (top_k or 4)
        share = torch.bincount(codes, minlength=4) / len(codes)
        torch.testing.assert_close(share, chance, atol=0.02, rtol=0)
        torch.testing.assert_close(logs.exp(), chance[codes])
    edges = torch.tensor([0.0, 1.0])
    assert draw(logits[:2], edges, 1.0, 2)[0].tolist() == [0, 3]


def test_a_world_does_not_depend_on_those_behind_it(dreamer):
    model, history, actions = _start(dreamer)
    _, four = model.sample(history, actions, _seeded(), 1.0)
    first = torch.tensor([0, 1])
    _, two = model.sample(history.select(first), actions[:2], _seeded(), 1.0)
    assert torch.equal(four.tokens[:2], two.tokens)


# -- imagination -----------------------------------------------------------------------------------


def test_imagined_frames_follow_the_actions(dreamer):
    model, data = dreamer["model"], dreamer["held_out"]
    assert dreamer["metrics"]["autoregressive/accuracy"] > 0.5
    report = rollout_report(model, data, _seeded(), chunks=2, num_starts=48)
    assert report.latent_error[0] < 0.8 * report.still_latent_error[0]
    assert max(report.proprio_error[0]) < 0.03
    assert action_following(model, data, _seeded(), chunks=2, num_starts=48) > 0.85


def test_the_loss_of_raw_clips_falls_with_training(dreamer):
    data, model = dreamer["held_out"], dreamer["model"]
    clip = data.clip(data.windows(np.arange(8), np.full(8, 3), 2, 4))
    fresh = AutoregressiveWorldModel(**copy.deepcopy(dict(_arguments(model))))
    fresh.load_state_dict(
        {k: v for k, v in model.state_dict().items() if not k.startswith("transformer")},
        strict=False,
    )
    before, after = (float(m.loss(clip, _seeded())["tokens"].detach()) for m in (fresh, model))
    assert after < 0.7 * before


def _arguments(model) -> dict[str, Any]:
    return {k: v for k, v in model.config.items() if not k.startswith("_")}


def test_imagination_is_reproducible_and_decodes_what_is_asked(dreamer):
    model, history, actions = _start(dreamer)
    first, seen = model.imagine(history, actions, _seeded(3), temperature=1.0)
    second, again = model.imagine(history, actions, _seeded(3), "none", temperature=1.0)
    assert torch.equal(seen.latents, again.latents)
    assert torch.equal(first.tokens, second.tokens)
    assert seen.frames["front"].shape == (4, 4, 32, 32, 3)
    assert torch.equal(model.decode(seen.latents)["front"], seen.frames["front"])
    assert again.frames == {}
    _, other = model.imagine(history, actions, _seeded(4), "last", temperature=1.0)
    assert other.frames["front"].shape == (4, 1, 32, 32, 3)
    assert not torch.equal(other.latents, seen.latents)
    # no chance where only the likeliest code can be drawn
    _, sure = model.imagine(history, actions, _seeded(3), "none", top_k=1)
    _, same = model.imagine(history, actions, _seeded(4), "none", top_k=1)
    assert torch.equal(sure.latents, same.latents)
    # the first frame stays the anchor, the newest are the imagined ones
    assert torch.equal(first.tokens[:, 0], history.tokens[:, 0])
    torch.testing.assert_close(first.latents[:, 1:], seen.latents[:, -2:], atol=1e-5, rtol=0)
    kept = model.quantiser.latents(first.tokens)
    torch.testing.assert_close(kept, first.latents, atol=1e-4, rtol=0)


def test_later_actions_do_not_change_earlier_frames(dreamer):
    model, history, actions = _start(dreamer)
    changed = actions.clone()
    changed[:, -1] *= -1
    seen = [model.sample(history, a, _seeded(), 1.0)[1].tokens for a in (actions, changed)]
    assert torch.equal(seen[0][:, :3], seen[1][:, :3])
    assert not torch.equal(seen[0][:, 3], seen[1][:, 3])


def test_48_steps_of_its_own_stay_finite_and_show_pictures(dreamer):
    model, history, _ = _start(dreamer)
    actions = torch.rand(4, 48, 2, generator=_seeded()) * 2 - 1
    generator, spread = _seeded(), []
    for part in actions.split(model.max_chunk, 1):
        history, imagined = model.imagine(history, part, generator)
        assert all(torch.isfinite(x).all() for x in (imagined.latents, imagined.proprio))
        spread.append(float(imagined.frames["front"].float().std()))
    assert min(spread) > 0.5 * spread[0]


def test_one_observed_frame_is_enough(dreamer):
    data, model = dreamer["held_out"], dreamer["model"]
    frame = {"front": data.frames["front"][:1][None]}
    history = model.start(Clip(frame, data.proprio[:1][None], data.actions[:1][None]))
    assert history.tokens.shape[1] == 1 + model.context_length
    assert torch.equal(history.tokens[:, 0], history.tokens[:, -1])
    _, imagined = model.imagine(history, data.actions[None, :2], _seeded(), "none")
    assert imagined.latents.shape[1] == imagined.proprio.shape[1] == 2


def test_save_and_load_imagine_the_same(dreamer, tmp_path):
    model, history, actions = _start(dreamer)
    model.save_pretrained(str(tmp_path))
    again = octoworld.load_world_model(tmp_path)
    assert isinstance(again, AutoregressiveWorldModel)
    assert "autoregressive" in octoworld.list_world_models()
    a, b = (m.imagine(history, actions, _seeded())[1] for m in (model, again.eval()))
    assert torch.equal(a.frames["front"], b.frames["front"])


def test_environments_run_in_it_unchanged(dreamer, reflector):
    env = WorldModelEnv(
        dreamer["model"], reflector, dreamer["held_out"], 4,
        ImaginationConfig(horizon=6, record=True), autoreset_mode=AutoresetMode.DISABLED,
    )  # fmt: skip
    kept = float(reflector.threshold)
    reflector.threshold.fill_(2.0)  # only the clock ends
    try:
        seen = []
        for _ in range(2):
            env.reset(seed=5)
            results = [env.step_chunk(np.full((4, 4, 2), 0.5, np.float32)) for _ in range(2)]
            seen.append(results[1].obs[IMAGE])
        assert env.observation_space.contains(results[1].obs)
        assert env.observation_space.contains(results[0].observations[1])
        assert results[1].truncated[:, 1:].all()
        assert not results[0].truncated.any()
    finally:
        reflector.threshold.fill_(kept)
    assert np.array_equal(*seen)
    episodes = env.to_episodes()
    assert {len(e) for e in episodes} == {6}
    assert episodes[0][IMAGE].shape == (6, 32, 32, 3)


# -- training and mistakes -------------------------------------------------------------------------


def test_it_is_trained_further_on_its_own_tokenizer_only(dreamer, tokenizer, tmp_path):
    step = FitConfig(steps=2, batch_size=4, learning_rate=1e-3)
    config = AutoregressiveTrainConfig(fit=step, polish=step, state=step, eyes=step)
    before = dict(dreamer["model"].named_parameters())
    given: Any = {"seed": 0, "sight": dreamer["sight"], "initial": copy.deepcopy(dreamer["model"])}
    longer, _ = train_autoregressive(
        dreamer["dataset"], tokenizer, config, tmp_path / "further", **given
    )
    change = {n: float((p - before[n]).detach().abs().max()) for n, p in longer.named_parameters()}
    assert 0 < max(change.values()) < 0.05
    assert not any(v for n, v in change.items() if n.startswith(("quantiser", "autoencoder")))
    other = FrameTokenizer.build(dreamer["autoencoder"], tokenizer.settings)
    with pytest.raises(ConfigError, match="another tokenizer"):
        train_autoregressive(dreamer["dataset"], other, config, tmp_path / "other", **given)
    with pytest.raises(CheckpointError, match="on tokenizer"):
        train_autoregressive(dreamer["dataset"], other, config, tmp_path / "further", **given)


def test_precision_and_compilation_need_cuda(dreamer, tokenizer, tmp_path):
    for config, said in (
        (AutoregressiveTrainConfig(precision="bfloat16"), "bfloat16"),
        (AutoregressiveTrainConfig(compiled=True), "compiled"),
    ):
        with pytest.raises(ConfigError, match=said):
            train_autoregressive(dreamer["dataset"], tokenizer, config, tmp_path, seed=0)


def test_a_robot_without_known_objects_and_with_two_cameras():
    model = _untrained(("front", "wrist"))
    history = _history(model)
    _, imagined = model.imagine(history, torch.zeros(2, 3, 3), _seeded())
    assert {c: x.shape for c, x in imagined.frames.items()} == {
        c: (2, 3, 32, 32, 3) for c in model.cameras
    }
    assert imagined.proprio.shape == (2, 3, 5)
    assert imagined.objects is not None
    assert imagined.objects.shape == (2, 3, 0)


@pytest.mark.parametrize("shape", [(4, 5, 2), (4, 4, 3), (3, 4, 2)])
def test_wrong_actions_are_named(dreamer, shape):
    model, history, _ = _start(dreamer)
    with pytest.raises(ActionError, match=r"\(4, K, 2\)|K must be"):
        model.imagine(history, torch.zeros(shape), _seeded())


def test_mistakes_are_named(dreamer):
    model, history, actions = _start(dreamer)
    data = dreamer["held_out"]
    clip = data.clip(data.windows(np.arange(2), np.full(2, 3), 2, 4))
    with pytest.raises(ActionError, match="another robot"):
        model.loss(replace(clip, actions=torch.zeros(2, 7, 5)), _seeded())
    with pytest.raises(ConfigError, match="another robot"):
        model.start(replace(clip, proprio=torch.zeros(2, 7, 9)))
    with pytest.raises(ConfigError, match="32, 32"):
        model.start(replace(clip, frames={"front": torch.zeros(2, 7, 64, 64, 3).byte()}))
    with pytest.raises(ConfigError, match="at least one"):
        model.start_latents(torch.zeros(2, 0, 4, 16), torch.zeros(2, 0, 2))
    short = type(history)(*(x[:, :2] for x in history.tensors()))
    with pytest.raises(ConfigError, match="make it with `start`"):
        model.imagine(short, actions, _seeded())
    for how, said in (({"temperature": 0.0}, "top_k=1"), ({"top_k": -1}, "top_k")):
        with pytest.raises(ConfigError, match=said):
            model.sample(history, actions, _seeded(), **how)
    tokens = torch.zeros(4, 4, 4, 3, dtype=torch.long)
    with pytest.raises(ConfigError, match="another tokenizer"):
        model.log_probs(history, actions, tokens + 225)
    with pytest.raises(ConfigError, match="tokens must be"):
        model.log_probs(history, actions, tokens[..., :2])
    with pytest.raises(ConfigError, match="tokens_per_step 3"):
        _untrained(tokens_per_step=3)
