"""HfProgrammer: a tiny random model that writes, learns answers, and is the trainer's policy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from octoworld.core.errors import CheckpointError, ConfigError, DatasetError
from octoworld.core.fit import FitConfig
from vla.programmer import ChatAgent, Limits, Message, Reply, View, make_runner, run_episode
from vla.programmer.agent import user_text
from vla.programmer.hf import HfProgrammer, HfProgrammerConfig, Lesson, train_programmer
from vla.programmer.hf.model import IMAGES, SHOWN
from vla.programmer.written import PAD

from ..hf.families import PROGRAM, build, seeded
from .house import House

GOOD = """Plan: fetch it.
```python
go_to("drawer")
open("drawer")
pick("mug")
go_to("table")
place_on("table")
done()
```"""
TEXTS = ["go there", "go slowly to the robot, then come back", "go away"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    found = {
        name: build(name, tmp_path_factory.mktemp(name))
        for name in ("writer", "idefics3", "llava", "paligemma")
    }
    return found | {"calm": build("writer", tmp_path_factory.mktemp("calm"), loudness=1.0)}


def programmer(folder, **changes) -> HfProgrammer:
    settings = {"model": folder, "max_tokens": 12, "lora_rank": 4} | changes
    return HfProgrammer.build(HfProgrammerConfig(**settings), seed=0)


def picture(seed: int):
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)


def observed(counts=(2, 0, 1)):
    images = torch.from_numpy(np.stack([np.stack([picture(3 * i + j) for j in range(2)])
                                        for i in range(len(counts))]))  # fmt: skip
    return {IMAGES: images, SHOWN: torch.tensor(counts)}


@pytest.mark.parametrize("family", ["writer", "idefics3", "llava", "paligemma"])
def test_what_acts_is_what_learns(folders, family):
    """Drawn tokens have the probability that the trainer looks up, whatever prompts are beside."""
    model = programmer(folders[family])
    model.briefing = "You write programs."
    obs = observed((1, 1, 1))
    drawn = model.act(obs, TEXTS, temperature=1.3, generator=seeded(3))
    assert drawn.actions.shape == (3, 1, 12) and drawn.log_prob.shape == (3, 12)
    found = model.log_prob(obs, TEXTS, drawn.raw_actions, temperature=1.3)
    torch.testing.assert_close(found, drawn.log_prob, rtol=1e-3, atol=2e-3)
    again = model.act(obs, TEXTS, temperature=1.3, generator=seeded(3))
    assert torch.equal(again.actions, drawn.actions)
    other = model.act(obs, TEXTS, temperature=1.3, generator=seeded(4))
    assert not torch.equal(other.actions, drawn.actions)
    # after the end there is nothing
    for tokens, chosen in zip(drawn.tokens.tolist(), drawn.chosen.tolist(), strict=True):
        ends = [i for i, t in enumerate(tokens) if t in model.words.ends]
        length = ends[0] + 1 if ends else len(tokens)
        assert chosen == [i < length for i in range(len(tokens))]
        assert all(t == PAD for t in tokens[length:])


def test_it_looks_at_its_pictures_and_at_as_many_as_there_are(folders):
    model = programmer(folders["writer"])
    first = model.act(observed(), TEXTS, temperature=1.0, generator=seeded())
    same = observed()
    same[IMAGES][1] = 0  # of a world that shows none
    same[IMAGES][2, 1] = 0
    told = model.log_prob(same, TEXTS, first.raw_actions)
    torch.testing.assert_close(told, first.log_prob, rtol=1e-3, atol=2e-3)
    same[IMAGES][0, 1] = 0
    changed = model.log_prob(same, TEXTS, first.raw_actions)
    assert (changed[0] - told[0]).abs().max() > 1e-2
    torch.testing.assert_close(changed[1:], told[1:], rtol=1e-3, atol=2e-3)


def test_text_and_tokens(folders):
    model = programmer(folders["writer"], max_tokens=200)
    tokens = model.tokens([PROGRAM, "done()"])
    assert model.text(tokens[0]) == PROGRAM and model.text(tokens[1]) == "done()"
    assert tokens[1, -1] == PAD and int((tokens[1] == model.words.ends[0]).sum()) == 1
    with pytest.raises(ConfigError, match="at most 12"):
        programmer(folders["writer"]).tokens([PROGRAM])


def test_conversations_have_several_turns(folders):
    model = programmer(folders["writer"])
    messages = [
        Message("system", "Write."), Message("user", "Go", (("a", picture(0)), ("b", picture(1)))),
        Message("assistant", "done()"), Message("user", "It failed."),
    ]  # fmt: skip
    reply = model.complete(messages)
    assert isinstance(reply, Reply) and reply == model.complete(messages)
    assert reply.tokens[0] > 20 and 0 < reply.tokens[1] <= 12
    assert reply.is_cut  # it writes on and on


def lesson_of(model: HfProgrammer, scene: House) -> tuple[ChatAgent, Lesson]:
    """A chat agent, and what it will be asked in its first turn."""
    agent = ChatAgent(model, "single_turn")
    agent.reset(scene.skills)
    seen = scene.observe()
    view = View(scene.instruction, seen.text, seen.images)
    asked = Message("user", user_text(view), tuple(seen.images.items()))
    return agent, Lesson((*agent.messages, asked), GOOD)


def test_it_learns_an_answer_and_plays_with_it(folders, tmp_path):
    """All weights are trained here: adapters need a base that knows something."""
    model, scene = programmer(folders["calm"], max_tokens=160, tune="full"), House()
    agent, lesson = lesson_of(model, scene)
    fit = FitConfig(steps=160, batch_size=1, learning_rate=1e-2, warmup_steps=5, log_every=10)
    train_programmer(model, [lesson], fit, tmp_path, seed=0)
    record = run_episode(scene, agent, make_runner("grammar", Limits()))
    assert record.success and record.turns[0].answer.plan == "fetch it."
    reply = model.complete(lesson.messages)
    assert isinstance(reply, Reply) and not reply.is_cut


def test_adapters_are_all_that_a_folder_holds(folders, tmp_path):
    model = programmer(folders["writer"], lora_rank=2, max_tokens=120)
    _, lesson = lesson_of(model, House())
    before = model.loss([lesson.messages], [GOOD])["loss"]
    fit = FitConfig(steps=3, batch_size=2, learning_rate=1e-2)
    train_programmer(model, [lesson], fit, tmp_path / "run", seed=0)
    after = model.loss([lesson.messages], [GOOD])["loss"]
    assert after < before
    model.save_pretrained(tmp_path / "policy")
    loaded = HfProgrammer.from_pretrained(tmp_path / "policy")
    torch.testing.assert_close(loaded.loss([lesson.messages], [GOOD])["loss"], after)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    kept = (tmp_path / "policy" / "adapter_model.safetensors").stat().st_size
    state = (tmp_path / "run" / "state.safetensors").stat().st_size
    assert 4 * trained < kept < 5 * trained + 20_000 and state < 16 * trained + 40_000
    (tmp_path / "policy" / "adapter_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="adapter_model"):
        HfProgrammer.from_pretrained(tmp_path / "policy")


def test_bad_input(folders, tmp_path):
    with pytest.raises(ConfigError, match="max_tokens = 0"):
        HfProgrammerConfig(model="x", max_tokens=0)
    with pytest.raises(CheckpointError, match="cannot load"):
        programmer(str(tmp_path))
    with pytest.raises(DatasetError, match="no answers"):
        train_programmer(programmer(folders["writer"]), [], FitConfig(), tmp_path, seed=0)
