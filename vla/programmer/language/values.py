"""Plain values with bounds: comparison, text and copies that never walk further than is paid for.

Programs hold None, bool, int, float, str, list, tuple, dict and range, of exactly these types.
Lists may share parts and contain themselves, so CPython's own `==`, `repr` and `hash` on them could
take time that doubles with every line of the program; each walk here charges the meter instead.
"""

from __future__ import annotations

import math
from typing import Any

from octoworld.core.errors import ConfigError

from ..limits import Meter
from ..steps import ProgramError

SCALARS = (type(None), bool, int, float, str)
MAX_INT = 2**63 - 1
"""No arithmetic is slow or large below it; robots need no more."""
MAX_WALK = 30
"""Containers within each other that a comparison, a text or a skill's argument may have."""
ITEM_BYTES = 8
CONTAINER_BYTES = 64


def type_name(value: Any) -> str:
    """`int`, `list`, ...: how messages call a value."""
    return "None" if value is None else type(value).__name__


def shown(value: Any) -> str:
    """A value in a message: short whatever its size, since a tuple may repeat a long string."""
    if type(value) is str:
        return repr(value[:60])
    if type(value) in SCALARS:
        return repr(value)
    return f"a {type_name(value)} of {len(value)}"


def checked(value: Any) -> Any:
    """A number that arithmetic made, if it is one of the language's. ProgramError `value`."""
    kind = type(value)
    if kind is int and not -MAX_INT <= value <= MAX_INT:
        raise ProgramError("value", "an integer beyond 64 bits")
    if kind is complex:
        raise ProgramError("value", "a root of a negative number")
    return value


def equal(a: Any, b: Any, meter: Meter, depth: int = 0) -> bool:
    """`a == b`."""
    if type(a) in SCALARS or type(b) in SCALARS:
        if type(a) is str and type(b) is str:
            meter.spend(min(len(a), len(b)) >> 6)
        return type(a) in SCALARS and type(b) in SCALARS and a == b
    if type(a) is not type(b):
        return False
    if depth > MAX_WALK:
        raise ProgramError("value", "values nested too deeply to compare")
    if type(a) is range:
        return a == b
    meter.spend(1)
    if len(a) != len(b):
        return False
    if type(a) is dict:
        return all(k in b and equal(v, b[k], meter, depth + 1) for k, v in a.items())
    return all(equal(x, y, meter, depth + 1) for x, y in zip(a, b, strict=True))


def less(a: Any, b: Any, meter: Meter, depth: int = 0) -> bool:
    """`a < b` of numbers, strings, or lists and tuples of them."""
    numbers = (bool, int, float)
    if type(a) in numbers and type(b) in numbers:
        return a < b
    if type(a) is type(b) is str:
        meter.spend(min(len(a), len(b)) >> 6)
        return a < b
    if type(a) is type(b) and type(a) in (list, tuple):
        if depth > MAX_WALK:
            raise ProgramError("value", "values nested too deeply to compare")
        for x, y in zip(a, b, strict=False):
            meter.spend(1)
            if not equal(x, y, meter, depth + 1):
                return less(x, y, meter, depth + 1)
        return len(a) < len(b)
    raise ProgramError("type", f"{type_name(a)} and {type_name(b)} have no order")


def key(value: Any, meter: Meter) -> Any:
    """A value that may be the key of a dict: a scalar, or a tuple of scalars."""
    if type(value) is tuple:
        meter.spend(len(value))
        if all(type(part) in SCALARS for part in value):
            return value
    if type(value) in SCALARS:
        if type(value) is str:
            meter.spend(len(value) >> 6)
        return value
    raise ProgramError(
        "type", f"a key is a string, number or tuple of these, not {type_name(value)}"
    )


def text(value: Any, meter: Meter, *, quoted: bool = False) -> str:
    """`str(value)`, or `repr(value)`, charged to memory while it grows."""
    if type(value) is str and not quoted:
        return value
    pieces: list[str] = []
    _write(value, pieces, meter, 0)
    return "".join(pieces)


def _write(value: Any, pieces: list[str], meter: Meter, depth: int) -> None:
    if depth > MAX_WALK:
        raise ProgramError("value", "values nested too deeply to print")
    meter.spend(1)
    if type(value) in (list, tuple, dict):
        opening, closing = {list: "[]", tuple: "()", dict: "{}"}[type(value)]
        pieces.append(opening)
        for i, part in enumerate(value):
            if i:
                pieces.append(", ")
            _write(part, pieces, meter, depth + 1)
            if type(value) is dict:
                pieces.append(": ")
                _write(value[part], pieces, meter, depth + 1)
        pieces.append("," + closing if type(value) is tuple and len(value) == 1 else closing)
        meter.allocate(2 * len(value) + 2)
    else:
        if type(value) is str:
            meter.allocate(10 * len(value))  # '\U0001f600' for one character, at worst
        piece = repr(value)
        meter.allocate(len(piece))
        pieces.append(piece)


def copied(value: Any, meter: Meter, depth: int = 0) -> Any:
    """A deep copy, so that neither side of a skill call holds what the other can write to."""
    kind = type(value)
    if kind in SCALARS:
        if kind is float and not math.isfinite(value):
            raise ProgramError("value", f"{value} is no argument for a skill")
        if kind is str:  # each time that it occurs, as it will be written down
            meter.allocate(len(value))
        return value
    if depth > MAX_WALK:
        raise ProgramError("value", "an argument nested too deeply, or within itself")
    meter.spend(1)
    if kind is range:
        raise ProgramError("type", "a range is no argument for a skill; use list(range(...))")
    meter.allocate(CONTAINER_BYTES + ITEM_BYTES * len(value))
    if kind is dict:
        return {k: copied(v, meter, depth + 1) for k, v in value.items()}
    return kind(copied(part, meter, depth + 1) for part in value)


def admitted(value: Any, meter: Meter, depth: int = 0) -> Any:
    """What a skill returned, copied to plain types. ConfigError for a host object."""
    if depth > MAX_WALK:
        raise ConfigError("a skill returned values nested too deeply")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        meter.allocate(len(value))
        return str.__str__(value)
    if isinstance(value, int):
        return checked(int(value))
    if isinstance(value, float):
        return float(value)
    if isinstance(value, list | tuple | dict):
        meter.allocate(CONTAINER_BYTES + ITEM_BYTES * len(value))
        if isinstance(value, dict):
            return {
                key(admitted(k, meter, depth + 1), meter): admitted(v, meter, depth + 1)
                for k, v in value.items()
            }
        kind = list if isinstance(value, list) else tuple
        return kind(admitted(part, meter, depth + 1) for part in value)
    raise ConfigError(
        f"a skill returned {value!r} of type {type(value).__name__}; "
        "programs receive None, bool, int, float, str, list, tuple and dict"
    )
