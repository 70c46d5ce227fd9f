"""`stochastic="1:hold,p=0.2+2.2:wear,sudden@300"`: effects from a line of text."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from octoworld.core.errors import ConfigError, UnknownNameError

from .effects import EFFECTS, Effect
from .noise import NOISE

TYPES = EFFECTS | NOISE
"""Type -> name -> effect: STORI's, and the noise that everybody randomises."""
PIXELS = "3.1"
"""Type of another representation: the task is observed in pixels, which no layer over it can do."""


def parse(spec: str) -> tuple[list[Effect], bool]:
    """Effects in their order, and whether pixels stand in for the state.

    Args:
        spec: parts joined by "+", each `TYPE` or `TYPE:words`, words joined by commas: the name of
            an effect, a schedule `sudden@STEPS` or `cyclic@STEPS`, or `field=number`. A TYPE alone
            is its first effect.

    Raises:
        UnknownNameError: no such type or effect; the message lists the choices.
        ConfigError: a word is not understood or a value is out of range.
    """
    effects, pixels = [], False
    for part in spec.split("+"):
        kind, _, rest = part.strip().partition(":")
        words = [w.strip() for w in rest.split(",") if w.strip()]
        if kind == PIXELS:
            if words not in ([], ["pixels"]):
                raise ConfigError(f"stochastic {part!r}: type 3.1 is 3.1 or 3.1:pixels")
            pixels = True
            continue
        if kind not in TYPES:
            raise UnknownNameError("stochastic type", kind, [*TYPES, PIXELS])
        effects.append(_effect(part, kind, words))
    return effects, pixels


def _effect(part: str, kind: str, words: list[str]) -> Effect:
    choices = TYPES[kind]
    name, given = next(iter(choices)), {}
    for word in words:
        key, equals, value = word.partition("=")
        schedule, at, steps = word.partition("@")
        if equals:
            given[key] = _number(part, key, value)
        elif at:
            given |= {"schedule": schedule, "period": _number(part, schedule, steps)}
        elif word in choices:
            name = word
        else:
            raise UnknownNameError(f"effect of type {kind}", word, choices)
    make = choices[name]
    known = {f.name for f in fields(make)}
    for key in given:
        if key not in known:
            raise ConfigError(
                f"stochastic {part!r}: {kind}:{name} has no {key!r}; it has "
                f"{', '.join(sorted(known))}"
            )
    return make(**given)


def _number(part: str, key: str, value: str) -> Any:
    try:
        number = float(value)
    except ValueError:
        raise ConfigError(f"stochastic {part!r}: {key}: {value!r} is no number") from None
    return int(number) if number.is_integer() and "." not in value else number
