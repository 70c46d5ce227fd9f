"""Skills as a program sees them: a name, parameters and a sentence. No host object behind them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from octoworld.core.errors import ConfigError

from .language.words import BUILTINS, KEYWORDS
from .steps import ProgramError

_SIGNATURE = re.compile(r"(?P<name>[A-Za-z]\w*)\((?P<parameters>[^()]*)\)", re.ASCII)
_PARAMETER = re.compile(r"(?P<name>[A-Za-z]\w*)(?P<type>\s*:[^=]+)?(?P<default>\s*=.+)?", re.ASCII)


@dataclass(frozen=True)
class Skill:
    """One thing that the robot can do."""

    name: str
    parameters: tuple[str, ...]
    required: int
    """How many of `parameters`, from the first, must be given."""
    text: str
    """Signature and meaning as the model reads them, e.g. `open(thing) -> bool: open a door`."""

    @classmethod
    @lru_cache(maxsize=1024)  # the same few texts for every program
    def parse(cls, text: str) -> Skill:
        """From a signature text, `pour(thing, into, amount=1.0) -> bool: what it does`.

        Types and defaults are for the reader; a default only says that a parameter may be left out.
        Raises ConfigError for a text that is none, or a name that the language itself uses.
        """
        signature = _SIGNATURE.match(text.strip())
        if signature is None:
            raise ConfigError(f"{text!r} is no skill; expected 'name(parameter, ...): meaning'")
        name = signature["name"]
        if name in KEYWORDS or name in BUILTINS:
            raise ConfigError(f"a skill cannot be called {name!r}: the language uses that name")
        parameters: list[str] = []
        required = 0
        for part in filter(None, map(str.strip, signature["parameters"].split(","))):
            parameter = _PARAMETER.fullmatch(part)
            if parameter is None or parameter["name"] in (*parameters, *KEYWORDS):
                raise ConfigError(f"parameter {part!r} of skill {name!r}: expected a new name")
            if parameter["default"] is None:
                if required < len(parameters):
                    raise ConfigError(
                        f"skill {name!r}: {part!r} follows a parameter with a default"
                    )
                required += 1
            parameters.append(parameter["name"])
        return cls(name, tuple(parameters), required, text.strip())

    def bind(self, args: Sequence[Any], keywords: Mapping[str, Any]) -> tuple[Any, ...]:
        """Arguments in the parameters' order. Raises ProgramError `arguments`."""
        values = dict(zip(self.parameters, args, strict=False))
        if len(args) > len(self.parameters):
            raise self._misfit(f"takes {len(self.parameters)} arguments, not {len(args)}")
        for key, value in keywords.items():
            if key not in self.parameters:
                raise self._misfit(f"has no parameter {key!r}")
            if key in values:
                raise self._misfit(f"got {key!r} twice")
            values[key] = value
        given = [name for name in self.parameters if name in values]
        if tuple(given) != self.parameters[: len(given)] or len(given) < self.required:
            missing = next(name for name in self.parameters if name not in values)
            raise self._misfit(f"needs {missing!r}")
        return tuple(values[name] for name in given)

    def _misfit(self, what: str) -> ProgramError:
        usage = f"{self.name}({', '.join(self.parameters)})"
        return ProgramError("arguments", f"{self.name} {what}; it is {usage}")


Skills: TypeAlias = Mapping[str, str] | Iterable[str] | Iterable[Skill]
"""Signature texts, alone or by name."""


def read_skills(skills: Skills) -> dict[str, Skill]:
    """Skills by name. Raises ConfigError for a bad signature, a name given twice or a wrong key."""
    texts = skills.values() if isinstance(skills, Mapping) else skills
    parsed = [skill if isinstance(skill, Skill) else Skill.parse(skill) for skill in texts]
    named = {skill.name: skill for skill in parsed}
    if len(named) < len(parsed):
        raise ConfigError(f"a skill is given twice: {', '.join(s.name for s in parsed)}")
    if isinstance(skills, Mapping) and list(skills) != list(named):
        raise ConfigError(f"skills named {list(skills)} have signatures of {list(named)}")
    return named


def describe_skills(skills: Skills) -> str:
    """The skills as a list that can be put into a model's prompt."""
    return "\n".join(f"- {skill.text}" for skill in read_skills(skills).values())
