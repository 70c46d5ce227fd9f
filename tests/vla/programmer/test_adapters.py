"""Adapters: the little house as an environment of texts, and behind other people's trainers."""

from __future__ import annotations

import asyncio
import inspect

import numpy as np
import pytest

from octoworld.core.errors import ConfigError, DependencyError
from vla.programmer import Limits, Observation
from vla.programmer.adapters import ProgramEnv
from vla.programmer.adapters.openenv import openenv_environment
from vla.programmer.adapters.trl import answer_environment, answer_reward, tool_environment
from vla.programmer.adapters.verl import register_agent_loop, roll_out

from .house import House

GOOD = """go_to("drawer")
open("drawer")
pick("mug")
go_to("table")
place_on("table")
done()
"""
TASKS = {"train": [{"number": 0}, {"number": 1}], "test": [{"number": 7}]}


class Numbered(House):
    """The house in words, which knows the row that it came from."""

    def __init__(self, number: int = 0) -> None:
        super().__init__()
        self.number = number

    def observe(self) -> Observation:
        return Observation(super().observe().text)


def test_texts_go_in_and_what_they_did_comes_out():
    env = ProgramEnv(Numbered, reward=lambda terms: terms["success"] + 0.1 * terms["ran"])
    told, scene = env.reset(number=3), env.scene
    assert told.text.startswith("Task: Put the mug") and not told.done
    assert isinstance(scene, Numbered) and scene.number == 3
    assert "go_to(place)" in env.briefing() and "```python" in env.briefing()
    told = env.step("I do not know.")
    assert told.info["problem"].startswith("no_program") and told.reward == 0 and not told.done
    told = env.step("Plan: take it\n```python\npick('mug')\n```")
    assert "FAILED" in told.text and not told.done and told.info["feedback"][0]["skill"] == "pick"
    before = env.snapshot()
    told = env.run(GOOD)
    assert told.done and told.reward == pytest.approx(1.1)
    assert told.info["reward_terms"]["success"] == 1
    assert env.step("```python\nlook()\n```").text.startswith("The episode is over.")
    env.restore(before)
    assert not env.done and env.reward == 0
    env.close()


def test_budgets_are_those_of_the_episode():
    env = ProgramEnv(Numbered, limits=Limits(calls=3))
    with pytest.raises(ConfigError, match="reset"):
        env.step("hello")
    env.reset()
    assert env.run("look()\nlook()\npick('mug')\n").done
    assert env.calls == 3


def test_trl_finds_tools_and_rewards_by_their_names():
    cls = tool_environment(Numbered)
    methods = [n for n, _ in inspect.getmembers(cls, inspect.isfunction) if not n.startswith("_")]
    assert methods == ["get_reward", "reset", "run_program"]
    assert "Args:" in cls.run_program.__doc__ and "program" in cls.run_program.__annotations__
    env = cls()
    opening = env.reset(prompt=[{"role": "user", "content": ""}], number=4)
    assert "run_program" in opening and "Put the mug" in opening and env._env.scene.number == 4
    assert "came to its end" in env.run_program(GOOD) and env.get_reward() == 1.0


def test_trl_scores_answers_on_their_own_environments():
    cls = answer_environment(Numbered)
    envs = [cls() for _ in range(3)]
    assert all("```python" in env.reset(number=i) for i, env in enumerate(envs))
    message = [{"role": "assistant", "content": f"Plan: so\n```python\n{GOOD}```"}]
    assert answer_reward([message, GOOD, "what?"], envs, prompts=[]) == [1.0, 1.0, 0.0]


def test_pictures_become_content_blocks():
    pytest.importorskip("PIL")

    class Seen(Numbered):
        def observe(self):
            return Observation("here", {"ahead": np.zeros((8, 8, 3), np.uint8)})

    image, text = tool_environment(Seen)().reset()
    assert image["type"] == "image" and image["image"].size == (8, 8) and text["type"] == "text"


def test_verl_gets_tokens_and_a_mask_of_the_models_own():
    """A model of one character a token, which fails first and then reads what it was told."""
    answers = ["```python\npick('mug')\n```", f"```python\n{GOOD}```"]
    asked: list[str] = []

    def encode(messages, first):
        return [ord(c) for c in "".join(m["content"] for m in messages)]

    def decode(ids):
        return "".join(map(chr, ids))

    async def generate(ids):
        asked.append(decode(ids))
        new = [ord(c) for c in answers[len(asked) - 1]]
        return new, [-0.5] * len(new)

    env = ProgramEnv(Numbered)
    rollout = asyncio.run(roll_out(env, {"number": 1}, generate, encode, decode, 10_000))
    assert rollout.reward == 1.0 and rollout.turns == 2 and "FAILED" in asked[1]
    sizes = {len(rollout.response_ids), len(rollout.mask), len(rollout.log_probs)}
    assert len(sizes) == 1
    own = decode([i for i, m in zip(rollout.response_ids, rollout.mask, strict=True) if m])
    assert own == "".join(answers)
    told = [p for p, m in zip(rollout.log_probs, rollout.mask, strict=True) if not m]
    assert told and set(told) == {0.0}
    asked.clear()
    short = asyncio.run(roll_out(env, {}, generate, encode, decode, 30))
    assert len(short.response_ids) == 30


def test_openenv_serves_rows_of_splits():
    try:
        environment, action, _ = openenv_environment(Numbered, TASKS)
    except DependencyError as error:
        assert "octoworld[openenv]" in str(error)
        pytest.skip("openenv is not installed")
    env = environment()
    assert env.list_splits() == ["train", "test"] and env.num_tasks("train") == 2
    seen = env.reset(split="test", index=0, episode_id="a")
    assert "Put the mug" in seen.text and env._env.scene.number == 7 and not seen.done
    seen = env.step(action(program="pick('mug')"))
    assert not seen.done and env.state.calls == 1 and env.state.episode_id == "a"
    seen = env.step(action(program=GOOD))
    assert seen.done and seen.reward == 1.0
    with pytest.raises(IndexError):
        env.get_task("train", 9)


def test_missing_trainers_are_named():
    try:
        import verl  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        with pytest.raises(DependencyError, match="verl"):
            register_agent_loop(Numbered)
