"""Grammar: the programs that the tiny programmer can write, as tables for constrained sampling.

A program is a row of tokens. A *place* token points at one of the pictures and is a whole line,
`go_to('table_1')`. What needs the robot to be at a place says nothing about it: `open` is the line
`open('table_1')` after that. Things are named as they look: `pick mug`, `pick red mug`.

    place 3, pick, red, mug, place 7, place_in, here, close, done
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch

from octoworld.core.errors import ConfigError

Argument = Literal["none", "here", "thing", "here_or_thing"]
"""What a skill is called with: nothing, the place where the robot is, a thing, one of both."""
HERE = "here"

_LINE, _ARGUMENT, _EITHER, _NOUN, _END = range(5)
"""What comes next: a new line, a thing, a thing or `here`, a thing without colour, nothing."""


class Line(NamedTuple):
    """One call of a skill, as it stands in a program."""

    skill: str
    args: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.skill}({', '.join(map(repr, self.args))})"


@dataclass(frozen=True)
class GrammarConfig:
    """The words of programs; the defaults name no world at all."""

    skills: Mapping[str, Argument]
    """Skills beside `go` and `end`, and what each is called with."""
    nouns: tuple[str, ...]
    """Kinds of things."""
    adjectives: tuple[str, ...] = ()
    """What can stand before a kind."""
    go: str = "go_to"
    """Skill that a place token calls."""
    end: str = "done"
    """Skill that ends a program."""

    def __post_init__(self) -> None:
        words = [*self.skills, self.end, HERE, *self.adjectives, *self.nouns]
        if len(set(words)) != len(words):
            twice = sorted({w for w in words if words.count(w) > 1})
            raise ConfigError(f"words of a grammar must differ, these come twice: {twice}")


class Grammar:
    """Tokens 0..size-1 are words; size + i is the place of picture i."""

    def __init__(self, config: GrammarConfig) -> None:
        """Work out which token may follow which."""
        self.config = config
        self.words: tuple[str, ...] = (
            config.end, HERE, *config.skills, *config.adjectives, *config.nouns,
        )  # fmt: skip
        self.size = len(self.words)
        self.index = {word: i for i, word in enumerate(self.words)}
        # a state is what comes next, with and without a place that the robot is at
        self.allowed = torch.zeros(10, self.size + 1, dtype=torch.bool)
        """(states, words + 1) whether a word may come; the last column is for places."""
        self.after = torch.full((10, self.size + 1), 5 + _END)
        """(states, words + 1) the state that it leads to."""
        for has_place in (0, 1):
            self._fill(has_place)

    def _fill(self, has_place: int) -> None:
        base, line = 5 * has_place, 5 * has_place + _LINE

        def add(state: int, words: Sequence[str], then: int) -> None:
            for word in words:
                self.allowed[base + state, self.index[word]] = True
                self.after[base + state, self.index[word]] = then

        for skill, argument in self.config.skills.items():
            if argument == "here" and not has_place:
                continue
            either = _EITHER if has_place else _ARGUMENT
            then = {"none": line, "here": line, "thing": base + _ARGUMENT}.get(
                argument, base + either
            )
            add(_LINE, [skill], then)
        add(_LINE, [self.config.end], base + _END)
        self.allowed[line, self.size] = True
        self.after[line, self.size] = 5 + _LINE
        for state in (_ARGUMENT, _EITHER):
            add(state, self.config.adjectives, base + _NOUN)
            add(state, self.config.nouns, line)
        add(_EITHER, [HERE], line)
        add(_NOUN, self.config.nouns, line)

    def start(self, has_place: torch.Tensor) -> torch.Tensor:
        """(N,) bool whether the robot is at a place -> (N,) int64 states before the first token."""
        return 5 * has_place.long() + _LINE

    def mask(self, states: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
        """States (N,), pictures (N, P) bool -> which tokens may come (N, size + P)."""
        allowed = self.allowed.to(states.device)[states]
        return torch.cat([allowed[:, : self.size], allowed[:, self.size :] & pictures], dim=1)

    def step(self, states: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """States (N,) after tokens (N,); PAD leaves them."""
        column = tokens.clamp(0, self.size)
        return torch.where(tokens < 0, states, self.after.to(states.device)[states, column])

    def ended(self, states: torch.Tensor) -> torch.Tensor:
        """(N,) whether nothing can follow."""
        return states % 5 == _END

    def at_line(self, states: torch.Tensor) -> torch.Tensor:
        """(N,) whether a new line begins."""
        return states % 5 == _LINE

    # -- text --------------------------------------------------------------------------------------

    def lines(self, tokens: Sequence[int], places: Sequence[str], at: str = "") -> list[Line]:
        """The calls that tokens stand for; a last line that is cut off is left out.

        `places` are the names of the pictures, `at` where the robot is before.
        """
        found: list[Line] = []
        waiting, adjective = "", ""
        for token in tokens:
            if token < 0:
                break
            if token >= self.size:
                at = places[token - self.size]
                found.append(Line(self.config.go, (at,)))
                continue
            word = self.words[token]
            argument = self.config.skills.get(word, "none")
            if waiting and word in self.config.adjectives:
                adjective = word
            elif waiting:
                name = at if word == HERE else f"{adjective} {word}".strip()
                found.append(Line(waiting, (name,)))
                waiting, adjective = "", ""
            elif argument in ("none", "here"):
                found.append(Line(word, (at,) if argument == "here" else ()))
            else:
                waiting = word
        return found

    def tokens(self, lines: Sequence[Line], places: Sequence[str], at: str = "") -> list[int]:
        """The tokens of calls, the reverse of `lines`.

        Raises:
            ConfigError: a call that this grammar cannot say.
        """
        row: list[int] = []
        for line in lines:
            row += self._line_tokens(line, places, at)
            if line.skill == self.config.go:
                at = line.args[0]
        return row

    def _line_tokens(self, line: Line, places: Sequence[str], at: str) -> list[int]:
        skill, args = line
        if skill == self.config.go and len(args) == 1 and args[0] in places:
            return [self.size + list(places).index(args[0])]
        if skill == self.config.end and not args:
            return [self.index[skill]]
        argument = self.config.skills.get(skill)
        if argument == "none" and not args:
            return [self.index[skill]]
        if argument is not None and argument != "none" and len(args) == 1:
            if args[0] == at and argument == "here":
                return [self.index[skill]]
            if args[0] == at and argument == "here_or_thing":
                return [self.index[skill], self.index[HERE]]
            words = args[0].split()
            things = (*self.config.adjectives, *self.config.nouns)
            if argument != "here" and words and all(w in things for w in words):
                return [self.index[w] for w in (skill, *words)]
        raise ConfigError(f"the grammar cannot say {line}")


def program_text(lines: Sequence[Line]) -> str:
    """Calls as a program, one a line."""
    return "".join(f"{line}\n" for line in lines)
