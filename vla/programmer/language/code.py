"""Instructions of the stack machine, and the compiled form of a program.

Every value lives in the machine's own stacks and dicts, never in a frame of the host, so that a
suspended program is plain data. Jumps are relative: a compiled expression can be moved.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, auto
from typing import Any, TypeAlias


class Op(IntEnum):
    """What an instruction does; `a b -> c` is the top of the stack before and after."""

    LOAD = auto()  # -> value of the variable
    CONST = auto()  # -> the constant
    STORE = auto()  # a ->
    POP = auto()  # a ->
    DUP_TWO = auto()  # a b -> a b a b
    BINARY = auto()  # a b -> a op b
    AUGMENT = auto()  # a b -> a op= b
    UNARY = auto()  # a -> op a
    COMPARE = auto()  # a b -> a op b
    CHAIN = auto()  # a b -> b (a op b)
    DROP_UNDER = auto()  # a b -> b
    JUMP = auto()
    JUMP_FALSE = auto()  # a ->
    FALSE_OR_POP = auto()  # a -> a, and jump, where a is false; a -> where it is true
    TRUE_OR_POP = auto()
    INDEX = auto()  # a i -> a[i]
    SLICE = auto()  # a start stop step -> a[start:stop:step]
    STORE_INDEX = auto()  # value a i ->
    STORE_UNDER = auto()  # a i value ->
    LIST = auto()  # n values -> [..]
    TUPLE = auto()
    DICT = auto()  # n times key value -> {..}
    UNPACK = auto()  # a -> its n elements, the first on top
    ITERATE = auto()  # a -> iterator
    NEXT = auto()  # iterator -> iterator element, or jump
    ADD_ITEM = auto()  # list iterator.. value -> list iterator..
    JOIN = auto()  # n values -> one string, for f-strings
    BUILTIN = auto()  # n args, keyword values -> result
    METHOD = auto()  # receiver, n args, keyword values -> result
    CALL = auto()  # n args, keyword values -> result
    SKILL = auto()  # n args, keyword values -> result, after a suspension
    DEFINE = auto()
    RETURN = auto()  # a ->
    ASSERT = auto()  # message ->


Instruction: TypeAlias = tuple[Op, Any, int]
"""Operation, operand, line."""


@dataclass
class Code:
    """One function, or the program around them."""

    name: str
    parameters: tuple[str, ...] = ()
    defaults: tuple[Any, ...] = ()
    """Values of the last of `parameters`, where they are left out."""
    instructions: list[Instruction] = field(default_factory=list)
    assigned: set[str] = field(default_factory=set)
    """Names that are variables of this function."""


@dataclass(frozen=True)
class CompiledProgram:
    """A program ready to run: `codes[0]` is its body, the others its functions."""

    source: str
    codes: tuple[Code, ...]
