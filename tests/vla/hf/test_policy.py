"""Policies around tiny random models of several families keep the contract of policies."""

import itertools
from typing import Any

import pytest
import torch

from octoworld.core.errors import ActionError, CheckpointError, ConfigError
from vla.hf import HfPolicy
from vla.hf.tokens import action_tokens
from vla.policy import Policy

from .families import FAMILIES, NEED_TORCHVISION, TEXTS, observation, policy, seeded

EVERY = (*FAMILIES, *NEED_TORCHVISION)


@pytest.mark.parametrize("family", EVERY)
@pytest.mark.parametrize("head", ["tokens", "flow"])
def test_acts_seeded_and_row_by_row(family, head, model_of):
    made, obs = policy(model_of(family), head=head), observation()
    assert isinstance(made, Policy)
    chunks = [made.act(obs, TEXTS, temperature=1.0, generator=seeded(seed)) for seed in (3, 3, 4)]
    draws = [chunk.raw_actions for chunk in chunks if chunk.raw_actions is not None]
    assert draws[0].shape == (3, 2, 3)
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    greedy = made.act(obs, TEXTS)
    assert greedy.log_prob is None and greedy.actions.abs().max() <= 1
    alone = made.act({k: v[2:] for k, v in obs.items()}, TEXTS[2:]).actions
    torch.testing.assert_close(greedy.actions[2:], alone, atol=1e-4, rtol=1e-4)
    made.reset(torch.tensor([True, False, True]))


@pytest.mark.parametrize("family", EVERY)
def test_words_have_exactly_the_probability_they_are_drawn_with(family, model_of):
    """Said word by word from a cache, or read at once: the same numbers."""
    made, obs = policy(model_of(family)), observation()
    chunk = made.act(obs, TEXTS, temperature=1.5, generator=seeded())
    assert chunk.raw_actions is not None and chunk.log_prob is not None
    told = made.log_prob(obs, TEXTS, chunk.raw_actions, temperature=1.5)
    torch.testing.assert_close(told.detach(), chunk.log_prob, atol=1e-4, rtol=1e-4)
    assert chunk.log_prob.std() > 1e-3
    cold = made.log_prob(obs, TEXTS, chunk.raw_actions, temperature=1.0)
    assert not torch.allclose(cold, told)
    told.sum().backward()
    adapters = [p for n, p in made.named_parameters() if "lora_B" in n]
    assert adapters and all(p.grad is not None and p.grad.any() for p in adapters)


@pytest.mark.parametrize("family", FAMILIES)
def test_probability_against_brute_force(family, model_of):
    """Every chunk there is, each word's softmax taken by hand from a pass over the bare prompt."""
    made = policy(model_of(family), bins=3, chunk_size=1, cameras=("front",))
    obs, text = observation(1), ["go there"]
    chunks = torch.tensor(list(itertools.product(range(3), repeat=3)))
    raw = made.statistics.action_range.to_actions(chunks, 3)[:, None]
    many = {k: v.expand(27, *v.shape[1:]) for k, v in obs.items()}
    with torch.no_grad():
        log_prob = 3 * made.log_prob(many, text * 27, raw)
        torch.testing.assert_close(log_prob.exp().sum(), torch.tensor(1.0))
        inputs = made._inputs({"front": obs["observation.images.front"]}, torch.zeros(1, 3), text)
        images = {k: v for k, v in inputs.items() if k == "pixel_values"}
        for chunk, expected in list(zip(chunks, log_prob, strict=True))[::5]:
            total, ids = torch.zeros(()), inputs["input_ids"]
            types = inputs.get("token_type_ids")
            for bin_ in chunk:
                extra = {} if types is None else {"token_type_ids": types}
                logits = made.model(input_ids=ids, **images, **extra).logits[0, -1, made.words]
                total = total + logits.log_softmax(0)[bin_]
                ids = torch.cat([ids, made.words[bin_].view(1, 1)], dim=1)
                if types is not None:
                    types = torch.cat([types, torch.ones(1, 1, dtype=types.dtype)], dim=1)
            torch.testing.assert_close(total, expected, atol=1e-4, rtol=1e-4)


def test_frequencies_follow_the_probabilities(model_of):
    made = policy(model_of("llava"), bins=3, chunk_size=1, cameras=("front",))
    one = observation(1)
    obs = {k: v.expand(400, *v.shape[1:]) for k, v in one.items()}
    chunk = made.act(obs, ["go there"] * 400, temperature=2.0, generator=seeded())
    assert chunk.raw_actions is not None
    first = made.statistics.action_range.to_bins(chunk.raw_actions, 3)[:, 0, 0]
    share = torch.bincount(first, minlength=3) / 400
    every = torch.tensor(list(itertools.product(range(3), repeat=3)))
    raw = made.statistics.action_range.to_actions(every, 3)[:, None]
    many = {k: v.expand(27, *v.shape[1:]) for k, v in one.items()}
    with torch.no_grad():
        whole = (3 * made.log_prob(many, ["go there"] * 27, raw, temperature=2.0)).exp()
    expected = torch.stack([whole[every[:, 0] == b].sum() for b in range(3)])
    torch.testing.assert_close(share, expected, atol=0.1, rtol=0)


@pytest.mark.parametrize("head", ["tokens", "flow"])
def test_every_camera_and_the_instruction_matter(head, model_of):
    made, obs = policy(model_of("idefics3"), head=head), observation()

    def hidden(obs, texts):
        inputs = made._inputs(*made._read(obs, texts), texts)
        return made._hidden(inputs)[0][:, -1]

    same = hidden(obs, TEXTS[:1] * 3)
    for camera in ("front", "wrist"):
        name = f"observation.images.{camera}"
        changed = obs | {name: obs[name].flip(0)}
        assert (hidden(changed, TEXTS[:1] * 3) - same).abs().max() > 1e-3
    assert (hidden(obs, TEXTS[2:] * 3) - same).abs().max() > 1e-3
    # cameras are told apart
    swapped = {
        "observation.images.front": obs["observation.images.wrist"],
        "observation.images.wrist": obs["observation.images.front"],
    }
    assert (hidden(obs | swapped, TEXTS[:1] * 3) - same).abs().max() > 1e-3


def test_proprioception_is_felt(model_of):
    obs = observation()
    other = obs | {"observation.state": -obs["observation.state"]}
    flow = policy(model_of("llava"), head="flow")
    assert not torch.equal(flow.act(obs, TEXTS).actions, flow.act(other, TEXTS).actions)
    for prompt, feels in (("{state} What to {instruction}?", True), ("", False)):
        made = policy(model_of("llava"), prompt=prompt)
        raw = made.act(obs, TEXTS).raw_actions
        assert raw is not None
        same = torch.equal(made.log_prob(obs, TEXTS, raw), made.log_prob(other, TEXTS, raw))
        assert same != feels


def test_action_words_are_the_last_plain_ones(model_of):
    made = policy(model_of("paligemma"))
    words = made.processor.tokenizer.convert_ids_to_tokens(made.words.tolist())
    assert words == [f"rare{i}" for i in range(292, 300)]  # not <image>, not <loc0000>
    with pytest.raises(ConfigError, match="bins = 5000: the vocabulary has only"):
        action_tokens(made.processor, 5000, 10_000)


@pytest.mark.parametrize(
    ("changes", "trained"),
    [
        ({}, {"language_model": "lora"}),
        ({"lora_targets": ("q_proj", "v_proj")}, {"language_model": "lora"}),
        ({"tune": "full"}, {"language_model": "all", "lm_head": "all"}),
        ({"head": "flow", "tune": "frozen"}, {"expert": "all"}),
        ({"head": "flow"}, {"language_model": "lora", "expert": "all"}),
        (
            {"tune_vision": True},
            {"language_model": "lora", "vision_tower": "all", "multi_modal_projector": "all"},
        ),
    ],
)
def test_only_what_shall_be_is_trained(changes, trained, model_of):
    made = policy(model_of("llava"), **changes)
    for name, parameter in made.named_parameters():
        part = next((p for p in trained if f".{p}." in f".{name}"), None)
        wanted = part is not None and (trained[part] == "all" or ".lora_" in name)
        assert parameter.requires_grad == wanted, name
    adapters = [p for n, p in made.named_parameters() if ".lora_" in n]
    if changes == {"lora_targets": ("q_proj", "v_proj")}:
        # rank 16 on 32 -> 32 (queries) and 32 -> 16 (values), in each of two layers
        assert sum(p.numel() for p in adapters) == 2 * 16 * ((32 + 32) + (32 + 16))
    elif "lora" in trained.get("language_model", ""):
        # and on keys, output and the three layers of the MLP (32 <-> 64)
        sizes = (32 + 32) * 2 + (32 + 16) * 2 + (32 + 64) * 3
        assert sum(p.numel() for p in adapters) == 2 * 16 * sizes


def test_frozen_parts_stay_as_in_use(model_of):
    made = policy(model_of("llava"), lora_dropout=0.5).train()
    decoder = made.model.get_base_model().get_decoder()
    assert decoder.training and not made.model.get_encoder(modality="image").training
    drops = [m for n, m in made.named_modules() if "lora_dropout.default" in n]
    assert drops and all(m.training for m in drops)
    made.act(observation(), TEXTS)
    assert made.training and decoder.training
    assert not made.eval().model.get_base_model().get_decoder().training


def test_fewer_layers_and_gradient_checkpointing(model_of):
    obs = observation()
    raw = policy(model_of("idefics3")).act(obs, TEXTS).raw_actions
    assert raw is not None
    gradients = []
    for checkpointing in (False, True):
        made = policy(
            model_of("idefics3"), gradient_checkpointing=checkpointing, language_layers=1
        ).train()
        assert len(made.model.get_base_model().get_decoder().layers) == 1
        made.log_prob(obs, TEXTS, raw).sum().backward()
        gradients.append([p.grad for n, p in made.named_parameters() if "lora_B" in n])
    assert len(gradients[0]) == 7
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, again)
    with pytest.raises(ConfigError, match="language_layers = 9: the language model has 2 layers"):
        policy(model_of("idefics3"), language_layers=9)


def test_images_of_other_sizes_and_settings_of_the_image_processor(model_of):
    made = policy(model_of("idefics3"), image_size=24)
    obs = observation() | {"observation.images.wrist": torch.zeros(3, 48, 80, 3, dtype=torch.uint8)}
    assert made.act(obs, TEXTS).actions.shape == (3, 2, 3)
    settings: dict[str, Any] = {"do_image_splitting": True}
    tiled = policy(model_of("idefics3"), image_processor=settings)
    assert tiled.processor.image_processor.do_image_splitting
    assert not made.processor.image_processor.do_image_splitting


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observation.images.wrist": None}, "no 'observation.images.wrist'"),
        ({"observation.state": torch.zeros(3, 8)}, r"observation.state: .*\(3, 3\), got \(3, 8\)"),
        (
            {"observation.images.front": torch.zeros(3, 32, 32, 3)},
            r"expected uint8 images of shape \(3, H, W, 3\), got float32",
        ),
        (
            {"observation.images.front": torch.zeros(2, 32, 32, 3, dtype=torch.uint8)},
            r"got uint8 of \(2, 32, 32, 3\)",
        ),
    ],
)
def test_wrong_observations(change, message, model_of):
    obs = {k: v for k, v in (observation() | change).items() if v is not None}
    with pytest.raises(CheckpointError, match=message):
        policy(model_of("llava")).act(obs, TEXTS)


def test_wrong_calls(model_of):
    made, obs = policy(model_of("llava")), observation()
    with pytest.raises(ActionError, match=r"\(3, 2, 3\), got \(3, 2, 2\)"):
        made.log_prob(obs, TEXTS, torch.zeros(3, 2, 2))
    with pytest.raises(ConfigError, match="temperature"):
        made.log_prob(obs, TEXTS, torch.zeros(3, 2, 3), temperature=0.0)
    with pytest.raises(ConfigError, match="temperature"):
        made.act(obs, TEXTS, temperature=-1.0)
    flow = policy(model_of("llava"), head="flow")
    assert flow.act(obs, TEXTS, temperature=1.0, generator=seeded()).log_prob is None
    with pytest.raises(ConfigError, match="head = 'tokens'"):
        flow.log_prob(obs, TEXTS, torch.zeros(3, 2, 3))


def test_config_that_does_not_fit(model_of):
    with pytest.raises(ConfigError, match=r"no linear layer 'w_qkv'; known: .*q_proj"):
        policy(model_of("llava"), lora_targets=("w_qkv",))
    with pytest.raises(ConfigError, match=r"no setting 'sice'; known: .*size"):
        policy(model_of("llava"), image_processor={"sice": 3})
    with pytest.raises(ConfigError, match="action_dim = 9, but the statistics are of 3"):
        policy(model_of("llava"), action_dim=9)
    with pytest.raises(ConfigError, match="needs a CUDA device, got cpu"):
        policy(model_of("llava"), dtype="bfloat16")


def test_a_model_that_peeps_is_refused(model_of, monkeypatch):
    made, obs = policy(model_of("paligemma")), observation(1)
    images = {c: obs[f"observation.images.{c}"] for c in ("front", "wrist")}
    made.check_order(images, obs["observation.state"], "go there")
    # without its marks for the answer PaliGemma reads all of it in both directions
    monkeypatch.setattr(made.model.get_base_model().config, "model_type", "other")
    with pytest.raises(CheckpointError, match="still to be said"):
        made.check_order(images, obs["observation.state"], "go there")


def test_is_registered():
    from octoworld.core.registry import POLICIES

    assert POLICIES.get("hf") is HfPolicy
