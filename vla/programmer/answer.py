"""Answer: plan and program, as they are read out of what a model wrote."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

ProblemKind: TypeAlias = Literal[
    "no_program", "cut_off", "empty", "too_long", "refused",
    "down", "timeout", "html", "status", "format",
]  # fmt: skip
"""Why there is no program.

In the text: `no_program`: no code in it. `cut_off`: it ends within the code. `empty`: it is empty.
`too_long`: beyond MAX_ANSWER. `refused`: the model or its filter declined.
At the endpoint: `down`: nobody answers. `timeout`: not in time. `html`: a web page. `status`: an
HTTP error. `format`: not what a chat completion looks like.
"""
ENDPOINT_PROBLEMS = frozenset(("down", "timeout", "html", "status", "format"))
MAX_ANSWER = 200_000
"""Characters of an answer that are looked at; models that repeat themselves write without end."""

_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*```[ \t]*(\w*)[^\n]*\n", re.MULTILINE)
_CLOSING = re.compile(r"^[ \t]*```[ \t]*$", re.MULTILINE)
_HEADING = re.compile(
    r"\A[^\w\n]{0,8}plan[ \t]{0,8}(?:[^\w\n]{0,8}$|:[ \t]*)", re.IGNORECASE | re.MULTILINE
)
_LANGUAGES = ("", "python", "py", "python3")


@dataclass(frozen=True)
class Problem:
    """Why an agent has no program to give."""

    kind: ProblemKind
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


@dataclass(frozen=True)
class Answer:
    """What an agent wants to do next."""

    plan: str
    program: str
    text: str = ""
    """All that the model wrote."""
    problem: Problem | None = None
    """Set where there is no program."""
    tokens: tuple[int, int] = (0, 0)
    """Of the prompt and of the answer, as far as the endpoint tells."""


def parse_answer(text: str, *, is_cut: bool = False, tokens: tuple[int, int] = (0, 0)) -> Answer:
    """Read plan and program: a plan in words, then a fenced block; or JSON with both as keys.

    The last block of code counts, since models try things before. `is_cut` says that the model was
    stopped by its token limit. Never raises: what cannot be read is a problem in the answer.
    """
    problem: Problem | None = None
    plan, program = "", ""
    readable = _THOUGHT.sub("", text).strip()
    if len(text) > MAX_ANSWER:
        problem = Problem("too_long", f"an answer of {len(text)} characters")
    elif not readable:
        problem = Problem("empty", "the answer is empty")
    elif (given := _json(readable)) is not None:
        plan, program = str(given.get("plan", "")), str(given["program"])
    else:
        plan, program, problem = _fenced(readable + "\n", is_cut)
    if problem is None and not program.strip():
        problem = Problem("no_program", "the block of code is empty")
    return Answer(plan, program, text, problem, tokens)


def _json(text: str) -> dict[str, Any] | None:
    """Answers of endpoints that are held to a JSON schema."""
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("program"), str) else None


def _fenced(text: str, is_cut: bool) -> tuple[str, str, Problem | None]:
    blocks: list[tuple[int, str]] = []
    position = 0
    while found := _FENCE.search(text, position):
        closing = _CLOSING.search(text, found.end())
        if closing is None:
            message = "the block of code is not closed; write a shorter answer"
            return _plan(text[: found.start()]), "", Problem("cut_off", message)
        if found[1].lower() in _LANGUAGES:
            blocks.append((found.start(), text[found.end() : closing.start()]))
        position = closing.end()
    if blocks:
        start, program = blocks[-1]
        return _plan(text[:start]), program, None
    if is_cut:
        return _plan(text), "", Problem("cut_off", "the answer was cut before its program")
    return _plan(text), "", Problem("no_program", "no block of code: ```python ... ```")


def _plan(text: str) -> str:
    """The words before the code, without headings."""
    before, _, last = text.strip().rpartition("\n")
    if re.sub(r"\W", "", last).lower() in ("code", "program"):
        text = before
    return _HEADING.sub("", text.strip()).strip()
