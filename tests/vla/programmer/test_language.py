"""The language: what it shares with Python, and what it says about the rest."""

from __future__ import annotations

import contextlib
import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vla.programmer.grammar_runner import GrammarRunner
from vla.programmer.language.manual import describe_language
from vla.programmer.language.words import BUILTINS, METHODS
from vla.programmer.limits import Limits
from vla.programmer.steps import ERROR_KINDS, Call, Failed, Finished

from .programs import read_programs

SKILLS = ["go_to(place) -> bool: drive", "open(thing) -> bool", "pour(what, into, amount=1.0)"]


def run(source: str, limits: Limits | None = None) -> str:
    """What a program without skill calls prints, or its error."""
    step = GrammarRunner(limits).start(source, SKILLS)
    assert not isinstance(step, Call)
    return step.output if isinstance(step, Finished) else str(step)


SAME_AS_PYTHON = read_programs("same_as_python.txt")


@pytest.mark.parametrize("title", SAME_AS_PYTHON)
def test_prints_what_python_prints(title: str) -> None:
    source = SAME_AS_PYTHON[title]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(source, {})
    assert run(source) == printed.getvalue()


OPERATORS = "+ - * / // % ** < >= == != in and or".split(" ")  # noqa: SIM905


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@settings(max_examples=100)
@given(
    st.recursive(
        st.sampled_from(["1", "2", "0", "2.5", "'ab'", "[1, 2]", "(3,)", "True", "None", "{1: 2}"]),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(OPERATORS), inner).map(
                lambda parts: f"({' '.join(parts)})"
            ),
            st.tuples(
                st.sampled_from(["not ", "-", "len", "str", "sorted", "bool", "max"]), inner
            ).map(lambda parts: f"({parts[0]}({parts[1]}))"),
            st.tuples(inner, inner, inner).map("({0[0]} if {0[1]} else {0[2]})".format),
            st.tuples(inner, inner).map("({0[0]})[{0[1]}]".format),
        ),
        max_leaves=8,
    )
)
def test_expressions_agree_with_python(expression: str) -> None:
    try:
        expected = f"{eval(expression)}\n"
    except (TypeError, ValueError, ZeroDivisionError, IndexError, KeyError, OverflowError):
        expected = None
    printed = run(f"print({expression})")
    if printed.startswith("line 1: "):
        # what Python can do and the language will not is said, never done in another way
        assert printed.split(": ")[1] in ("type", "value", "memory")
    else:
        assert printed == expected


WORDS = re.findall(
    r"\S+",
    """x y f go_to open print len range ( ) [ ] { } : , . = == + - ** not in is if else elif for
    while def return break continue assert and or 1 2.5 'a' f'{x}' None append""",
)
GAPS = ["\n", "\n    ", "\n        ", " "]


@settings(max_examples=200)
@given(st.lists(st.sampled_from([*WORDS, *GAPS]), max_size=40).map(" ".join))
def test_any_words_end_as_a_step(source: str) -> None:
    runner = GrammarRunner(Limits(calls=5, steps=2000))
    step = runner.start(source, SKILLS)
    while isinstance(step, Call):
        step = runner.resume(True)
    assert isinstance(step, Finished) or step.kind in ERROR_KINDS


@settings(max_examples=200)
@given(st.text(max_size=60))
def test_any_characters_end_as_a_step(source: str) -> None:
    step = GrammarRunner().start(source, SKILLS)
    assert isinstance(step, Finished | Failed)


ERRORS = [
    ("x = = 3", "line 1: syntax: expected a value, not '='"),
    ("if True\n    pass", "line 1: syntax: expected ':', not the end of the line"),
    ("if True:\npass", "line 2: syntax: expected an indented block"),
    ("x = 'abc", "line 1: syntax: a string that is not closed"),
    ("x = 1\n  y = 2", "line 2: syntax: this line is indented, but no block begins here"),
    ("print(cuont)", "line 1: name: cuont is unknown"),
    ("count = 1\nprint(cuont)", "line 2: name: cuont is unknown; did you mean count?"),
    ("goto('table')", "line 1: name: no skill or function goto; did you mean go_to?"),
    ("go_to()", "line 1: arguments: go_to needs 'place'; it is go_to(place)"),
    ("pour('a', 'b', 1, 2)", "line 1: arguments: pour takes 3 arguments, not 4"),
    ("pour('a', cup='b')", "line 1: arguments: pour has no parameter 'cup'"),
    ("pour(into='b')", "line 1: arguments: pour needs 'what'"),
    ("pour('a', what='b')", "line 1: arguments: pour got 'what' twice"),
    ("x = 1\nx = go_to", "line 2: unsupported: go_to is a function; call it: go_to(...)"),
    ("go_to = 5", "line 1: name: go_to is a skill; choose another name"),
    ("for open in [1]:\n    pass", "line 1: name: open is a skill; choose another name"),
    ("def go_to(x): return x", "line 1: name: go_to is a skill; choose another name"),
    ("len = 3", "line 1: name: len is a built-in function; choose another name"),
    ("import math", "line 1: unsupported: import: there is nothing to import"),
    ("try:\n    pass\nexcept: pass", "line 1: unsupported: try: errors cannot be caught"),
    ("x = lambda: 1", "line 1: unsupported: lambda: there are no lambdas"),
    ("any(x for x in [1])", "line 1: unsupported: there are no generators; put [ ] around it"),
    ("x = {1, 2}", "line 1: unsupported: there are no sets"),
    ("print(f'{1 + 2}')", "line 1: unsupported: an f-string takes plain names"),
    ("x = []\nx.appendd(1)", "line 2: unsupported: .appendd is not in this language; did you mean"),
    ("print([1][3])", "line 1: value: position 3 of 1 elements"),
    ("print({'a': 1}['b'])", "line 1: value: no key 'b'; there are 'a'"),
    ("a, b = [1]", "line 1: value: 1 values for 2 names"),
    ("print(1 + 'a')", "line 1: type: int + str is not possible"),
    ("x = 3\nfor i in x: pass", "line 2: type: int has no elements to go through"),
    ("(1).append(2)", "line 1: type: int has no method append"),
    ("assert 1 > 2, 'the door is shut'", "line 1: assertion: the door is shut"),
    ("break", "line 1: syntax: break outside a loop"),
    ("def f(a): pass\nf()", "line 2: arguments: f is f(a)"),
    ("def f():\n    x += 1\nx = 1\nf()", "line 2: name: x is not set yet"),
    ("def f():\n    return 1 / 0\n\nf()", "line 2: value: division by zero"),
    ("x = 1\ny = (a or x[0]) = 3", "line 2: unsupported: a = b = value; write two lines"),
    ("(x or y) = 3", "line 1: syntax: only a name or name[index] can be assigned to"),
    ("f() = 3", "line 1: syntax: only a name or name[index] can be assigned to"),
]


@pytest.mark.parametrize(("source", "message"), ERRORS)
def test_errors_name_the_line_and_what_to_do(source: str, message: str) -> None:
    assert run(source).startswith(message)


def test_the_manual_names_every_function_and_method() -> None:
    words = describe_language().replace(".", " ").replace(";", " ").split()
    assert set(words) >= BUILTINS | METHODS


def test_the_manual_fits_a_prompt() -> None:
    assert len(describe_language()) < 3000
