"""ProgramTape: calls of skills as they happen, by hand or by programs, and the episode they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.data.episode import Episode
from octoworld.data.journal import RECORDING, Journal, Unfinished
from octoworld.data.programs import PROGRAM
from tasks.household.skills import SKILLS

CALLS = "calls"
"""Kind of the journals of program tapes."""
FPS = 1
"""Rows have no rate of their own: calls take as long as they take."""
KILLED = "killed"
"""How an episode ended whose process was killed."""
LIVE = "live"
"""Who acts in a tape, and how: its turns say more."""

Row = Mapping[str, NDArray]
"""How the world looks at one moment, by column."""


class ProgramTape:
    """Turns of calls, in the plain values of `octoworld.data.programs`.

    `begin` opens a turn (a program, or calls by hand), each `call` says what it did and how the
    world looks after it, `end` closes the turn. With a journal each of them is on disk at once.
    """

    def __init__(
        self,
        instruction: str,
        info: Mapping[str, Any],
        now: Row,
        open_journal: Callable[[Mapping[str, Any]], Journal] | None = None,
    ) -> None:
        """Of a world that looks like `now`; `info` are facts of the episode."""
        self._header = {"kind": CALLS, "instruction": instruction, "info": dict(info)}
        self._rows: list[Row] = [dict(now)]
        self._notes: list[dict[str, Any]] = []
        self.journal = None if open_journal is None else open_journal(self._header)
        """Of this episode, if one is kept."""
        if self.journal is not None:
            self._header["info"][RECORDING] = self.journal.id
            self.journal.row(now)

    def begin(self, plan: str, program: str = "") -> None:
        """A turn begins; calls by hand have no program before they are made."""
        self._note({"begin": {"plan": plan, "program": program}})

    def call(self, done: Mapping[str, Any], progress: float, success: bool, after: Row) -> None:
        """A call is `done`, with what it `changed`; so much of the goal holds after it."""
        self._rows.append(dict(after))
        if self.journal is not None:  # the note last: it makes the call count
            self.journal.row(after)
        self._note({"call": dict(done), "progress": progress, "success": success})

    def end(self, **told: str) -> None:
        """The turn is over: its `error`, `output` and `feedback`."""
        self._note({"end": told})

    def _note(self, note: dict[str, Any]) -> None:
        self._notes.append(note)
        if self.journal is not None:
            self.journal.note(note)

    def episodes(self, ended: str) -> list[Episode]:
        """The episode, if anything was called."""
        return _episodes(self._header, self._rows, self._notes, ended)


def taken_up(found: Unfinished) -> list[Episode]:
    """The episode of a journal that a ProgramTape has left, as far as it came."""
    recording = {RECORDING: found.header[RECORDING]}
    header = found.header | {"info": found.header["info"] | recording}
    return _episodes(header, found.rows, found.notes, KILLED)


def program_episode(
    instruction: str,
    info: Mapping[str, Any],
    facts: Mapping[str, Any],
    rows: Sequence[Row],
    progress: Sequence[float],
    success: bool,
) -> Episode:
    """The Episode of C calls: a row before each of them, and one at the end of each turn.

    Args:
        instruction: the task.
        info: facts of the episode.
        facts: `info["program"]`, see `octoworld.data.programs`.
        rows: how the world looked before each call and after the last, C + 1.
        progress: share of the goal that held after each call, C.
        success: whether all of it holds at the end.
    """
    shown, actions, gains, reached, call = [], [], [], 0.0, 0
    for turn in facts["turns"]:
        for done in turn["calls"]:
            shown.append(rows[call])
            actions.append(_number(done["skill"]))
            gains.append(progress[call] - reached)
            reached = progress[call]
            call += 1
        # between two turns nothing changes: the end of one looks like the start of the next
        shown.append(rows[call])
        actions.append(_number(""))
        gains.append(0.0)
    end = np.arange(len(shown)) == len(shown) - 1
    columns = {name: np.stack([row[name] for row in shown]) for name in rows[0]} | {
        "action": np.array(actions, np.float32)[:, None],
        "next.reward": np.array(gains, np.float32),
        "next.success": end & success,
        "next.done": end,
    }
    info = {**info, "first_success": len(shown) - 1 if success else -1, PROGRAM: dict(facts)}
    names = {"action": ("skill",), "observation.state": ("x", "y", "yaw", "holds", "seconds")}
    return Episode(columns, instruction, FPS, info, names)


def written(call: Mapping[str, Any]) -> str:
    """A call as a line of a program."""
    return f"{call['skill']}({', '.join(repr(a) for a in call['args'])})"


def _number(skill: str) -> int:
    """Of the skill, -1 at the end of a turn: LeRobot wants an action in each row."""
    return list(SKILLS).index(skill) if skill in SKILLS else -1


def _episodes(
    header: Mapping[str, Any], rows: Sequence[Row], notes: Sequence[Mapping[str, Any]], ended: str
) -> list[Episode]:
    turns: list[dict[str, Any]] = []
    progress: list[float] = []
    success = False
    for note in notes:
        if "begin" in note:
            blank = {"problem": "", "error": "", "output": "", "feedback": "", "calls": []}
            turns.append(blank | note["begin"])
        elif "end" in note:
            turns[-1] |= note["end"]
        else:
            turns[-1]["calls"].append(note["call"])
            progress.append(note["progress"])
            success = note["success"]
    if not progress:
        return []
    turns = [turn for turn in turns if turn["calls"] or turn["error"]]
    for turn in turns:  # what was called by hand is the program of its turn
        turn["program"] = turn["program"] or "".join(f"{written(c)}\n" for c in turn["calls"])
    facts = {
        "agent": LIVE, "strategy": LIVE, "ended": ended, "progress": progress[-1], "turns": turns
    }  # fmt: skip
    return [program_episode(header["instruction"], header["info"], facts, rows, progress, success)]
