"""Methods of strings, lists and dicts: ours by name and type, never looked up on a host object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..limits import Meter
from ..steps import ProgramError
from .builtins import check_arguments, sort
from .operators import elements, listed, make
from .values import equal, key, shown, type_name

_MISSING = object()


def _append(meter: Meter, a: list[Any], value: Any) -> None:
    meter.allocate(8)
    a.append(value)


def _extend(meter: Meter, a: list[Any], values: Any) -> None:
    a.extend(listed(values, meter))


def _insert(meter: Meter, a: list[Any], at: Any, value: Any) -> None:
    meter.allocate(8)
    meter.spend(len(a) >> 6)
    a.insert(_position(at), value)


def _find(meter: Meter, a: Any, value: Any) -> int:
    for i, part in enumerate(a):
        meter.spend(1)
        if equal(part, value, meter):
            return i
    raise ProgramError("value", "that value is not in the list")


def _remove(meter: Meter, a: list[Any], value: Any) -> None:
    del a[_find(meter, a, value)]


def _count(meter: Meter, a: Any, value: Any) -> int:
    if type(a) is str:
        meter.spend(len(a))
        return a.count(_string(value))
    meter.spend(len(a))
    return sum(equal(part, value, meter) for part in a)


def _pop_list(meter: Meter, a: list[Any], at: Any = -1) -> Any:
    meter.spend(len(a) >> 6)
    if not -len(a) <= _position(at) < len(a):
        raise ProgramError("value", f"pop at {at} of {len(a)} elements")
    return a.pop(at)


def _pop_dict(meter: Meter, a: dict[Any, Any], name: Any, default: Any = _MISSING) -> Any:
    name = key(name, meter)
    if name not in a and default is _MISSING:
        raise ProgramError("value", f"no key {shown(name)}")
    return a.pop(name, default)


def _sort(meter: Meter, a: list[Any], *, reverse: Any = False) -> None:
    make(list, len(a), meter)
    a[:] = sort(list(a), bool(reverse), meter)


def _reverse(meter: Meter, a: list[Any]) -> None:
    meter.spend(len(a) >> 3)
    a.reverse()


def _copy(meter: Meter, a: Any) -> Any:
    make(type(a), len(a), meter)
    return a.copy()


def _get(meter: Meter, a: dict[Any, Any], name: Any, default: Any = None) -> Any:
    return a.get(key(name, meter), default)


def _keys(meter: Meter, a: dict[Any, Any]) -> list[Any]:
    return listed(a, meter)


def _values(meter: Meter, a: dict[Any, Any]) -> list[Any]:
    make(list, len(a), meter)
    return list(a.values())


def _items(meter: Meter, a: dict[Any, Any]) -> list[Any]:
    meter.allocate(80 * len(a))
    return list(a.items())


def _lower(meter: Meter, a: str) -> str:
    make(str, 3 * len(a), meter)
    return a.lower()


def _upper(meter: Meter, a: str) -> str:
    make(str, 3 * len(a), meter)  # 'ΐ'.upper() is three characters
    return a.upper()


def _strip(meter: Meter, a: str, characters: Any = None) -> str:
    make(str, len(a), meter)
    return a.strip(None if characters is None else _string(characters)[:100])


def _split(meter: Meter, a: str, separator: Any = None) -> list[str]:
    meter.allocate(64 * (len(a) + 1))
    meter.spend(len(a) >> 3)
    if separator == "":
        raise ProgramError("value", "split by an empty string")
    return a.split(None if separator is None else _string(separator))


def _join(meter: Meter, a: str, values: Any) -> str:
    parts = elements(values, meter)
    meter.spend(len(parts))
    length = sum(len(_string(part)) for part in parts) + len(a) * len(parts)
    make(str, length, meter)
    return a.join(parts)


def _starts(meter: Meter, a: str, start: Any) -> bool:
    return a.startswith(_string(start))


def _ends(meter: Meter, a: str, end: Any) -> bool:
    return a.endswith(_string(end))


def _replace(meter: Meter, a: str, old: Any, new: Any) -> str:
    meter.spend(len(a) >> 2)
    found = a.count(_string(old))
    make(str, len(a) + found * len(_string(new)), meter)
    return a.replace(old, new)


def _string(value: Any) -> str:
    if type(value) is not str:
        raise ProgramError("type", f"expected a str, not {type_name(value)}")
    return value


def _position(value: Any) -> int:
    if type(value) is not int:
        raise ProgramError("type", f"a position is an int, not {type_name(value)}")
    return value


_Entry = tuple[Callable[..., Any], int, int, tuple[str, ...]]
_LIST: dict[str, _Entry] = {
    "append": (_append, 1, 1, ()),
    "extend": (_extend, 1, 1, ()),
    "insert": (_insert, 2, 2, ()),
    "remove": (_remove, 1, 1, ()),
    "index": (_find, 1, 1, ()),
    "count": (_count, 1, 1, ()),
    "pop": (_pop_list, 0, 1, ()),
    "sort": (_sort, 0, 0, ("reverse",)),
    "reverse": (_reverse, 0, 0, ()),
    "copy": (_copy, 0, 0, ()),
}
_DICT: dict[str, _Entry] = {
    "get": (_get, 1, 2, ()),
    "keys": (_keys, 0, 0, ()),
    "values": (_values, 0, 0, ()),
    "items": (_items, 0, 0, ()),
    "pop": (_pop_dict, 1, 2, ()),
    "copy": (_copy, 0, 0, ()),
}
_STR: dict[str, _Entry] = {
    "lower": (_lower, 0, 0, ()),
    "upper": (_upper, 0, 0, ()),
    "strip": (_strip, 0, 1, ()),
    "split": (_split, 0, 1, ()),
    "join": (_join, 1, 1, ()),
    "startswith": (_starts, 1, 1, ()),
    "endswith": (_ends, 1, 1, ()),
    "replace": (_replace, 2, 2, ()),
    "count": (_count, 1, 1, ()),
}
_TUPLE: dict[str, _Entry] = {"index": _LIST["index"], "count": _LIST["count"]}
TYPES = {list: _LIST, dict: _DICT, str: _STR, tuple: _TUPLE}


def call_method(
    receiver: Any, name: str, args: list[Any], keywords: dict[str, Any], meter: Meter
) -> Any:
    """`receiver.name(args)`. ProgramError `type` where the receiver has no such method."""
    methods = TYPES.get(type(receiver), {})
    if name not in methods:
        known = ", ".join(methods) or "none"
        raise ProgramError("type", f"{type_name(receiver)} has no method {name}; it has {known}")
    function, fewest, most, known_keywords = methods[name]
    check_arguments(name, len(args), keywords, fewest, most, known_keywords)
    return function(meter, receiver, *args, **keywords)
