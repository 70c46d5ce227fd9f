"""EpisodeRecord: all that was said and done in an episode, kept as lines of JSON.

A file holds any number of episodes. Each is a line `{"event": "episode", ...}`, one line
`{"event": "turn", ...}` per turn, and `{"event": "end", ...}`; each line is written when it has
happened, so that a killed run leaves what it did.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octoworld.core.errors import DatasetError
from octoworld.core.io import write_text

from .answer import Answer, Problem
from .execution import DoneCall, Execution, describe_execution
from .steps import Call, Failed, Finished, Usage

MAX_TEXT = 20_000
"""Characters of a model's text that are kept."""


@dataclass(frozen=True)
class Turn:
    """One program of an episode, or why there was none."""

    number: int
    answer: Answer
    execution: Execution | None = None

    @property
    def ok(self) -> bool:
        """Whether a program was given and came to its end."""
        return self.execution is not None and self.execution.ok

    @property
    def feedback(self) -> str:
        """What the agent is told about it."""
        if self.execution is not None:
            return describe_execution(self.execution)
        return f"Your answer had no program. {self.answer.problem}"

    def as_dict(self) -> dict[str, Any]:
        """The line of the file, without its event."""
        answer, execution = self.answer, self.execution
        line: dict[str, Any] = {
            "turn": self.number,
            "plan": answer.plan[:MAX_TEXT],
            "program": answer.program[:MAX_TEXT],
            "text": answer.text[:MAX_TEXT],
            "tokens": list(answer.tokens),
            "problem": None,
            "calls": [],
            "end": None,
            "feedback": self.feedback,
        }
        if answer.problem is not None:
            line["problem"] = {"kind": answer.problem.kind, "message": answer.problem.message}
        if execution is not None:
            line["calls"] = [done.as_dict() for done in execution.calls]
            line["end"] = _end_dict(execution.end)
        return line


def _end_dict(end: Finished | Failed) -> dict[str, Any]:
    usage = {
        "steps": end.usage.steps,
        "memory": end.usage.memory,
        "calls": end.usage.calls,
        "seconds": round(end.usage.seconds, 3),
    }
    if isinstance(end, Finished):
        return {"status": "finished", "output": end.output, "usage": usage}
    error = {"kind": end.kind, "message": end.message, "line": end.line}
    return {"status": "failed", "error": error, "output": end.output, "usage": usage}


@dataclass
class EpisodeRecord:
    """An episode."""

    instruction: str
    agent: str
    strategy: str
    skills: tuple[str, ...]
    """Signature texts."""
    tags: dict[str, Any] = field(default_factory=dict)
    """What the caller wants to find it by: task, seed, split."""
    turns: list[Turn] = field(default_factory=list)
    ended: str = ""
    """`finished`: the scene said so. `program`: the last program came to its end. `turns` and
    `budget`: there were no more. `model`: it did not answer."""
    success: bool = False
    progress: float = 0.0

    @property
    def programs(self) -> list[str]:
        """All programs that were run, in order: what a replay needs."""
        return [turn.answer.program for turn in self.turns if turn.execution is not None]

    @property
    def calls(self) -> list[DoneCall]:
        """All skill calls, in order."""
        return [done for turn in self.turns if turn.execution for done in turn.execution.calls]


END = '{"event": "end"'
"""How the last line of an episode begins."""


class EpisodeLog:
    """Appends episodes to a file, line by line."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def begin(self, record: EpisodeRecord) -> None:
        """Write the first line of an episode."""
        self._write(
            "episode",
            {
                "instruction": record.instruction,
                "agent": record.agent,
                "strategy": record.strategy,
                "skills": list(record.skills),
                "tags": record.tags,
            },
        )

    def turn(self, turn: Turn) -> None:
        """Write a turn."""
        self._write("turn", turn.as_dict())

    def end(self, record: EpisodeRecord) -> None:
        """Write the last line of an episode."""
        outcome = {k: getattr(record, k) for k in ("ended", "success", "progress")}
        self._write("end", outcome)

    def _write(self, event: str, line: dict[str, Any]) -> None:
        text = json.dumps({"event": event, **line}, allow_nan=False)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")


def read_episodes(path: Path | str) -> list[EpisodeRecord]:
    """Episodes of a file; one that was cut off by a kill has `ended` empty.

    Raises DatasetError naming the line that is damaged, unless it is the last one.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise DatasetError(f"{path} does not exist") from None
    episodes: list[EpisodeRecord] = []
    for number, text in enumerate(lines, 1):
        try:
            _read_line(json.loads(text), episodes)
        except (ValueError, KeyError, TypeError, IndexError):
            if number == len(lines):
                break  # a kill while it was written
            raise DatasetError(f"{path}, line {number}: no line of an episode") from None
    return episodes


def finished_episodes(path: Path | str) -> list[EpisodeRecord]:
    """Episodes of a file that came to their end; what a killed run left of another is cut off.

    So that a run which goes on appends to whole episodes. A file that does not exist has none.

    Raises:
        DatasetError: a line is damaged, unless it is the last one.
    """
    path = Path(path)
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    ends = [i for i, line in enumerate(lines) if line.startswith(END) and line.endswith("\n")]
    whole = lines[: ends[-1] + 1] if ends else []
    if len(whole) < len(lines):
        write_text(path, "".join(whole))
    return read_episodes(path)


def _read_line(line: dict[str, Any], episodes: list[EpisodeRecord]) -> None:
    event = line["event"]
    if event == "episode":
        episodes.append(
            EpisodeRecord(
                line["instruction"],
                line["agent"],
                line["strategy"],
                tuple(line["skills"]),
                line["tags"],
            )
        )
    elif event == "turn":
        episodes[-1].turns.append(_read_turn(line))
    else:
        record = episodes[-1]
        record.ended, record.success, record.progress = (
            line["ended"],
            line["success"],
            line["progress"],
        )


def _read_turn(line: dict[str, Any]) -> Turn:
    problem = Problem(**line["problem"]) if line["problem"] else None
    tokens = (line["tokens"][0], line["tokens"][1])
    answer = Answer(line["plan"], line["program"], line["text"], problem, tokens)
    if line["end"] is None:
        return Turn(line["turn"], answer)
    return Turn(
        line["turn"],
        answer,
        Execution(line["program"], _read_calls(line["calls"]), _read_end(line["end"])),
    )


def _read_calls(calls: Sequence[dict[str, Any]]) -> tuple[DoneCall, ...]:
    return tuple(
        DoneCall(
            Call(c["skill"], tuple(c["args"]), c["line"]),
            c["ok"],
            c["message"],
            c["value"],
            c["seconds"],
            c["code"],
        )
        for c in calls
    )


def _read_end(end: dict[str, Any]) -> Finished | Failed:
    usage = Usage(**end["usage"])
    if end["status"] == "finished":
        return Finished(end["output"], usage)
    error = end["error"]
    return Failed(error["kind"], error["message"], error["line"], end["output"], usage)
