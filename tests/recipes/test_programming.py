"""Programmers of households: lessons, answers as decisions, feedback, and tests that go on."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from octoworld.cli.main import main
from octoworld.core.errors import CheckpointError, ConfigError
from octoworld.core.fit import FitConfig
from octoworld.core.io import read_json
from octoworld.recipes.programming.answer_env import MOST_PICTURES, AnswerEnv
from octoworld.recipes.programming.job import FeedbackConfig
from octoworld.recipes.programming.lessons import lessons_in, lessons_of
from octoworld.recipes.programming.testing import EPISODES, agent_of, play, summary
from octoworld.rl import train
from octoworld.rl.trained import Trained
from tasks.household import Household, household_split, solve
from tests.vla.hf.families import build
from vla.programmer import (
    ChatAgent,
    Message,
    Reply,
    make_runner,
    parse_answer,
    read_episodes,
    run_program,
)
from vla.programmer.hf import HfProgrammer, HfProgrammerConfig, Lesson, train_programmer
from vla.programmer.hf.model import IMAGES, SHOWN
from vla.programmer.written import PAD

TRAIN = household_split("train")
NOTHING = "Plan: wait.\n```python\nwait(1)\n```"


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    return build("writer", tmp_path_factory.mktemp("writer"), loudness=1.0)


def config(folder: str, **changes) -> HfProgrammerConfig:
    settings = {"model": folder, "packing": "blind", "max_tokens": 320, "tune": "full"}
    return HfProgrammerConfig(**(settings | changes))


def answer(instance) -> str:
    return f"Plan: so.\n```python\n{solve(Household(instance)).program}```"


def test_lessons_are_what_an_agent_would_be_asked_and_the_oracle_would_say():
    for instance in TRAIN.instances(3):
        (lesson,) = lessons_of(instance, "perfect", HfProgrammerConfig(packing="album"))
        system, asked = lesson.messages
        house = Household(instance, packing="album")
        assert "go_to(" in system.text and house.instruction in asked.text
        assert [name for name, _ in asked.images] == list(house.home.by_name)
        run_program(house, make_runner("grammar"), parse_answer(lesson.answer).program)
        assert house.success


def test_a_forgetful_teacher_is_told_what_failed_and_goes_on():
    lessons = lessons_in(TRAIN, 12, "forgetful", HfProgrammerConfig(packing="text"))
    later = [one for one in lessons if len(one.messages) > 2]
    assert len(lessons) > 12 and later
    assert any("FAILED" in one.messages[-1].text for one in later)
    assert all(not m.images for one in later for m in one.messages[:-1])
    right = lessons_in(TRAIN, 12, "forgetful", HfProgrammerConfig(), only_successes=True)
    assert 0 < len(right) < len(lessons)
    with pytest.raises(ConfigError, match="perfect, forgetful"):
        lessons_of(TRAIN.instance(0), "lazy", HfProgrammerConfig())


def test_an_answer_is_a_decision(pretrained):
    """The oracle's answer earns success and progress; nothing and nonsense earn nothing."""
    model = HfProgrammer.build(config(pretrained), seed=0)
    env = AnswerEnv(TRAIN, 4, model.text, "album")
    obs, _ = env.reset(seed=[5, 5, 5, 8])
    assert obs[IMAGES].shape[1] == MOST_PICTURES and obs[SHOWN][0] == obs[SHOWN][1] > 5
    assert not obs[IMAGES][3, obs[SHOWN][3] :].any() and obs[IMAGES][3, obs[SHOWN][3] - 1].any()
    said = [answer(TRAIN.instance(5)), answer(TRAIN.instance(5)), "I do not know.", NOTHING]
    result = env.step_chunk(model.tokens(said)[:, None].float())
    assert result.infos[0]["success"].tolist() == [True, True, False, False]
    rewards = result.rewards[:, 0].tolist()
    assert rewards[:3] == pytest.approx([1.3, 1.3, 0.0]) and rewards[3] < 0.3
    assert result.terminated.all() and env.true_episodes == 4
    assert env.true_steps == len(solve(Household(TRAIN.instance(5))).calls) + 1, "equal ones once"


@pytest.mark.slow
def test_the_whole_job_by_commands(pretrained, tmp_path, capsys):
    """A few steps of each; what comes out is read by the next."""
    small = ["--set", "packing=blind", "max_tokens=24", "lora_rank=2"]
    taught = tmp_path / "sft"
    learn = ["programmer", "sft", pretrained, "--out", str(taught), "--teacher", "perfect",
             "--demonstrations", "2", "--steps", "2", "--batch-size", "2"]  # fmt: skip
    assert main([*learn, *small]) == 2 and "at most 24" in capsys.readouterr().err
    small[2] = "max_tokens=700"
    assert main([*learn, *small]) == 0
    few = ["rl.group_size=2", "rl.num_groups=1", "rl.max_groups=1", "groups=1", "validation=2"]
    run = tmp_path / "rlef"
    code = main(
        ["programmer", "rlef", str(taught), "--out", str(run), "--iterations", "1",
         "--set", *few]
    )  # fmt: skip
    assert code == 0 and read_json(run / "outcome.json")["true_episodes"] == 2
    out = tmp_path / "eval"
    told = ["programmer", "eval", str(run), "--out", str(out), "--episodes", "2", "--strategy",
            "single_turn"]  # fmt: skip
    assert main(told) == 0
    assert "| seen | 2 | " in capsys.readouterr().out
    assert len(read_episodes(out / "seen" / EPISODES)) == 2
    assert read_json(out / "eval.json")["splits"]["seen"]["episodes"] == 2
    assert main([*told, "--verify"]) == 2  # other episodes than those that are there
    assert "choose another folder" in capsys.readouterr().err


@pytest.mark.slow
def test_feedback_picks_the_answer_that_works(pretrained, tmp_path):
    """Taught two answers alike, one of which does nothing: the shared trainer finds out which."""
    model = HfProgrammer.build(config(pretrained), seed=0)
    env = AnswerEnv(TRAIN, 16, model.text, "blind")
    env.reset(seed=[5] * 16)
    asked = (Message("user", env.instructions[0]),)  # without the manual, which takes long to read
    both = [Lesson(asked, answer(TRAIN.instance(5))), Lesson(asked, NOTHING)]
    fit = FitConfig(steps=400, batch_size=4, learning_rate=1e-2, warmup_steps=5)
    train_programmer(model, both, fit, tmp_path / "sft", seed=0)

    def chances() -> list[float]:
        """Of the answer that works, and of the other."""
        counts = [int((model.tokens([one.answer]) != PAD).sum()) for one in both]
        losses = [float(model.loss([asked], [one.answer])["loss"]) for one in both]
        return [math.exp(-n * loss) for n, loss in zip(counts, losses, strict=True)]

    before = chances()
    assert min(before) > 0.25, "both are learned"
    settings = replace(
        FeedbackConfig().rl, iterations=25, group_size=16, num_groups=1, max_groups=1,
        start_range=(5, 6), learning_rate=2e-3, minibatch_size=16,
    )  # fmt: skip
    train(env, Trained(model), settings, tmp_path / "rlef", seed=0, label="rlef")
    after = chances()
    assert after[0] > before[0] and after[1] < 0.1


class Script:
    """A model that always says the same."""

    name = "script"

    def __init__(self, text: str) -> None:
        self.text, self.asked = text, 0

    def complete(self, messages):
        self.asked += 1
        return Reply(self.text)


def test_a_test_goes_on_where_it_was_stopped(tmp_path):
    model, runner = Script(NOTHING), make_runner("grammar")
    agent = ChatAgent(model, "single_turn")
    play(agent, "seen", 3, tmp_path, runner, packing="blind")
    path = tmp_path / "seen" / EPISODES
    whole = path.read_text()
    lines = whole.splitlines(keepends=True)
    path.write_text("".join(lines[:4]) + lines[4][:20])  # killed in the second episode
    model.asked = 0
    records = play(agent, "seen", 3, tmp_path, runner, packing="blind")
    assert path.read_text() == whole and model.asked == 2 and len(records) == 3
    told = summary(records)
    assert told["success"] == 0 and told["ended"] == {"program": 3} and told["calls"] == 1
    assert sum(count for _, count in told["families"].values()) == 3
    with pytest.raises(ConfigError, match="choose another folder"):
        play(ChatAgent(model, "retry"), "seen", 3, tmp_path, runner, packing="blind")
    with pytest.raises(ConfigError, match="choose another folder"):
        play(agent, "seen", 3, tmp_path, runner, packing="blind", first=1)
    with pytest.raises(ConfigError, match="choose another folder"):
        play(agent, "seen", 3, tmp_path, runner, packing="text")


def test_the_shipped_programmer_gets_things_done(tmp_path):
    agent, scene = agent_of("assets/checkpoints/programmer", strategy="single_turn")
    first = 800_000  # starts of training's homes that the bench gives to nobody
    records = play(agent, "train", 12, tmp_path, make_runner("grammar"), first=first, **scene)
    assert summary(records)["success"] > 0.5


def test_agents_by_name(tmp_path):
    agent, scene = agent_of("assets/checkpoints/programmer")
    assert agent.name == "assets/checkpoints/programmer retry"
    assert scene["packing"] == "album"
    assert scene["image_size"] == agent.model.config.eye.image_size  # type: ignore[attr-defined]
    agent, _ = agent_of("qwen3-vl", endpoint="http://localhost:1/v1", strategy="react")
    assert agent.name == "qwen3-vl react"
    with pytest.raises(CheckpointError, match="expected tiny_programmer or hf_programmer"):
        agent_of("assets/checkpoints/hover-ppo")
    with pytest.raises(CheckpointError, match="cannot load"):
        agent_of(str(tmp_path))
