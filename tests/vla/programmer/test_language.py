"""The language: what it shares with Python, and what it says about the rest."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vla.programmer.grammar_runner import GrammarRunner
from vla.programmer.language.manual import describe_language
from vla.programmer.language.words import BUILTINS, METHODS
from vla.programmer.limits import Limits
from vla.programmer.steps import ERROR_KINDS, Call, Failed, Finished

SKILLS = ["go_to(place) -> bool: drive", "open(thing) -> bool", "pour(what, into, amount=1.0)"]


def run(source: str, limits: Limits | None = None) -> str:
    """What a program without skill calls prints, or its error."""
    step = GrammarRunner(limits).start(source, SKILLS)
    assert not isinstance(step, Call)
    return step.output if isinstance(step, Finished) else str(step)


SAME_AS_PYTHON = [
    "x = 1\nx += 2\nprint(x, -x, x ** 2, x / 2, x // 2, x % 2, 2 ** -1, -2 ** 2)",
    "print(1 < 2 < 3, 1 < 2 > 5, 3 > 2 > 1 > 0, 1 == 1.0, 'a' < 'b', [1, 2] < [1, 3])",
    "print(not 1 == 2, None is None, 1 in [1, 2], 'a' not in 'abc', 2 in {2: 3})",
    "print(0 or 'x', 1 and 'y', [] or {} or (), 1 if [] else 2)",
    "a, b = 1, 2\na, b = b, a\nprint(a, b)",
    "for i in range(3):\n    if i == 1: continue\n    print(i)\n",
    "for i, a in enumerate('ab', 1):\n    print(i, a)",
    "n = 0\nwhile True:\n    n += 1\n    if n > 4:\n        break\nprint(n)",
    "for a in [1, 2]:\n    for b in 'xy':\n        if b == 'y':\n            break\n        print(a, b)",
    "if 0:\n    print('a')\nelif 0:\n    print('b')\nelse:\n    print('c')",
    "def f(a, b=2, c='x'):\n    '''Doc.'''\n    return a, b, c\nprint(f(1), f(1, c=3), f(b=1, a=0))",
    "def fact(n: int) -> int:\n    if n < 2:\n        return 1\n    return n * fact(n - 1)\nprint(fact(10))",
    "total = 5\ndef f():\n    return total\nprint(f())",
    "def f():\n    for i in range(9):\n        if i == 3:\n            return i\nprint(f(), len([f()]))",
    "x = [1, 2]\ny = x\ny.append(3)\nx += [4]\nprint(x, y, x is None, x == y)",
    "x = [3, 1, 2]\nx.sort(reverse=True)\nprint(x, sorted(x), x.index(1), x.pop(), x.pop(0), x)",
    "x = [[0, 0], [0, 0]]\nx[0][1] = 5\nx[1][0] += 7\nprint(x, x[-1], x[0][1])",
    "d = {'a': 1, 2: (3,)}\nd['b'] = d.get('z', 9)\nprint(d, len(d), 'a' in d)\nfor k, v in d.items():\n    print(k, v)",
    "d = {}\nfor w in 'a b a'.split():\n    d[w] = d.get(w, 0) + 1\nprint(d, list(d), d.pop('a'), d)",
    "print([x * y for x in range(3) for y in [1, 2] if x != y], [a for a in 'abc'])",
    "x = 'outer'\nprint([x for x in [1, 2]], x)\nprint([[i * j for i in range(2)] for j in range(2)])",
    "a = 1\nb = 'two'\nprint(f'{a} and {b} {{}}', f'', 'x' 'y' f'{a}')",
    "print('a-b'.split('-'), '-'.join(['x', 'y']), ' s '.strip(), 'Ab'.lower().upper(), 'aba'.replace('a', 'c'))",
    "print('abc'[1], 'abc'[::-1], [1, 2, 3][1:], (1, 2, 3)[:-1], [1, 2, 3, 4][::2])",
    "print(min(3, 1), max([1, 5, 2]), sum([1, 2.5]), min([], default=0), abs(-3), round(2.567, 1))",
    "print(any([0, 1]), all([]), list(zip([1, 2], 'ab')), list(reversed([1, 2])), tuple('ab'))",
    "print(str(1) + '2', int('3'), float('1.5'), bool([]), int(2.9), str([1, 'a', None, True]))",
    "print('a', 1, None, sep='-', end='!\\n')\nprint()",
    "assert 1 < 2, 'no'\nprint('yes')  # a comment\n\n# another\n",
    "x = (1 +\n     2)\ny = [\n  1,\n  2,\n]\nprint(x, y, ())",
    "x: int = 3\nif x == 3: print('three')\n",
    "print(\"it's\", 'tab\\tend', r'\\d', '''long\nstring''')",
    "print(1_000, 1.5e3, .5, 7 // 2.0, -7 % 3, True + 1)",
    "x = [1, 2, 3]\nfor i in x:\n    if i < 3 and len(x) < 6:\n        x.append(i)\nprint(x)",
    "print([1] * 3, 'ab' * 2, 2 * (1,), [1] + [2], 'a' in ['a'], float('inf') > 1)",
]


@pytest.mark.parametrize("source", SAME_AS_PYTHON)
def test_prints_what_python_prints(source: str) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(source, {})
    assert run(source) == printed.getvalue()


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.sampled_from(["1", "2", "0", "2.5", "'ab'", "[1, 2]", "(3,)", "True", "None", "{1: 2}"]),
        lambda inner: st.one_of(
            st.tuples(
                inner, st.sampled_from("+ - * / // % ** < >= == != in and or".split()), inner
            ).map(lambda parts: f"({' '.join(parts)})"),
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


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            "x y f go_to open print len range ( ) [ ] { } : , . = == + - ** not in is if else elif "
            "for while def return break continue assert and or 1 2.5 'a' f'{x}' None append \n".split(
                " "
            )
            + ["\n", "\n    ", "\n        ", " "]
        ),
        max_size=40,
    ).map(" ".join)
)
def test_any_text_ends_as_a_step(source: str) -> None:
    runner = GrammarRunner(Limits(calls=5, steps=2000))
    step = runner.start(source, SKILLS)
    while isinstance(step, Call):
        step = runner.resume(True)
    assert isinstance(step, Finished) or step.kind in ERROR_KINDS


@settings(max_examples=200, deadline=None)
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
    assert BUILTINS | METHODS <= set(words)


def test_the_manual_fits_a_prompt() -> None:
    assert len(describe_language()) < 3000
