"""Program episodes: what an agent that writes programs did, call by call, as an Episode.

A row is a moment of the world: one before each skill call, and one at the end of each turn. What
was planned, written, called and answered stands in `info["program"]`, in plain values:

    {"agent": str, "strategy": str, "ended": str, "progress": float,
     "turns": [{"plan": str, "program": str, "problem": str, "error": str, "output": str,
                "feedback": str,
                "calls": [{"skill": str, "args": list, "line": int, "ok": bool, "code": str,
                           "message": str, "value": Any, "seconds": float,
                           "changed": {thing: {what: value}}}]}]}

`program` is empty where the agent gave none, and `problem` then says why; `error` is why a program
stopped. So turn k has len(calls) + 1 rows, and rows and turns find each other by counting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from octoworld.core.errors import DatasetError

from .episode import Episode

PROGRAM = "program"
"""Key of `Episode.info`."""


@dataclass(frozen=True)
class ProgramMoment:
    """Where a program stands at one row."""

    number: int
    """Of the turn, from 0."""
    turn: Mapping[str, Any]
    call: int
    """Calls of the turn that are done; the one of this number comes next."""

    @property
    def is_end(self) -> bool:
        """Whether the turn is over: no call comes."""
        return self.call == len(self.turn["calls"])

    @property
    def line(self) -> int:
        """Line of the program that runs, from 1; 0: none does."""
        return 0 if self.is_end else int(self.turn["calls"][self.call]["line"])


def is_program(info: Mapping[str, Any]) -> bool:
    """Whether an episode with these facts is one of programs."""
    return isinstance(info.get(PROGRAM), Mapping)


def num_rows(facts: Mapping[str, Any]) -> int:
    """Rows of an episode whose `info["program"]` is this."""
    return sum(len(turn["calls"]) + 1 for turn in facts["turns"])


def moment_of(episode: Episode, row: int) -> ProgramMoment:
    """Turn and call at a row of a program episode.

    Raises:
        DatasetError: what was recorded does not fit the rows.
    """
    facts = episode.info[PROGRAM]
    try:
        left = row
        for number, turn in enumerate(facts["turns"]):
            count = len(turn["calls"]) + 1
            if left < count:
                return ProgramMoment(number, turn, left)
            left -= count
        rows = num_rows(facts)
    except (KeyError, TypeError) as error:
        raise DatasetError(
            f"the recorded program is damaged ({error!r}); record it again"
        ) from None
    raise DatasetError(
        f"the recorded program has {rows} rows, and row {row} was asked for; record it again"
    )
