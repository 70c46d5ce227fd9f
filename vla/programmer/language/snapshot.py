"""A suspended program as JSON: what its variables share stays shared after it is read back."""

from __future__ import annotations

import dataclasses
from typing import Any

from octoworld.core.errors import ConfigError

from ..limits import Limits
from ..skills import Skill
from ..steps import Call
from .compiler import compile_program
from .machine import Frame, Iterator, Machine

VERSION = 1
_FLOATS = {"inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}


def save(machine: Machine) -> dict[str, Any]:
    """The whole state of a machine that waits at a call, in JSON's own types."""
    if machine.waiting is None:
        raise ConfigError("only a program that waits at a skill call can be saved")
    heap = _Heap()
    frames = [
        [
            f.code,
            f.pc,
            [heap.put(v) for v in f.stack],
            {k: heap.put(v) for k, v in f.variables.items()},
        ]
        for f in machine.frames
    ]
    call = machine.waiting
    return {
        "version": VERSION,
        "source": machine.program.source,
        "skills": [skill.text for skill in machine.skills.values()],
        "limits": dataclasses.asdict(machine.meter.limits),
        "used": machine.meter.state(),
        "output": list(machine.output),
        "functions": dict(machine.functions),
        "frames": frames,
        "call": [call.name, [heap.put(value) for value in call.args], call.line],
        "heap": heap.cells,
    }


def load(state: dict[str, Any]) -> Machine:
    """A machine that waits where `save` found it. The state is the host's own, never a model's."""
    if state.get("version") != VERSION:
        raise ConfigError(f"snapshot of version {state.get('version')!r}; expected {VERSION}")
    skills = {skill.name: skill for skill in map(Skill.parse, state["skills"])}
    program = compile_program(state["source"], frozenset(skills))
    machine = Machine(program, skills, Limits(**state["limits"]))
    machine.meter.load(state["used"])
    machine.output = list(state["output"])
    machine.functions = dict(state["functions"])
    values = _values(state["heap"])
    get = values.__getitem__
    machine.frames = []
    for code, pc, stack, variables in state["frames"]:
        frame = Frame(code, {name: get(at) for name, at in variables.items()})
        frame.pc, frame.stack = pc, [get(at) for at in stack]
        machine.frames.append(frame)
    name, args, line = state["call"]
    machine.waiting = Call(name, tuple(get(at) for at in args), line, machine.meter.usage())
    return machine


class _Heap:
    """Values by number; a value seen twice keeps its number."""

    def __init__(self) -> None:
        self.cells: list[Any] = []
        self.numbers: dict[int, int] = {}

    def put(self, value: Any) -> int:
        """The number of a value. Without recursion: a list may contain itself a thousand times."""
        pending: list[Any] = []

        def number(value: Any) -> int:
            if id(value) not in self.numbers:
                self.numbers[id(value)] = len(self.cells)
                self.cells.append(value)  # until its cell takes its place
                pending.append(value)
            return self.numbers[id(value)]

        result = number(value)
        while pending:
            next_ = pending.pop()
            self.cells[self.numbers[id(next_)]] = _cell(next_, number)
        return result


def _cell(value: Any, number: Any) -> Any:
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return ["float", repr(value)]
    if type(value) is range:
        return ["range", value.start, value.stop, value.step]
    if type(value) is dict:
        return ["dict", *((number(k), number(v)) for k, v in value.items())]
    if type(value) is Iterator:
        return ["iterator", number(value.values), value.position]
    return [type(value).__name__, *map(number, value)]


def _values(cells: list[Any]) -> list[Any]:
    """The values of all cells: containers are made empty and filled, tuples from inside out."""
    values: list[Any] = [_empty(cell) for cell in cells]
    for at in range(len(cells)):
        _fill_tuple(at, cells, values)
    for cell, value in zip(cells, values, strict=True):
        if type(value) is list:
            value += [values[at] for at in cell[1:]]
        elif type(value) is dict:
            value.update((values[k], values[v]) for k, v in cell[1:])
        elif type(value) is Iterator:
            value.values = values[cell[1]]
    return values


def _empty(cell: Any) -> Any:
    if not isinstance(cell, list | tuple):
        return cell
    kind = cell[0]
    if kind == "float":
        return _FLOATS[cell[1]] if cell[1] in _FLOATS else float(cell[1])
    if kind == "range":
        return range(*cell[1:])
    if kind == "iterator":
        return Iterator((), cell[2])
    return {"list": list, "dict": dict, "tuple": lambda: None}[kind]()


def _fill_tuple(root: int, cells: list[Any], values: list[Any]) -> None:
    """Make the tuple at `root` after those that it contains; a tuple cannot contain itself."""
    pending = [root]
    while pending:
        at = pending[-1]
        cell = cells[at]
        if values[at] is not None or not (isinstance(cell, list | tuple) and cell[0] == "tuple"):
            pending.pop()
            continue
        inner = [
            i
            for i in cell[1:]
            if values[i] is None and isinstance(cells[i], list | tuple) and cells[i][0] == "tuple"
        ]
        if inner:
            pending += inner
        else:
            values[at] = tuple(values[i] for i in cell[1:])
            pending.pop()
