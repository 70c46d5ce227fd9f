"""Expressions -> instructions, by operator precedence, in one pass and without a tree."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, NoReturn

from ..steps import ErrorKind, ProgramError
from .code import Code, Instruction, Op
from .lexer import Token
from .words import BUILTINS, METHODS, UNSUPPORTED

MAX_DEPTH = 40
"""Brackets, signs and operators within each other; four frames of the host each."""

_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "in", "not in", "is", "is not")
_POWER = {"or": 1, "and": 2, **dict.fromkeys(_COMPARISONS, 4), "+": 5, "-": 5}
_POWER |= {"*": 6, "/": 6, "//": 6, "%": 6, "**": 8}
_NOT, _COMPARISON, _SIGN = 3, 4, 7
_CONSTANTS = {"True": True, "False": False, "None": None}


class ExpressionCompiler:
    """Reads tokens and appends instructions to `self.code`, those of the function at hand."""

    def __init__(self, tokens: list[Token], skills: Iterable[str]) -> None:
        self.tokens = tokens
        self.position = 0
        self.token = tokens[0]
        self.skills = frozenset(skills)
        self.function = Code("the program")
        self.code: list[Instruction] = self.function.instructions
        self.depth = 0
        self.hidden = 0
        self.plain = False  # whether the last expression was a bare name, call or index

    def advance(self) -> Token:
        """The token ahead, which is passed."""
        token = self.token
        self.position += 1
        self.token = self.tokens[min(self.position, len(self.tokens) - 1)]
        return token

    def sees(self, value: str) -> bool:
        """Whether the token ahead is this word or sign."""
        return self.token.kind == "op" and self.token.value == value

    def accept(self, value: str) -> bool:
        """Pass the token ahead if it is this word or sign; whether it was."""
        if self.sees(value):
            self.advance()
            return True
        return False

    def expect(self, value: str) -> None:
        """Pass this word or sign, or refuse."""
        if not self.accept(value):
            self.refuse("syntax", f"expected {value!r}, not {self.seen()}")

    def seen(self) -> str:
        """The token ahead, as messages call it."""
        kind, value, _ = self.token
        return "the end of the line" if kind == "newline" else repr(value) if value else kind

    def refuse(self, kind: ErrorKind, message: str) -> NoReturn:
        """End the compilation with an error at the token ahead."""
        raise ProgramError(kind, message, self.token.line)

    def emit(self, op: Op, operand: Any = None) -> None:
        """Append one instruction."""
        self.code.append((op, operand, self.token.line))

    def jump(self, op: Op) -> int:
        """A jump whose target comes later; `land` sets it."""
        self.emit(op)
        return len(self.code) - 1

    def land(self, *jumps: int) -> None:
        """Let jumps end here."""
        for at in jumps:
            op, _, line = self.code[at]
            self.code[at] = (op, len(self.code) - at, line)

    def cut(self, start: int) -> list[Instruction]:
        """Take away what was compiled since `start`, to be put elsewhere."""
        piece = self.code[start:]
        del self.code[start:]
        return piece

    def enter(self) -> None:
        """Go one level deeper; the caller counts `depth` down when it leaves."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.refuse("nesting", f"more than {MAX_DEPTH} brackets or operators in each other")

    def expression(self) -> None:
        """Any expression without commas."""
        start = len(self.code)
        self.binary(1)
        if self.accept("if"):
            chosen = self.cut(start)
            self.binary(1)
            otherwise = self.jump(Op.JUMP_FALSE)
            self.code += chosen
            end = self.jump(Op.JUMP)
            self.land(otherwise)
            self.expect("else")
            self.enter()
            self.expression()
            self.depth -= 1
            self.land(end)
            self.plain = False

    def expressions(self) -> None:
        """An expression, or several with commas between, which are a tuple."""
        self.expression()
        if self.sees(","):
            self.sequence(1, "=", Op.TUPLE)

    def binary(self, floor: int) -> None:
        """Operands joined by operators that bind at least as tightly as `floor`."""
        self.enter()
        kind, value, _ = self.token
        if kind == "op" and value == "not" and floor <= _NOT:
            self.advance()
            self.binary(_NOT)
            self.emit(Op.UNARY, "not")
            self.plain = False
        elif kind == "op" and value in ("-", "+"):
            self.advance()
            self.binary(_SIGN)
            self.emit(Op.UNARY, value)
            self.plain = False
        else:
            bracket = kind == "op"
            self.atom()
            self.plain = self.postfix() or not bracket
        while self.token.kind == "op":
            operator = self.operator()
            power = _POWER.get(operator, 0)
            if not power or power < floor:
                break
            if power == _COMPARISON:
                self.comparison(operator)
                self.plain = False
                continue
            self.take(operator)
            if operator in ("or", "and"):
                end = self.jump(Op.TRUE_OR_POP if operator == "or" else Op.FALSE_OR_POP)
                self.binary(power + 1)
                self.land(end)
            else:
                self.binary(_SIGN if operator == "**" else power + 1)
                self.emit(Op.BINARY, operator)
            self.plain = False
        self.depth -= 1

    def operator(self) -> str:
        """The operator ahead, of one word or two."""
        value, following = self.token.value, self.tokens[self.position + 1]
        if value == "not" and following[:2] == ("op", "in"):
            return "not in"
        if value == "is" and following[:2] == ("op", "not"):
            return "is not"
        return value

    def take(self, operator: str) -> None:
        """Pass an operator of one word or two."""
        for _ in operator.split():
            self.advance()

    def comparison(self, operator: str) -> None:
        """`a < b`, or a chain `a < b < c`, which ends at the first that is false."""
        exits: list[int] = []
        while True:
            self.take(operator)
            self.binary(_COMPARISON + 1)
            following = self.operator() if self.token.kind == "op" else ""
            if following not in _COMPARISONS:
                break
            self.emit(Op.CHAIN, operator)
            exits.append(self.jump(Op.FALSE_OR_POP))
            operator = following
        self.emit(Op.COMPARE, operator)
        if exits:
            end = self.jump(Op.JUMP)
            self.land(*exits)
            self.emit(Op.DROP_UNDER)
            self.land(end)

    def atom(self) -> None:
        """A constant, a name, a call, or something in brackets."""
        kind, value, _ = self.token
        if kind in ("number", "string"):
            self.emit(Op.CONST, value)
            self.advance()
            if kind == "string" and self.token.kind in ("string", "parts"):
                self.strings(1)
        elif kind == "parts":
            self.strings(0)
        elif kind == "name":
            self.advance()
            if self.accept("("):
                self.call(value)
            elif value in self.skills or value in BUILTINS:
                if self.sees("="):
                    self.check_free(value)
                self.refuse("unsupported", f"{value} is a function; call it: {value}(...)")
            else:
                self.emit(Op.LOAD, value)
        elif kind == "op" and value in _CONSTANTS:
            self.emit(Op.CONST, _CONSTANTS[value])
            self.advance()
        elif kind == "op" and value in ("(", "[", "{"):
            self.advance()
            {"(": self.parenthesis, "[": self.brackets, "{": self.braces}[value]()
        elif kind == "op" and value in UNSUPPORTED:
            self.refuse("unsupported", f"{value}: {UNSUPPORTED[value]}")
        else:
            self.refuse("syntax", f"expected a value, not {self.seen()}")

    def strings(self, count: int) -> None:
        """F-strings and the strings beside them, `'a' f'{b}'`, as one; `count` are on the stack."""
        while self.token.kind in ("string", "parts"):
            kind, value, _ = self.advance()
            for part, text in [("text", value)] if kind == "string" else value:
                self.emit(Op.LOAD if part == "name" else Op.CONST, text)
                count += 1
        self.emit(Op.JOIN, count)

    def postfix(self) -> bool:
        """`[index]` and `.method()` behind an atom; whether there was any."""
        start = self.position
        while self.token.kind == "op":
            if self.accept("["):
                self.subscript()
            elif self.accept("."):
                self.method()
            elif self.sees("("):
                self.refuse("unsupported", "only a name can be called: name(...)")
            else:
                break
        return self.position > start

    def subscript(self) -> None:
        """Behind `[`: an index or a slice."""
        bounds = 0
        for separator in (":", ":", ""):
            if self.sees(separator) or self.sees("]"):
                self.emit(Op.CONST, None)
            else:
                self.expression()
            bounds += 1
            if not separator or not self.accept(separator):
                break
        self.expect("]")
        if bounds == 1:
            self.emit(Op.INDEX)
            return
        if bounds == 2:
            self.emit(Op.CONST, None)
        self.emit(Op.SLICE)

    def method(self) -> None:
        """Behind `.`: a method that the language has."""
        name = self.token.value
        if self.token.kind != "name" or name not in METHODS:
            near = difflib.get_close_matches(str(name), METHODS, n=1)
            hint = f"; did you mean .{near[0]}()?" if near else ""
            self.refuse("unsupported", f".{name} is not in this language{hint}")
        self.advance()
        if not self.accept("("):
            self.refuse("unsupported", f".{name} is a method; call it: .{name}(...)")
        self.emit(Op.METHOD, (name, *self.arguments()))

    def call(self, name: str) -> None:
        """Behind `name(`: a skill, a built-in function or one of the program's."""
        line = self.tokens[self.position - 1].line
        operand = (name, *self.arguments())
        op = Op.SKILL if name in self.skills else Op.BUILTIN if name in BUILTINS else Op.CALL
        self.code.append((op, operand, line))  # the line of the name: arguments may be below it

    def arguments(self) -> tuple[int, tuple[str, ...]]:
        """Compile the arguments up to `)`: how many by position, and the names of the others."""
        count, keywords = 0, []
        while not self.accept(")"):
            if self.token.kind == "name" and self.tokens[self.position + 1][:2] == ("op", "="):
                keywords.append(self.token.value)
                self.advance()
                self.advance()
            elif keywords:
                self.refuse("syntax", "an argument without a name follows one with a name")
            else:
                count += 1
            self.expression()
            if self.sees("for"):
                self.refuse("unsupported", "there are no generators; put [ ] around it")
            if not self.sees(")"):
                self.expect(",")
        return count, tuple(keywords)

    def parenthesis(self) -> None:
        """Behind `(`: an expression or a tuple."""
        if self.accept(")"):
            self.emit(Op.TUPLE, 0)
            return
        self.expression()
        if self.sees("for"):
            self.refuse("unsupported", "there are no generators; write a list, [... for ...]")
        if self.sees(","):
            self.sequence(1, ")", Op.TUPLE)
        self.expect(")")

    def brackets(self) -> None:
        """Behind `[`: a list, or a comprehension."""
        if self.accept("]"):
            self.emit(Op.LIST, 0)
            return
        start = len(self.code)
        self.expression()
        if self.sees("for"):
            self.comprehension(self.cut(start))
        else:
            self.sequence(1, "]", Op.LIST)
        self.expect("]")

    def sequence(self, count: int, closing: str, op: Op) -> None:
        """The elements that follow the first `count`, up to `closing`, which stays."""
        while self.accept(","):
            if self.sees(closing) or self.token.kind == "newline":
                break
            self.expression()
            count += 1
        self.emit(op, count)

    def braces(self) -> None:
        """Behind `{`: a dict."""
        count = 0
        while not self.accept("}"):
            self.expression()
            if self.sees(",") or self.sees("}"):
                self.refuse("unsupported", "there are no sets; use a list")
            self.expect(":")
            self.expression()
            if self.sees("for"):
                self.refuse("unsupported", "there are no dict comprehensions; use a for loop")
            count += 1
            if not self.sees("}"):
                self.expect(",")
        self.emit(Op.DICT, count)

    def comprehension(self, element: list[Instruction]) -> None:
        """`[element for names in values if condition ...]`, whose names nobody else sees."""
        self.emit(Op.LIST, 0)
        loops: list[tuple[int, int]] = []
        skips: list[list[int]] = []
        hidden: dict[str, str] = {}
        while self.accept("for"):
            names = self.names()
            self.expect("in")
            start = len(self.code)
            self.binary(1)
            self.code += _renamed(self.cut(start), hidden)
            self.emit(Op.ITERATE)
            for name in names:
                self.hidden += 1
                hidden[name] = f"{name} {self.hidden}"  # a blank: no program can write it
            head = len(self.code)
            loops.append((head, self.jump(Op.NEXT)))
            self.store([hidden[name] for name in names])
            skips.append([])
            while self.accept("if"):
                start = len(self.code)
                self.binary(1)
                self.code += _renamed(self.cut(start), hidden)
                skips[-1].append(self.jump(Op.JUMP_FALSE))
        self.code += _renamed(element, hidden)
        self.emit(Op.ADD_ITEM, len(loops))
        for (head, exit_), skipped in zip(reversed(loops), reversed(skips), strict=True):
            self.land(*skipped)
            self.emit(Op.JUMP, head - len(self.code))
            self.land(exit_)

    def names(self) -> list[str]:
        """`a` or `a, b` or `(a, b)`: what a loop assigns to."""
        bracket = self.accept("(")
        names = [self.name()]
        while self.accept(","):
            names.append(self.name())
        if bracket:
            self.expect(")")
        return names

    def name(self) -> str:
        """A name that may be assigned to."""
        if self.token.kind != "name":
            self.refuse("syntax", f"expected a name, not {self.seen()}")
        name = self.advance().value
        self.check_free(name)
        return name

    def check_free(self, name: str) -> None:
        """Refuse to assign to a skill or a built-in function."""
        if name in self.skills:
            self.refuse("name", f"{name} is a skill; choose another name")
        if name in BUILTINS:
            self.refuse("name", f"{name} is a built-in function; choose another name")

    def store(self, names: list[str]) -> None:
        """Assign the value on the stack to a name, or its elements to several."""
        if len(names) > 1:
            self.emit(Op.UNPACK, len(names))
        for name in names:
            self.emit(Op.STORE, name)
            self.function.assigned.add(name)


def _renamed(code: list[Instruction], names: dict[str, str]) -> list[Instruction]:
    return [
        (op, names.get(operand, operand), line) if op is Op.LOAD else (op, operand, line)
        for op, operand, line in code
    ]
