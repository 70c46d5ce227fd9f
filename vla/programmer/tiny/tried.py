"""Tried: which calls an agent was told to have failed, so that it does not make them again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .grammar import GrammarConfig, Line

_TOLD = re.compile(r"^line (\d+): .*?: (ok|FAILED)\b", re.MULTILINE)

Situation = tuple[Line, str, tuple[Line, ...]]
"""A call, where the robot was, and what had been done before that may matter there."""


class Tried:
    """Calls of an episode that failed, each with its situation.

    The same call fails again in the same place after the same deeds: what was done there, and to
    things (in the hand, say) elsewhere. To have gone somewhere else, or opened something there,
    makes no difference.
    """

    def __init__(self, config: GrammarConfig) -> None:
        self.config = config
        self._done: list[tuple[str, Line]] = []
        self._failed: set[Situation] = set()

    def __len__(self) -> int:
        return len(self._failed)

    def note(self, lines: Sequence[Line], at: str, feedback: str) -> None:
        """What came of a program that began at `at`, by `describe_execution`'s words."""
        told = {int(number): word == "ok" for number, word in _TOLD.findall(feedback)}
        done = self._done
        for number, (line, here) in enumerate(_walk(self.config, lines, at), start=1):
            if number not in told:
                break
            if not told[number]:
                self._failed.add(self._situation(line, here, done))
            elif line.skill != self.config.go:
                done.append((here, line))

    def repeats(self, lines: Sequence[Line], at: str) -> bool:
        """Whether a program that begins at `at` makes a call that failed, if all before succeed."""
        done = list(self._done)
        for line, here in _walk(self.config, lines, at):
            if self._situation(line, here, done) in self._failed:
                return True
            if line.skill != self.config.go:
                done.append((here, line))
        return False

    def _situation(self, line: Line, here: str, done: Sequence[tuple[str, Line]]) -> Situation:
        mattering = tuple(x for place, x in done if place == here or x.args not in ((), (place,)))
        return line, here, mattering


def _walk(config: GrammarConfig, lines: Sequence[Line], at: str) -> Iterator[tuple[Line, str]]:
    """Each call, and where the robot is when it makes it."""
    for line in lines:
        yield line, at
        if line.skill == config.go:
            at = line.args[0]
