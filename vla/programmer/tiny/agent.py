"""TinyAgent: the tiny programmer in the agent loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from octoworld.core.errors import ConfigError

from ..agent import View
from ..answer import Answer
from ..skills import Skills, read_skills
from ..strategies import Strategy, get_strategy
from .grammar import Line, program_text
from .looking import look, understand, where
from .model import Seen, TinyProgrammer
from .tried import Tried

SURE = 0.5
"""Probability from which the plan says that something is seen."""


class TinyAgent:
    """Shown one picture of each place, by name; writes greedily, or draws at a temperature.

    It remembers the feedback of an episode: of the last program it reads the words, of all the
    places that they name, and it does not make a call again that failed in the same situation: of
    programs that it draws instead, it takes the likeliest that makes none.
    """

    def __init__(
        self,
        model: TinyProgrammer,
        strategy: Strategy | str = "retry",
        *,
        temperature: float = 0.0,
        again: float | None = None,
        draws: int = 32,
        seed: int = 0,
    ) -> None:
        """Act with a model.

        Args:
            model: writes the programs.
            strategy: how often it is asked, and what it is told.
            temperature: of its programs; 0 takes the likeliest word each time.
            again: of those after an episode's first; None: the same.
            draws: programs among which it looks for one that repeats no failure; 0 looks for none.
            seed: of what is drawn.
        """
        self.model, self.temperature = model.eval(), temperature
        self.again = temperature if again is None else again
        self.draws = draws
        self.strategy = get_strategy(strategy)
        self.name = f"tiny {self.strategy.name}"
        self.generator = torch.Generator().manual_seed(seed)
        self._told: list[str] = []
        self._tried = Tried(model.config.grammar)
        self._last: tuple[list[Line], str] | None = None

    def reset(self, skills: Skills) -> None:
        """See `Agent.reset`.

        Raises:
            ConfigError: the scene lacks a skill that the model knows.
        """
        words = self.model.config.grammar
        known = read_skills(skills)
        missing = [s for s in (words.go, words.end, *words.skills) if s not in known]
        if missing:
            raise ConfigError(f"the scene has no skill {missing[0]!r}; it has {', '.join(known)}")
        self._told, self._last, self._tried = [], None, Tried(words)

    def act(self, view: View) -> Answer:
        """See `Agent.act`."""
        places = list(view.images)
        features = look(self.model, _stack(view.images))
        if view.feedback:
            self._told.append(view.feedback)
            if self._last is not None:
                self._tried.note(*self._last, view.feedback)
        told = "\n".join(self._told)
        seen = understand(self.model, features, places, view.instruction, view.text, told)
        here = where(view.text, places)
        at = places[here] if here >= 0 else ""
        temperature = self.temperature if self._last is None else self.again
        lines = self._written(seen, places, at, temperature)
        self._last = lines, at
        program = program_text(lines)
        return Answer(self._plan(features, places, lines), program, program)

    def _written(
        self, seen: Seen, places: Sequence[str], at: str, temperature: float
    ) -> list[Line]:
        """A program, if possible one that repeats no failure."""
        read = self.model.grammar.lines
        written = self.model.write(seen, temperature=temperature, generator=self.generator)
        lines = read(written.tokens[0].tolist(), places, at)
        if not self.draws or not self._tried.repeats(lines, at):
            return lines
        owner = torch.zeros(self.draws, dtype=torch.long)
        drawn = self.model.write(seen, owner, temperature=1.0, generator=self.generator)
        for row in drawn.log_prob.sum(1).argsort(descending=True).tolist():
            other = read(drawn.tokens[row].tolist(), places, at)
            if not self._tried.repeats(other, at):
                return other
        return lines

    def _plan(self, features: torch.Tensor, places: Sequence[str], lines: list[Line]) -> str:
        """What is recognised at the places that the program goes to, and what it does there."""
        sure = self.model.eye.recognise(features.float()) > SURE
        labels = self.model.config.labels
        told: list[str] = []
        for line in lines:
            if line.skill == self.model.config.grammar.go:
                row = sure[places.index(line.args[0])]
                names = [label for label, is_seen in zip(labels, row, strict=True) if is_seen]
                told.append(f"At {line.args[0]} I see {', '.join(names) or 'nothing'}:")
            else:
                told.append(" ".join((line.skill.replace("_", " "), *line.args)) + ";")
        return " ".join(told)


def _stack(images: Mapping[str, Any]) -> torch.Tensor:
    if not images:
        raise ConfigError("no pictures: the scene's packing must be one of a picture a place")
    return torch.from_numpy(np.stack(list(images.values())))
