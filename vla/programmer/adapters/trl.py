"""TRL: `GRPOTrainer(environment_factory=...)` on our scenes (TRL 1.16; the hook is experimental).

For models that call tools the program is a tool call; for those that only write, the answer itself
is the program, and `answer_reward` runs it:

    Env = tool_environment(make_scene)
    GRPOTrainer(model, environment_factory=Env, train_dataset=rows, ...)

    Env = answer_environment(make_scene)
    GRPOTrainer(model, environment_factory=Env, reward_funcs=answer_reward, train_dataset=rows, ...)

A row of the data set has `prompt` (messages) and what `make_scene` takes. TRL itself is not
imported: it finds `reset`, `get_reward` and the tools by their names and docstrings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .program_env import MakeScene, ProgramEnv, Told

_TOOL = "Call the tool run_program with one program, and read what it did before the next one."
OWN = ("prompt", "images", "image", "environment")
"""Columns of a row that are TRL's."""


def tool_environment(make_scene: MakeScene, **settings: Any) -> type:
    """A class for `environment_factory`: a model acts by calling `run_program`.

    `settings` are those of `ProgramEnv`.
    """

    class ProgramTool:
        """One episode at a time; TRL makes one object a rollout and resets it."""

        def __init__(self) -> None:
            self._env = ProgramEnv(make_scene, **settings)

        def reset(self, **row: Any) -> Any:
            """Start the episode of a row; what is appended to its prompt."""
            return _opening(self._env, row, _TOOL)

        def run_program(self, program: str) -> Any:
            """Run a short program that calls the robot's skills.

            Args:
                program: The whole program, one statement a line.

            Returns:
                What each call did, and what the robot sees now.
            """
            return _content(self._env.run(program))

        def get_reward(self) -> float:
            """Reward of the episode."""
            return self._env.reward

    return ProgramTool


def answer_environment(make_scene: MakeScene, **settings: Any) -> type:
    """A class for `environment_factory`: what a model writes is run by `answer_reward`."""

    class AnswerEnvironment:
        """One episode of one program."""

        def __init__(self) -> None:
            self._env = ProgramEnv(make_scene, **{"strategy": "single_turn", **settings})

        def reset(self, **row: Any) -> Any:
            """Start the episode of a row; what is appended to its prompt."""
            return _opening(self._env, row, None)

    return AnswerEnvironment


def answer_reward(
    completions: Sequence[Any], environments: Sequence[Any], **columns: Any
) -> list[float]:
    """For `reward_funcs`: run each answer (or bare program) on its environment; the rewards."""
    del columns
    rewards = []
    for completion, environment in zip(completions, environments, strict=True):
        text = completion if isinstance(completion, str) else completion[-1]["content"] or ""
        env: ProgramEnv = environment._env
        told = env.step(text) if "```" in text or text.lstrip().startswith("{") else env.run(text)
        rewards.append(told.reward)
    return rewards


def _opening(env: ProgramEnv, row: dict[str, Any], answer: str | None) -> Any:
    told = env.reset(**{key: value for key, value in row.items() if key not in OWN})
    return _content(Told(f"{env.briefing(answer)}\n\n{told.text}", told.images))


def _content(told: Told) -> Any:
    """Text, or a list of content blocks where there are pictures."""
    if not told.images:
        return told.text
    from PIL import Image

    blocks: list[dict[str, Any]] = [
        {"type": "image", "image": Image.fromarray(image)} for image in told.images.values()
    ]
    return [*blocks, {"type": "text", "text": told.text}]
