"""Statements -> instructions. A compiled program is kept: training runs the same one often."""

from __future__ import annotations

from functools import lru_cache

from ..steps import ProgramError
from .code import Code, CompiledProgram, Instruction, Op
from .expressions import ExpressionCompiler
from .lexer import tokenize
from .operators import unary
from .words import UNSUPPORTED

_AUGMENTED = {f"{operator}=": operator for operator in ("+", "-", "*", "/", "//", "%", "**")}


MAX_KEPT = 4_000
"""Characters of a program that is kept; a long one may have megabytes of instructions."""


def compile_program(source: str, skills: frozenset[str]) -> CompiledProgram:
    """Compile a checked source. Raises ProgramError with the line."""
    return _compile(source, skills) if len(source) > MAX_KEPT else _kept(source, skills)


def _compile(source: str, skills: frozenset[str]) -> CompiledProgram:
    return _Compiler(tokenize(source), skills).program(source)


_kept = lru_cache(maxsize=256)(_compile)
forget_programs = _kept.cache_clear


class _Compiler(ExpressionCompiler):
    def program(self, source: str) -> CompiledProgram:
        self.codes = [self.function]
        self.loops: list[tuple[int, list[int], bool]] = []
        while self.token.kind != "end":
            self.statement()
        self.emit(Op.CONST, None)
        self.emit(Op.RETURN)
        return CompiledProgram(source, tuple(self.codes))

    def statement(self) -> None:
        kind, value, _ = self.token
        if kind == "indent":
            self.refuse("syntax", "this line is indented, but no block begins here")
        if kind == "op" and value in UNSUPPORTED:
            self.refuse("unsupported", f"{value}: {UNSUPPORTED[value]}")
        compound = {"if": self.if_, "for": self.for_, "while": self.while_, "def": self.def_}
        if kind == "op" and value in compound:
            self.advance()
            compound[value]()
            return
        self.simple()
        if self.token.kind != "newline":
            self.refuse("syntax", f"expected the end of the line, not {self.seen()}")
        self.advance()

    def simple(self) -> None:
        simple = {
            "pass": lambda: None,
            "break": self.break_,
            "continue": self.continue_,
            "return": self.return_,
            "assert": self.assert_,
        }
        if self.token.kind == "op" and self.token.value in simple:
            simple[self.advance().value]()
        else:
            self.assignment()

    def block(self) -> None:
        self.expect(":")
        if self.token.kind != "newline":  # if x: y
            self.simple()
            if self.token.kind != "newline":
                self.refuse("syntax", f"expected the end of the line, not {self.seen()}")
            self.advance()
            return
        self.advance()
        if self.token.kind != "indent":
            self.refuse("syntax", "expected an indented block")
        self.advance()
        while self.token.kind != "dedent":
            self.statement()
        self.advance()

    def if_(self) -> None:
        ends: list[int] = []
        while True:
            self.expression()
            otherwise = self.jump(Op.JUMP_FALSE)
            self.block()
            if not (self.sees("elif") or self.sees("else")):
                self.land(otherwise)
                break
            ends.append(self.jump(Op.JUMP))
            self.land(otherwise)
            if self.advance().value == "else":
                self.block()
                break
        self.land(*ends)

    def while_(self) -> None:
        head = len(self.code)
        self.expression()
        exit_ = self.jump(Op.JUMP_FALSE)
        self.loop(head, [exit_], iterates=False)

    def for_(self) -> None:
        names = self.names()
        self.expect("in")
        self.expressions()
        self.emit(Op.ITERATE)
        head = len(self.code)
        exit_ = self.jump(Op.NEXT)
        self.store(names)
        self.loop(head, [exit_], iterates=True)

    def loop(self, head: int, exits: list[int], *, iterates: bool) -> None:
        """The body of a loop; `break` lands behind it."""
        self.loops.append((head, exits, iterates))
        self.block()
        self.emit(Op.JUMP, head - len(self.code))
        self.loops.pop()
        self.land(*exits)
        if self.sees("else"):
            self.refuse("unsupported", "a loop has no else")

    def break_(self) -> None:
        if not self.loops:
            self.refuse("syntax", "break outside a loop")
        _, exits, iterates = self.loops[-1]
        if iterates:
            self.emit(Op.POP)  # the iterator
        exits.append(self.jump(Op.JUMP))

    def continue_(self) -> None:
        if not self.loops:
            self.refuse("syntax", "continue outside a loop")
        self.emit(Op.JUMP, self.loops[-1][0] - len(self.code))

    def return_(self) -> None:
        if len(self.codes) == 1 or self.function is self.codes[0]:
            self.refuse("syntax", "return outside a function")
        if self.token.kind == "newline":
            self.emit(Op.CONST, None)
        else:
            self.expressions()
        self.emit(Op.RETURN)

    def assert_(self) -> None:
        self.expression()
        otherwise = self.jump(Op.JUMP_FALSE)
        end = self.jump(Op.JUMP)
        self.land(otherwise)
        if self.accept(","):
            self.expression()
        else:
            self.emit(Op.CONST, "")
        self.emit(Op.ASSERT)
        self.land(end)

    def def_(self) -> None:
        if self.function is not self.codes[0] or self.loops or self.depth:
            self.refuse("unsupported", "functions are defined at the top level only")
        name = self.name()
        self.expect("(")
        parameters: list[str] = []
        defaults: list[object] = []
        while not self.accept(")"):
            parameters.append(self.name())
            if self.accept(":"):
                self.annotation()
            if self.accept("="):
                defaults.append(self.literal())
            elif defaults:
                self.refuse("syntax", "a parameter without a default follows one with a default")
            if not self.sees(")"):
                self.expect(",")
        if len(set(parameters)) < len(parameters):
            self.refuse("syntax", f"{name} has two parameters of one name")
        if self.accept("->"):
            self.annotation()
        outer = self.function
        self.function = Code(name, tuple(parameters), tuple(defaults), assigned=set(parameters))
        self.code = self.function.instructions
        self.codes.append(self.function)
        self.block()
        self.emit(Op.CONST, None)
        self.emit(Op.RETURN)
        self.function, self.code = outer, outer.instructions
        self.emit(Op.DEFINE, (name, len(self.codes) - 1))

    def annotation(self) -> None:
        """A type, which is passed over: `int`, `list[str]`."""
        open_brackets = 0
        while self.token.kind in ("name", "op", "string"):
            if not open_brackets and self.token.value in (",", ")", "=", ":"):
                return
            open_brackets += {"[": 1, "]": -1}.get(self.advance().value, 0)

    def literal(self) -> object:
        """A default: a number, string, True, False or None."""
        start = len(self.code)
        self.expression()
        piece = self.cut(start)
        negative = len(piece) == 2 and piece[1][:2] == (Op.UNARY, "-")
        if piece[0][0] is not Op.CONST or not (len(piece) == 1 or negative):
            self.refuse("unsupported", "a default is a number, string, True, False or None")
        return unary("-", piece[0][1]) if negative else piece[0][1]

    def assignment(self) -> None:
        """`target = value`, `a, b = values`, `target op= value`, or an expression alone."""
        start = len(self.code)
        targets: list[list[Instruction]] = []
        plain = True
        while True:
            self.expression()
            targets.append(self.cut(start))
            plain = plain and self.plain
            if not self.accept(",") or self.token.kind == "newline" or self.sees("="):
                break
        value = self.sign()
        if not plain and (value == "=" or value in _AUGMENTED):
            self.refuse("syntax", "only a name or name[index] can be assigned to")
        if value == ":" and len(targets) == 1 and plain:
            self.advance()
            self.annotation()
            if self.token.kind == "newline":
                return
            value = self.sign()
        if value in _AUGMENTED and len(targets) == 1:
            self.augmented(targets[0], _AUGMENTED[value])
        elif value == "=":
            self.advance()
            self.expressions()
            if self.sees("="):
                self.refuse("unsupported", "a = b = value; write two lines")
            if len(targets) > 1:
                self.emit(Op.UNPACK, len(targets))
            for target in targets:
                self.assign(target)
        else:
            for target in targets:
                self.code += [*target, (Op.POP, None, self.token.line)]

    def sign(self) -> str:
        """The sign ahead; empty before any other kind of token."""
        return self.token.value if self.token.kind == "op" else ""

    def assign(self, target: list[Instruction]) -> None:
        op, operand, line = target[-1]
        if op is Op.LOAD and len(target) == 1:
            self.check_free(operand)
            self.function.assigned.add(operand)
            self.code.append((Op.STORE, operand, line))
        elif op is Op.INDEX:
            self.code += [*target[:-1], (Op.STORE_INDEX, None, line)]
        else:
            raise ProgramError("syntax", "only a name or name[index] can be assigned to", line)

    def augmented(self, target: list[Instruction], operator: str) -> None:
        op, operand, line = target[-1]
        self.advance()
        if op is Op.LOAD and len(target) == 1:
            self.check_free(operand)
            self.code += target
            self.expression()
            self.code.append((Op.AUGMENT, operator, line))
            self.store([operand])
        elif op is Op.INDEX:
            self.code += [*target[:-1], (Op.DUP_TWO, None, line), (Op.INDEX, None, line)]
            self.expression()
            self.code += [(Op.AUGMENT, operator, line), (Op.STORE_UNDER, None, line)]
        else:
            raise ProgramError("syntax", "only a name or name[index] can be assigned to", line)
