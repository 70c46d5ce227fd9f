"""The built-in functions. None of them is CPython's own where its time or size has no bound."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from ..limits import Meter
from ..steps import ProgramError
from .operators import binary, elements, listed, make, size
from .values import checked, key, less, shown, text, type_name

_REQUIRED = object()
MAX_DIGITS = 15
"""Decimals that `round` takes: those of a float."""


def _len(meter: Meter, value: Any) -> int:
    return size(value)


def _range(meter: Meter, start: Any, stop: Any = _REQUIRED, step: Any = 1) -> range:
    if stop is _REQUIRED:
        start, stop = 0, start
    for bound in (start, stop, step):
        if type(bound) not in (int, bool):
            raise ProgramError("type", f"range of {type_name(bound)}; its bounds are ints")
    if step == 0:
        raise ProgramError("value", "a range of step 0")
    made = range(int(start), int(stop), int(step))
    size(made)
    return made


def _list(meter: Meter, value: Any = ()) -> list[Any]:
    return listed(value, meter)


def _tuple(meter: Meter, value: Any = ()) -> tuple[Any, ...]:
    return tuple(listed(value, meter))


def _dict(meter: Meter, value: Any = ()) -> dict[Any, Any]:
    if type(value) is dict:
        make(dict, len(value), meter)
        return dict(value)
    pairs = listed(value, meter)
    make(dict, len(pairs), meter)
    if any(type(pair) not in (list, tuple) or len(pair) != 2 for pair in pairs):
        raise ProgramError("type", "dict takes a dict, or pairs of key and value")
    return {key(pair[0], meter): pair[1] for pair in pairs}


def _str(meter: Meter, value: Any = "") -> str:
    return text(value, meter)


def _int(meter: Meter, value: Any = 0) -> int:
    if type(value) is str and len(value) <= 40:
        try:
            return checked(int(value))
        except ValueError:
            pass
    if type(value) is float and math.isfinite(value):
        return checked(int(value))
    if type(value) in (int, bool):
        return int(value)
    raise ProgramError("value", f"{shown(value)} is not an int")


def _float(meter: Meter, value: Any = 0.0) -> float:
    if type(value) is str and len(value) <= 40:
        try:
            return float(value)
        except ValueError:
            pass
    if type(value) in (int, bool, float):
        return float(value)
    raise ProgramError("value", f"{shown(value)} is not a float")


def _bool(meter: Meter, value: Any = False) -> bool:
    return bool(value)


def _abs(meter: Meter, value: Any) -> Any:
    _number("abs", value)
    return abs(value)


def _round(meter: Meter, value: Any, digits: Any = None) -> Any:
    _number("round", value)
    if digits is not None and (type(digits) is not int or abs(digits) > MAX_DIGITS):
        raise ProgramError("value", f"round takes up to {MAX_DIGITS} digits, not {shown(digits)}")
    if type(value) is float and not math.isfinite(value):
        raise ProgramError("value", f"{value} cannot be rounded")
    return checked(round(value, digits))


def _number(name: str, value: Any) -> None:
    if type(value) not in (int, float, bool):
        raise ProgramError("type", f"{name} of {type_name(value)}; it takes a number")


def _extreme(name: str, first_is_better: Callable[[Any, Any, Meter], bool]) -> Callable[..., Any]:
    def function(meter: Meter, *values: Any, default: Any = _REQUIRED) -> Any:
        if not values:
            raise ProgramError("arguments", f"{name} takes values, or a list of them")
        candidates = elements(values[0], meter) if len(values) == 1 else values
        best: Any = _REQUIRED
        for value in candidates:
            meter.spend(1)
            if best is _REQUIRED or first_is_better(value, best, meter):
                best = value
        if best is _REQUIRED and default is _REQUIRED:
            raise ProgramError("value", f"{name} of nothing; give default=")
        return default if best is _REQUIRED else best

    return function


def _sum(meter: Meter, values: Any, start: Any = 0) -> Any:
    _number("sum", start)
    for value in elements(values, meter):
        meter.spend(1)
        start = binary("+", start, value, meter)
    return start


def _sorted(meter: Meter, values: Any, *, reverse: Any = False) -> list[Any]:
    return sort(listed(values, meter), bool(reverse), meter)


def sort(values: list[Any], reverse: bool, meter: Meter) -> list[Any]:
    """A sorted list, comparisons charged."""

    def order(a: Any, b: Any) -> int:
        meter.spend(1)
        return -1 if less(a, b, meter) else 1 if less(b, a, meter) else 0

    return sorted(values, key=functools.cmp_to_key(order), reverse=reverse)


def _any(meter: Meter, values: Any) -> bool:
    meter.spend(size(values) >> 3)
    return any(elements(values, meter))


def _all(meter: Meter, values: Any) -> bool:
    meter.spend(size(values) >> 3)
    return all(elements(values, meter))


def _reversed(meter: Meter, values: Any) -> list[Any]:
    return listed(values, meter)[::-1]


def _enumerate(meter: Meter, values: Any, start: Any = 0) -> list[tuple[Any, Any]]:
    if type(start) is not int:
        raise ProgramError("type", "enumerate starts at an int")
    found = listed(values, meter)
    meter.allocate(len(found) * 80)
    return list(enumerate(found, start))


def _zip(meter: Meter, *values: Any) -> list[tuple[Any, ...]]:
    if not values:
        return []
    shortest = min(size(elements(value, meter)) for value in values)
    meter.spend(shortest)
    meter.allocate(shortest * (64 + 8 * len(values)))
    return list(zip(*(elements(value, meter)[:shortest] for value in values), strict=True))


FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int, tuple[str, ...]]] = {
    # function, fewest and most arguments by position, those by name
    "len": (_len, 1, 1, ()),
    "range": (_range, 1, 3, ()),
    "list": (_list, 0, 1, ()),
    "tuple": (_tuple, 0, 1, ()),
    "dict": (_dict, 0, 1, ()),
    "str": (_str, 0, 1, ()),
    "int": (_int, 0, 1, ()),
    "float": (_float, 0, 1, ()),
    "bool": (_bool, 0, 1, ()),
    "abs": (_abs, 1, 1, ()),
    "round": (_round, 1, 2, ()),
    "min": (_extreme("min", less), 1, 99, ("default",)),
    "max": (_extreme("max", lambda a, b, meter: less(b, a, meter)), 1, 99, ("default",)),
    "sum": (_sum, 1, 2, ("start",)),
    "sorted": (_sorted, 1, 1, ("reverse",)),
    "any": (_any, 1, 1, ()),
    "all": (_all, 1, 1, ()),
    "reversed": (_reversed, 1, 1, ()),
    "enumerate": (_enumerate, 1, 2, ("start",)),
    "zip": (_zip, 0, 99, ()),
}


def call_builtin(name: str, args: list[Any], keywords: dict[str, Any], meter: Meter) -> Any:
    """Call a built-in function by name. ProgramError `arguments` for the wrong number."""
    function, fewest, most, known = FUNCTIONS[name]
    check_arguments(name, len(args), keywords, fewest, most, known)
    if len(args) + len(keywords) > most + len(known):
        raise ProgramError("arguments", f"{name}: too many arguments")
    if len(args) == 2 and "start" in keywords:
        raise ProgramError("arguments", f"{name} got 'start' twice")
    return function(meter, *args, **keywords)


def check_arguments(
    name: str, given: int, keywords: dict[str, Any], fewest: int, most: int, known: tuple[str, ...]
) -> None:
    """ProgramError `arguments` unless a function or method takes them."""
    for keyword in keywords:
        if keyword not in known:
            raise ProgramError("arguments", f"{name} has no argument {keyword!r}")
    if not fewest <= given <= most:
        expected = str(fewest) if fewest == most else f"{fewest} to {most}"
        raise ProgramError("arguments", f"{name} takes {expected} arguments, not {given}")
