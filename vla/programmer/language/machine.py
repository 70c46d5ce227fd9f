"""The stack machine: runs a compiled program up to its next skill call, its end or its error.

Everything that a program is made of while it waits stands in `frames`, `meter` and `output`, as
plain values; there is no generator and no thread behind it.
"""

from __future__ import annotations

import difflib
from typing import Any

from octoworld.core.errors import ConfigError

from ..limits import Limits, Meter
from ..skills import Skill
from ..steps import Call, ErrorKind, Failed, Finished, ProgramError, Step
from .builtins import call_builtin
from .code import Code, CompiledProgram, Op
from .methods import call_method
from .operators import (
    augment,
    binary,
    compare,
    elements,
    index,
    make,
    slice_,
    store,
    unary,
)
from .values import admitted, copied, key, text
from .words import BUILTINS


class Iterator:
    """Where a loop is in what it goes through. Only the machine holds one."""

    __slots__ = ("position", "values")

    def __init__(self, values: Any, position: int = 0) -> None:
        self.values = values
        self.position = position


class Frame:
    """A function that is open."""

    __slots__ = ("code", "pc", "stack", "variables")

    def __init__(self, code: int, variables: dict[str, Any]) -> None:
        self.code = code
        self.pc = 0
        self.stack: list[Any] = []
        self.variables = variables


class Machine:
    """One program. `advance` runs it; `resume` and `fail` answer the call that it waits at."""

    def __init__(self, program: CompiledProgram, skills: dict[str, Skill], limits: Limits) -> None:
        self.program = program
        self.skills = skills
        self.meter = Meter(limits)
        self.frames = [Frame(0, {})]
        self.functions: dict[str, int] = {}
        self.output: list[str] = []
        self.waiting: Call | None = None

    def resume(self, value: Any, seconds: float) -> Step:
        """Go on with what the skill returned, and the simulated seconds that it took."""
        line = self._answered().line
        try:
            self.meter.wait(seconds)
            self.frames[-1].stack.append(admitted(value, self.meter))
        except ProgramError as error:
            return self.failed(error.kind, error.message, line)
        return self.advance()

    def fail(self, message: str, seconds: float) -> Failed:
        """End the program because the skill could not be carried out."""
        line = self._answered().line
        self.meter.seconds += seconds
        return self.failed("skill", message, line)

    def stop(self) -> Finished:
        """End the program at the call that it waits at."""
        self._answered()
        return Finished("".join(self.output), self.meter.usage())

    def _answered(self) -> Call:
        if self.waiting is None:
            raise ConfigError("no program waits at a skill call")
        call, self.waiting = self.waiting, None
        return call

    def failed(self, kind: ErrorKind, message: str, line: int) -> Failed:
        """The end by an error."""
        return Failed(kind, message, line, "".join(self.output), self.meter.usage())

    def advance(self) -> Step:
        """Run up to the next skill call, the end, or an error."""
        try:
            self.waiting = self._run()
        except ProgramError as error:
            frame = self.frames[-1]
            line = self.program.codes[frame.code].instructions[max(frame.pc - 1, 0)][2]
            return self.failed(error.kind, error.message, error.line or line)
        if self.waiting is None:
            return Finished("".join(self.output), self.meter.usage())
        return self.waiting

    def _run(self) -> Call | None:
        meter, limit = self.meter, self.meter.limits.steps
        frame = self.frames[-1]
        instructions = self.program.codes[frame.code].instructions
        stack, variables = frame.stack, frame.variables
        while True:
            meter.steps += 1
            if meter.steps > limit:
                meter.spend(0)
            op, operand, line = instructions[frame.pc]
            frame.pc += 1
            if op is Op.LOAD:
                if operand in variables:
                    stack.append(variables[operand])
                else:
                    stack.append(self._global(operand))
            elif op is Op.CONST:
                stack.append(operand)
            elif op is Op.STORE:
                variables[operand] = stack.pop()
            elif op is Op.JUMP:
                frame.pc += operand - 1
            elif op is Op.JUMP_FALSE:
                if not stack.pop():
                    frame.pc += operand - 1
            elif op is Op.COMPARE:
                right = stack.pop()
                stack[-1] = compare(operand, stack[-1], right, meter)
            elif op is Op.NEXT:
                iterator: Any = stack[-1]
                if iterator.position < len(iterator.values):
                    stack.append(iterator.values[iterator.position])
                    iterator.position += 1
                else:
                    stack.pop()
                    frame.pc += operand - 1
            elif op is Op.BINARY:
                right = stack.pop()
                stack[-1] = binary(operand, stack[-1], right, meter)
            elif op is Op.SKILL:
                name, args, keywords = self._arguments(operand, stack)
                bound = copied(self.skills[name].bind(args, keywords), meter)
                meter.call()
                return Call(name, bound, line, meter.usage())
            elif op is Op.BUILTIN:
                name, args, keywords = self._arguments(operand, stack)
                if name == "print":
                    stack.append(self._print(args, keywords))
                else:
                    stack.append(call_builtin(name, args, keywords, meter))
            elif op is Op.METHOD:
                name, args, keywords = self._arguments(operand, stack)
                stack[-1] = call_method(stack[-1], name, args, keywords, meter)
            elif op is Op.CALL:
                frame = self._open(*self._arguments(operand, stack))
            elif op is Op.RETURN:
                value = stack.pop()
                if len(self.frames) == 1:
                    return None
                self.frames.pop()
                frame = self.frames[-1]
                frame.stack.append(value)
            else:
                self._rarer(op, operand, frame)
            if frame.stack is not stack:
                instructions = self.program.codes[frame.code].instructions
                stack, variables = frame.stack, frame.variables

    def _rarer(self, op: Op, operand: Any, frame: Frame) -> None:
        """Instructions that honest programs run seldom."""
        stack, meter = frame.stack, self.meter
        if op is Op.POP:
            stack.pop()
        elif op is Op.INDEX:
            at = stack.pop()
            stack[-1] = index(stack[-1], at, meter)
        elif op is Op.UNARY:
            stack[-1] = unary(operand, stack[-1])
        elif op is Op.AUGMENT:
            right = stack.pop()
            stack[-1] = augment(operand, stack[-1], right, meter)
        elif op is Op.ITERATE:
            stack[-1] = Iterator(elements(stack[-1], meter))
        elif op in (Op.FALSE_OR_POP, Op.TRUE_OR_POP):
            if bool(stack[-1]) is (op is Op.TRUE_OR_POP):
                frame.pc += operand - 1
            else:
                stack.pop()
        elif op in (Op.LIST, Op.TUPLE, Op.UNPACK, Op.DICT, Op.JOIN):
            self._build(op, operand, stack)
        elif op is Op.ADD_ITEM:
            meter.allocate(8)
            value = stack.pop()
            stack[-1 - operand].append(value)
        elif op is Op.STORE_INDEX:
            value, container, at = _take(stack, 3)
            store(container, at, value, meter)
        elif op is Op.STORE_UNDER:
            container, at, value = _take(stack, 3)
            store(container, at, value, meter)
        elif op is Op.DUP_TWO:
            stack += stack[-2:]
        elif op is Op.SLICE:
            start, stop, step = _take(stack, 3)
            stack[-1] = slice_(stack[-1], start, stop, step, meter)
        elif op is Op.CHAIN:
            left, right = stack[-2:]
            stack[-2:] = [right, compare(operand, left, right, meter)]
        elif op is Op.DROP_UNDER:
            del stack[-2]
        elif op is Op.DEFINE:
            self.functions[operand[0]] = operand[1]
        elif op is Op.ASSERT:
            message = text(stack.pop(), meter)[:500]
            raise ProgramError("assertion", message or "an assertion is false")
        else:
            raise AssertionError(op)

    def _build(self, op: Op, count: int, stack: list[Any]) -> None:
        if op is Op.UNPACK:
            values = elements(stack.pop(), self.meter)
            if len(values) != count:
                raise ProgramError("value", f"{len(values)} values for {count} names")
            stack += values[::-1]
            return
        values = _take(stack, 2 * count if op is Op.DICT else count)
        if op is Op.JOIN:
            pieces = [text(value, self.meter) for value in values]
            make(str, sum(map(len, pieces)), self.meter)
            stack.append("".join(pieces))
            return
        make(dict if op is Op.DICT else list, count, self.meter)
        if op is Op.DICT:
            keys = [key(name, self.meter) for name in values[::2]]
            stack.append(dict(zip(keys, values[1::2], strict=True)))
        else:
            stack.append(values if op is Op.LIST else tuple(values))

    def _arguments(self, operand: Any, stack: list[Any]) -> tuple[str, list[Any], dict[str, Any]]:
        """The name called, and its arguments, taken off the stack."""
        name, count, keywords = operand
        named: dict[str, Any] = {}
        if keywords:
            named = dict(zip(keywords, _take(stack, len(keywords)), strict=True))
            if len(named) < len(keywords):
                raise ProgramError("arguments", f"{name} got an argument twice")
        return name, _take(stack, count), named

    def _global(self, name: str) -> Any:
        """A variable of the program, read inside a function or before it exists."""
        code = self.program.codes[self.frames[-1].code]
        variables = self.frames[0].variables
        if name in variables and name not in code.assigned:
            return variables[name]
        if name in self.functions:
            raise ProgramError("unsupported", f"{name} is a function; call it: {name}(...)")
        what = "is not set yet" if name in code.assigned else "is unknown"
        known = [*variables, *self.frames[-1].variables]
        raise ProgramError("name", f"{name} {what}{_hint(name, known)}")

    def _open(self, name: str, args: list[Any], keywords: dict[str, Any]) -> Frame:
        """Begin a function of the program's."""
        if name not in self.functions:
            known = [*self.skills, *self.functions, *BUILTINS]
            raise ProgramError("name", f"no skill or function {name}{_hint(name, known)}")
        number = self.functions[name]
        variables = _bind(self.program.codes[number], args, keywords)
        if len(self.frames) > self.meter.limits.recursion:
            limit = self.meter.limits.recursion
            raise ProgramError("recursion", f"more than {limit} functions within each other")
        self.meter.allocate(64 * (1 + len(variables)))
        self.frames.append(Frame(number, variables))
        return self.frames[-1]

    def _print(self, args: list[Any], keywords: dict[str, Any]) -> None:
        separator, end = keywords.pop("sep", " "), keywords.pop("end", "\n")
        if keywords or type(separator) is not str or type(end) is not str:
            raise ProgramError("arguments", "print takes values, sep='...' and end='...'")
        pieces = [text(value, self.meter) for value in args]
        self.meter.print(sum(map(len, pieces)) + len(separator) * len(pieces) + len(end))
        self.output.append(separator.join(pieces) + end)


def _take(stack: list[Any], count: int) -> list[Any]:
    """The last `count` values of a stack, taken away."""
    if not count:
        return []
    taken = stack[-count:]
    del stack[-count:]
    return taken


def _bind(code: Code, args: list[Any], keywords: dict[str, Any]) -> dict[str, Any]:
    names = code.parameters
    bound = dict(zip(names, args, strict=False))
    optional = dict(zip(names[len(names) - len(code.defaults) :], code.defaults, strict=True))
    twice = [name for name in keywords if name in bound]
    unknown = [name for name in keywords if name not in names]
    missing = [name for name in names if name not in {**bound, **keywords, **optional}]
    if len(args) > len(names) or twice or unknown or missing:
        raise ProgramError("arguments", f"{code.name} is {code.name}({', '.join(names)})")
    return {**optional, **bound, **keywords}


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""
