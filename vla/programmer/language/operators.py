"""Arithmetic, comparison and indexing on plain values, with the size known before it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..limits import Meter
from ..steps import ProgramError
from .values import (
    CONTAINER_BYTES,
    ITEM_BYTES,
    SCALARS,
    checked,
    equal,
    key,
    less,
    shown,
    type_name,
)

_NUMBERS = (int, float, bool)
MAX_EXPONENT = 64
"""A larger power of an integer is beyond 64 bits, and slow to compute."""


def _power(a: Any, b: Any) -> Any:
    if type(a) is not float and type(b) is not float and b > MAX_EXPONENT and abs(a) > 1:
        raise ProgramError("value", "an integer beyond 64 bits")
    return a**b


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": _power,
}


def binary(operator: str, a: Any, b: Any, meter: Meter) -> Any:
    """`a operator b`: numbers, `+` of strings, lists or tuples, `*` of those with an integer."""
    kind_a, kind_b = type(a), type(b)
    if kind_a in _NUMBERS and kind_b in _NUMBERS:
        try:
            return checked(_ARITHMETIC[operator](a, b))
        except ZeroDivisionError:
            raise ProgramError("value", "division by zero") from None
        except OverflowError:
            raise ProgramError("value", "a number too large") from None
    if operator == "+" and kind_a is kind_b and kind_a in (str, list, tuple):
        make(kind_a, len(a) + len(b), meter)
        return a + b
    if operator == "*" and (kind_b in (str, list, tuple)):
        a, b, kind_a, kind_b = b, a, kind_b, kind_a
    if operator == "*" and kind_a in (str, list, tuple) and kind_b in (int, bool):
        make(kind_a, len(a) * max(int(b), 0), meter)
        return a * b
    raise ProgramError("type", f"{type_name(a)} {operator} {type_name(b)} is not possible")


def make(kind: type, length: int, meter: Meter) -> None:
    """Charge a new string, list, tuple or dict of `length` before it is made."""
    item = 4 if kind is str else 4 * ITEM_BYTES if kind is dict else ITEM_BYTES
    meter.allocate(CONTAINER_BYTES + item * length)
    meter.spend(length >> 6)


def augment(operator: str, a: Any, b: Any, meter: Meter) -> Any:
    """`a operator= b`, which lengthens a list in place."""
    if operator == "+" and type(a) is list:
        values = elements(b, meter)
        make(list, len(values), meter)
        a.extend(values)
        return a
    return binary(operator, a, b, meter)


def unary(operator: str, a: Any) -> Any:
    """`not a`, `-a`, `+a`."""
    if operator == "not":
        return not a
    if type(a) not in _NUMBERS:
        raise ProgramError("type", f"{operator}{type_name(a)} is not possible")
    return -a if operator == "-" else +a


def compare(operator: str, a: Any, b: Any, meter: Meter) -> bool:
    """`a operator b` for the comparisons, `in` and `is`."""
    if operator == "==":
        return equal(a, b, meter)
    if operator == "!=":
        return not equal(a, b, meter)
    if operator in ("in", "not in"):
        return contains(b, a, meter) is (operator == "in")
    if operator in ("is", "is not"):
        if a is not None and b is not None and not (type(a) is bool and type(b) is bool):
            raise ProgramError("type", "is compares with None, True and False only; use ==")
        return (a is b) is (operator == "is")
    if (a != a and type(a) is float) or (b != b and type(b) is float):
        return False  # nan
    if operator == "<":
        return less(a, b, meter)
    if operator == ">":
        return less(b, a, meter)
    if operator == "<=":
        return not less(b, a, meter)
    return not less(a, b, meter)


def contains(container: Any, value: Any, meter: Meter) -> bool:
    """`value in container`."""
    if type(container) is dict:
        return key(value, meter) in container
    if type(container) is str:
        if type(value) is not str:
            raise ProgramError("type", f"{type_name(value)} in str is not possible")
        # CPython's search is linear at best, and the product at worst
        meter.spend(min(len(container) * max(len(value), 1), len(container) * 20) >> 6)
        return value in container
    if type(container) is range:
        return type(value) in (int, bool) and value in container
    if type(container) in (list, tuple):
        for part in container:
            meter.spend(1)
            if equal(part, value, meter):
                return True
        return False
    raise ProgramError("type", f"in {type_name(container)} is not possible")


def index(container: Any, at: Any, meter: Meter) -> Any:
    """`container[at]`."""
    if type(container) is dict:
        name = key(at, meter)
        if name not in container:
            known = ", ".join(shown(k) for k in list(container)[:8])
            raise ProgramError("value", f"no key {shown(at)}; there are {known or 'none'}")
        return container[name]
    _check_position(container, at)
    return container[at]


def store(container: Any, at: Any, value: Any, meter: Meter) -> None:
    """`container[at] = value`."""
    if type(container) is dict:
        meter.allocate(4 * ITEM_BYTES)
        container[key(at, meter)] = value
        return
    if type(container) is not list:
        raise ProgramError("type", f"elements of {type_name(container)} cannot be assigned")
    _check_position(container, at)
    container[at] = value


def _check_position(container: Any, at: Any) -> None:
    if type(container) not in (list, tuple, str, range):
        raise ProgramError("type", f"{type_name(container)} has no elements")
    if type(at) is not int:
        raise ProgramError("type", f"a position is an int, not {type_name(at)}")
    if not -len(container) <= at < len(container):
        raise ProgramError("value", f"position {at} of {len(container)} elements")


def slice_(container: Any, start: Any, stop: Any, step: Any, meter: Meter) -> Any:
    """`container[start:stop:step]`."""
    if type(container) not in (list, tuple, str, range):
        raise ProgramError("type", f"{type_name(container)} has no parts")
    if any(part is not None and type(part) is not int for part in (start, stop, step)):
        raise ProgramError("type", "the bounds of a slice are ints")
    if step == 0:
        raise ProgramError("value", "a slice of step 0")
    window = slice(start, stop, step)
    if type(container) is range:
        part = container[window]
        for bound in (part.start, part.stop, part.step):
            checked(bound)
        return part
    make(type(container), len(range(*window.indices(len(container)))), meter)
    return container[window]


def elements(value: Any, meter: Meter) -> Any:
    """What a loop or a function goes through: the keys of a dict, the letters of a string."""
    if type(value) in (list, tuple, str):
        return value
    if type(value) is range:
        return value
    if type(value) is dict:
        make(list, len(value), meter)
        return list(value)
    raise ProgramError("type", f"{type_name(value)} has no elements to go through")


def listed(value: Any, meter: Meter) -> list[Any]:
    """A new list of the elements."""
    source = elements(value, meter)
    make(list, size(source), meter)
    meter.spend(len(source))
    return list(source)


def size(value: Any) -> int:
    """`len(value)`; a range beyond the host's own index type is too long to matter."""
    if type(value) in SCALARS and type(value) is not str:
        raise ProgramError("type", f"{type_name(value)} has no length")
    try:
        return len(value)
    except OverflowError:
        raise ProgramError("value", "a range of that length") from None
