"""What a program does next: call a skill, end, or fail. The vocabulary of every runner."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

ErrorKind: TypeAlias = Literal[
    "syntax",
    "unsupported",
    "forbidden",
    "name",
    "arguments",
    "type",
    "value",
    "assertion",
    "skill",
    "source",
    "nesting",
    "recursion",
    "steps",
    "memory",
    "output",
    "calls",
    "seconds",
    "crash",
]
"""Why a program failed.

`syntax`: it does not parse. `unsupported`: it does, with something that the language leaves out.
`forbidden`: it asked for a file, the network, a clock or the machine. `name`: an unknown variable,
function or skill. `arguments`: a skill or function was called with the wrong ones. `type`, `value`,
`assertion`: as in Python. `skill`: a skill could not be carried out. `source`, `nesting`,
`recursion`, `steps`, `memory`, `output`, `calls`, `seconds`: a limit was reached. `crash`: the
process that ran the program died.
"""
ERROR_KINDS: tuple[str, ...] = get_args(ErrorKind)
LIMIT_KINDS = frozenset(
    ("source", "nesting", "recursion", "steps", "memory", "output", "calls", "seconds")
)


class ProgramError(Exception):
    """The program's own mistake, raised and caught inside a runner; never reaches a user.

    It is no OctoworldError: a model's broken program is an observation, not a broken set-up.
    """

    def __init__(self, kind: ErrorKind, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.message = message
        self.line = line


@dataclass(frozen=True)
class Usage:
    """What a program has used so far, in the currencies of `Limits`."""

    steps: int = 0
    """Interpreted instructions; 0 where a runner measures time instead."""
    memory: int = 0
    """Bytes of all values ever made, roughly; 0 where a runner limits the heap instead."""
    calls: int = 0
    """Skill calls, the suspended one included."""
    seconds: float = 0.0
    """Simulated seconds that the skills took."""


@dataclass(frozen=True)
class Call:
    """The program is suspended at a skill call and waits for `resume` or `fail`."""

    name: str
    args: tuple[Any, ...]
    """Plain data in the order of the skill's parameters, without those that were left out."""
    line: int
    """Line of the source, from 1."""
    usage: Usage = field(default=Usage(), compare=False)

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.args))})"


@dataclass(frozen=True)
class Finished:
    """The program ran to its end."""

    output: str = ""
    """What it printed."""
    usage: Usage = field(default=Usage(), compare=False)


@dataclass(frozen=True)
class Failed:
    """The program ended early; the scene keeps what was done before."""

    kind: ErrorKind
    message: str
    line: int
    """Line of the source, from 1; 0 when the whole source is meant."""
    output: str = ""
    usage: Usage = field(default=Usage(), compare=False)

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.kind}: {self.message}"


Step: TypeAlias = Call | Finished | Failed
