"""Parsing of a verb's arguments, with errors that fit one line as all others do."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import re
from collections.abc import Iterator
from typing import NoReturn, TypeVar

from octoworld.core.errors import ConfigError

T = TypeVar("T")


def parse(cls: type[T], verb: str, argv: list[str]) -> T:
    """The dataclass `cls` filled from `argv`; `--help` prints and leaves.

    A field that is a truth value or None is a switch, too: `--live`, `--no-live`.

    Raises:
        ConfigError: an option is unknown, missing or of another type.
    """
    import tyro

    prog = f"octoworld {verb}"
    with plain_errors(prog):
        return tyro.cli(cls, prog=prog, args=_spelled_out(cls, argv))


def _spelled_out(cls: type, argv: list[str]) -> list[str]:
    """`--live` as `--live True`, which is all that tyro takes for `live: bool | None`."""
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    either = {f.name.replace("_", "-") for f in fields if f.type == "bool | None"}
    words: list[str] = []
    for word, after in zip(argv, [*argv, ""][1:], strict=True):
        name = word.removeprefix("--")
        if word.startswith("--no-") and name.removeprefix("no-") in either:
            words += [f"--{name.removeprefix('no-')}", "False"]
        elif word.startswith("--") and name in either and after not in ("True", "False", "None"):
            words += [word, "True"]
        else:
            words.append(word)
    return words


@contextlib.contextmanager
def plain_errors(prog: str) -> Iterator[None]:
    """What tyro says about wrong arguments, as a ConfigError of one line."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            yield
    except SystemExit as leave:
        if leave.code != 2:
            raise
        raise ConfigError(f"{one_line(said.getvalue())} (`{prog} --help` explains)") from None


def one_line(box: str) -> str:
    """What a framed message of tyro says, without frame, heading and advice on `--help`."""
    lines = [re.sub(r"^[│|]\s?|\s*[│|]$", "", line).strip() for line in box.splitlines()[1:]]
    parts, part = [], []
    for line in lines:
        if line and not set(line) <= set("─╰╯╭╮"):
            part.append(line)
        elif part:
            parts.append(" ".join(part))
            part = []
    told = [p for p in parts if not p.startswith("For full helptext")]
    return "; ".join(p.rstrip(".") for p in told)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are ConfigErrors, which the command prints in one line."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong."""
        raise ConfigError(f"{message} (`{self.prog} --help` explains)")
