"""ProgramEnv: a scene as an environment of texts: a program goes in, what it did comes out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from octoworld.core.errors import ConfigError

from ..agent import briefing
from ..answer import Answer, parse_answer
from ..execution import describe_execution, run_program
from ..limits import Limits
from ..runner import make_runner
from ..scene import Scene
from ..strategies import get_strategy

MakeScene = Callable[..., Scene]
"""(**row of a data set) -> a scene at its start. The row says which task, home and start."""
Reward = Callable[[Mapping[str, float]], float]
"""(reward terms) -> reward."""


@dataclass(frozen=True)
class Told:
    """What the environment says after a reset or a program."""

    text: str
    """For the model to read."""
    images: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Camera -> (H, W, 3) uint8."""
    reward: float = 0.0
    """Of the scene as it is now; 0 after a reset."""
    done: bool = False
    info: Mapping[str, Any] = field(default_factory=dict)
    """`reward_terms`, `feedback` (plain values of each call), `problem` of the answer."""


def success_reward(terms: Mapping[str, float]) -> float:
    """1 when the goal holds."""
    return terms["success"]


class ProgramEnv:
    """One episode after another on scenes that `make_scene` gives."""

    def __init__(
        self,
        make_scene: MakeScene,
        *,
        runner: str = "grammar",
        limits: Limits | None = None,
        strategy: str = "retry",
        reward: Reward = success_reward,
    ) -> None:
        """Set the environment up; no scene is made yet.

        Args:
            make_scene: row -> scene.
            runner: of programs, `grammar` or `monty`.
            limits: of the whole episode for calls and seconds, of each program for the rest.
            strategy: how many programs there may be, and when the next one.
            reward: of the terms `success`, `progress`, `ran` (no error), `calls`.
        """
        self._make_scene, self._reward = make_scene, reward
        self._limits = limits or Limits()
        self._runner = make_runner(runner, self._limits)
        self.strategy = get_strategy(strategy)
        self.scene: Scene | None = None

    def reset(self, **row: Any) -> Told:
        """Start the episode that a row of a data set names."""
        self.scene = self._make_scene(**row)
        self.turns, self.calls, self.seconds, self._ran = 0, 0, 0.0, True
        seen = self.scene.observe()
        words = "\n\n".join(part for part in (f"Task: {self.scene.instruction}", seen.text) if part)
        return Told(words, seen.images)

    def briefing(self, answer: str | None = None) -> str:
        """What a model is to know of this episode's skills, and how it answers."""
        extra = {} if answer is None else {"answer": answer}
        return briefing(self._scene.skills, self.strategy, **extra)

    def step(self, text: str) -> Told:
        """Read a model's answer, run its program, and tell what happened."""
        return self._do(parse_answer(text))

    def run(self, program: str) -> Told:
        """Run a bare program."""
        return self._do(Answer("", program))

    def _do(self, answer: Answer) -> Told:
        scene = self._scene
        if self.done:
            return self._told("The episode is over.", [], None)
        self.turns += 1
        if answer.problem is not None:
            self._ran = False
            problem = str(answer.problem)
            return self._told(f"Your answer had no program. {problem}", [], problem)
        whole = self._limits
        left = min(whole.calls - self.calls, self.strategy.calls_per_turn or whole.calls)
        self._runner.limits = dataclasses.replace(
            whole, calls=left, seconds=whole.seconds - self.seconds
        )
        execution = run_program(scene, self._runner, answer.program)
        self.calls += len(execution.calls)
        self.seconds += execution.seconds
        self._ran = execution.ok
        feedback = [done.as_dict() for done in execution.calls]
        return self._told(describe_execution(execution), feedback, None)

    @property
    def done(self) -> bool:
        """Whether there is no further program."""
        ended = self.turns > 0 and self._ran and self.strategy.goes_on == "after_error"
        used_up = self.calls >= self._limits.calls or self.seconds >= self._limits.seconds
        return self._scene.finished or ended or used_up or self.turns >= self.strategy.turns

    @property
    def reward_terms(self) -> dict[str, float]:
        """What a reward can be made of."""
        scene = self._scene
        return {
            "success": float(scene.success),
            "progress": float(scene.progress),
            "ran": float(self._ran and self.turns > 0),
            "calls": float(self.calls),
        }

    @property
    def reward(self) -> float:
        """Of the scene as it is now."""
        return float(self._reward(self.reward_terms))

    def _told(self, text: str, feedback: list[dict[str, Any]], problem: str | None) -> Told:
        seen = self._scene.observe()
        info = {"reward_terms": self.reward_terms, "feedback": feedback, "problem": problem}
        parts = (text, seen.text)
        return Told("\n\n".join(p for p in parts if p), seen.images, self.reward, self.done, info)

    @property
    def _scene(self) -> Scene:
        if self.scene is None:
            raise ConfigError("ProgramEnv has no episode yet; call reset(**row) first")
        return self.scene

    def snapshot(self) -> tuple[Any, ...]:
        """This moment between two programs."""
        return (self._scene.snapshot(), self.turns, self.calls, self.seconds, self._ran)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Undo everything since `snapshot`."""
        scene, self.turns, self.calls, self.seconds, self._ran = snapshot
        self._scene.restore(scene)

    def close(self) -> None:
        """Let go of the runner's processes."""
        self._runner.close()
