"""Programs that try to break out, to break the host, or to cheat: every one ends as a step.

Each attack runs on every runner. It may end in an error of a kind, or harmlessly, where the runner's
language gives the words a harmless meaning; it may never reach the host, take long, or take memory.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from vla.programmer.limits import Limits
from vla.programmer.runner import RUNNERS, Runner, make_runner
from vla.programmer.steps import ERROR_KINDS, Call, Failed, Finished, Step

SKILLS = ["go_to(place) -> bool", "open(thing) -> bool", "look() -> list", "reward_of(thing)"]
LIMITS = Limits(calls=20, seconds=60.0, steps=20_000, memory=2_000_000, output=2_000, run_time=0.3)
LONGEST = 5.0
"""Seconds that an attack may take on a busy machine; on an idle one all end within 0.4 s."""
GROWTH = 60_000
"""Kilobytes that the host's peak memory may grow by."""

ATTACKS = {
    # out through objects
    "class walk": "().__class__.__base__.__subclasses__()",
    "class walk by getattr": "getattr(getattr((), '__class__'), '__bases__')[0]",
    "function globals": "print(open.__globals__)",
    "function code": "def f(): pass\nf.__code__ = 1",
    "builtins": "print(__builtins__)",
    "builtins of a skill": "look.__self__.__dict__",
    "module of a string": "''.join.__self__.__class__.__module__",
    "frame of a generator": "g = (x for x in [1])\nprint(g.gi_frame.f_back.f_globals)",
    "traceback": "try:\n    1/0\nexcept Exception as e:\n    print(e.__traceback__.tb_frame.f_globals)",
    "error's object": "try:\n    [].x\nexcept AttributeError as e:\n    print(e.obj.__class__.__mro__)",
    "vars and dir": "print(vars(), dir(), globals(), locals())",
    "type": "type('X', (), {})().__class__.__mro__[1].__subclasses__()",
    "class with hooks": "class A:\n    def __del__(self):\n        open('/tmp/x')\nA()",
    "decorator": "@eval\n@str\nclass X: pass",
    "walrus and lambda": "(f := lambda: f.__globals__)()",
    "format walk": "print('{0.__class__.__init__.__globals__}'.format(look))",
    "format map": "print('{a.__class__}'.format_map({'a': look}))",
    "f-string walk": "print(f'{look.__globals__}')",
    "percent format": "print('%(a)s' % {'a': look})",
    "template": "from string import Template\nprint(Template('$x').substitute(x=look))",
    # run code, files, network, machine
    "eval": "eval('1 + 1')",
    "exec": "exec('import os')",
    "compile": "compile('1', 'x', 'eval')",
    "import": "import os\nos.system('touch /tmp/octoworld-attack')",
    "import by name": "__import__('os').system('touch /tmp/octoworld-attack')",
    "import from": "from subprocess import run\nrun(['touch', '/tmp/octoworld-attack'])",
    "import library": "import importlib\nimportlib.import_module('os')",
    "import star": "from os import *\nsystem('ls')",
    "c types": "import ctypes\nctypes.string_at(0)",
    "pickle": "import pickle\npickle.loads(b'cos\\nsystem\\n(S\"ls\"\\ntR.')",
    "read a file": "print(open('/etc/passwd').read())",
    "write a file": "from pathlib import Path\nPath('/tmp/octoworld-attack').write_text('x')",
    "environment": "import os\nprint(os.environ['PATH'])",
    "network": "import socket\nsocket.create_connection(('127.0.0.1', 80))",
    "web": "import urllib.request\nurllib.request.urlopen('http://127.0.0.1')",
    "signals": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)",
    "exit": "exit()",
    "system exit": "raise SystemExit(3)",
    "input": "input('password: ')",
    "breakpoint": "breakpoint()",
    "sleep": "import time\ntime.sleep(1000)",
    "threads": "import threading\nthreading.Thread(target=look).start()",
    # time
    "endless loop": "while True:\n    pass",
    "endless for": "x = [1]\nfor i in x:\n    x.append(i)",
    "long range": "for i in range(10 ** 18):\n    pass",
    "nested loops": "for a in range(9999):\n    for b in range(9999):\n        x = a * b",
    "comprehension bomb": "[[[i for i in range(999)] for j in range(999)] for k in range(999)]",
    "sum of a range": "print(sum(range(10 ** 15)))",
    "search a long range": "print(1.5 in range(10 ** 15))",
    "quadratic text": "s = ''\nfor i in range(10 ** 6):\n    s += 'aaaaaaaaaaaaaaaa'",
    "quadratic search": "s = 'a' * 100000\nwhile True:\n    (s[:50000] + 'b') in s",
    "sort in a loop": "x = list(range(5000))\nwhile True:\n    x.sort()",
    "swallow errors": "while True:\n    try:\n        1 / 0\n    except BaseException:\n        pass",
    "swallow everything": "while True:\n    try:\n        while True: look()\n    except BaseException: pass",
    "call flood": "while True:\n    look()",
    "simulated time": "for i in range(15):\n    go_to('far')",
    "compare shared lists": "a, b = [], []\nfor i in range(60):\n    a = [a, a]\n    b = [b, b]\nprint(a == b)",
    "hash shared tuples": "a = ()\nfor i in range(60):\n    a = (a, a)\nd = {a: 1}",
    "order shared lists": "a, b = [], []\nfor i in range(60):\n    a = [a, a]\n    b = [b, b]\nprint(a < b)",
    "slow pattern": "import re\nre.match('(a+)+$', 'a' * 40 + 'b')",
    # memory
    "list bomb": "x = [0] * 10 ** 9",
    "text bomb": "x = 'a' * 10 ** 9",
    "tuple bomb": "x = (0,)\nwhile True:\n    x = x + x",
    "doubling": "x = 'ab'\nwhile True:\n    x += x",
    "append bomb": "x = []\nwhile True:\n    x.append('aaaaaaaa' * 100)",
    "dict bomb": "d = {}\ni = 0\nwhile True:\n    d[i] = [i] * 100\n    i += 1",
    "range to list": "x = list(range(10 ** 9))",
    "slice bomb": "x = [0] * 1000\nwhile True:\n    x = x[:] + x[:]",
    "replace bomb": "x = 'a' * 10000\nx = x.replace('a', x).replace('a', x)",
    "replace nothing": "x = 'a' * 10000\nx = x.replace('', x)",
    "join bomb": "x = 'a' * 1000\nx = x.join([x] * 100000)",
    "split bomb": "x = ('a ' * 500000).split()",
    "print of shared lists": "a = []\nfor i in range(60):\n    a = [a, a]\nprint(a)",
    "text of itself": "a = []\na.append(a)\nprint(str(a))",
    "argument within itself": "a = []\na.append(a)\ngo_to(a)",
    "argument of shared lists": "a = []\nfor i in range(60):\n    a = [a, a]\ngo_to(a)",
    "long argument": "go_to(['a' * 1000] * 10 ** 6)",
    "wide format": "print('{:>1000000000}'.format(1))",
    "wide f-string": "print(f'{1:>1000000000}')",
    "wide percent": "print('%1000000000d' % 1)",
    "just bomb": "'a'.ljust(10 ** 10)",
    "zip bomb": "x = zip(*[range(10 ** 6)] * 90)\nprint(list(x))",
    "escape in a print": "print('\\U0010ffff' * 10 ** 7)",
    # numbers
    "huge power": "x = 10 ** 10 ** 10",
    "power tower": "x = 9 ** 9 ** 9 ** 9",
    "squaring": "x = 7\nwhile True:\n    x = x * x",
    "shift": "x = 1 << 10 ** 12",
    "factorial": "x = 1\nfor i in range(1, 10 ** 6):\n    x *= i",
    "round to minus a billion": "round(5, -10 ** 9)",
    "digits": "int('9' * 100000)",
    "power modulo": "pow(2, 10 ** 12, 3)",
    "a number as long as a book": "x = " + "9" * 15_000,
    "complex root": "go_to((-8) ** 0.5)",
    "not a number": "go_to(float('nan'))",
    "infinite": "go_to(1e308 * 10)",
    # depth
    "recursion": "def f():\n    return f()\nf()",
    "mutual recursion": "def f():\n    g()\ndef g():\n    f()\nf()",
    "nested brackets": "(" * 5_000 + ")" * 5_000,
    "nested lists": "x = " + "[" * 5_000 + "]" * 5_000,
    "nested dicts": "x = " + "{1:" * 3_000 + "1" + "}" * 3_000,
    "nested calls": "x = " + "str(" * 4_000 + ")" * 4_000,
    "nested index": "x = " + "x[" * 5_000 + "0" + "]" * 5_000,
    "many signs": "x = " + "-" * 10_000 + "1",
    "many nots": "x = " + "not " * 4_000 + "1",
    "many powers": "x = " + "**".join(["1"] * 5_000),
    "many ifs": "x = " + "1 if 1 else " * 1_500 + "1",
    "many attributes": "x" + ".a" * 9_000,
    "many additions": "x = " + "+".join(["1"] * 9_000),
    "many comparisons": "x = " + "<".join(["1"] * 9_000),
    "many strings": "x = " + "'a' " * 4_000,
    "nested blocks": "\n".join("\t" * i + "if 1:" for i in range(150)),
    "nested functions": "\n".join("\t" * i + "def f():" for i in range(100)),
    "nested f-strings": "f'{" * 3_000,
    "many names": "\n".join(f"x{i} = {i}" for i in range(1500)),
    "long name": "x" * 19_000 + " = 1",
    "open string": "'" * 19_999,
    "open triple strings": '"""' * 6_001,
    "too long": "x = 1\n" * 100_000,
    # text tricks
    "wide letters": "ｅｖａｌ('1')",
    "letters that look alike": "оpen('drawer')",  # a Cyrillic o
    "bidi": "x = 'a\u202e'  # \u2066 if x: \u2069",
    "null": "x = 1\x00import os",
    "lone surrogate": "print('\ud800')",
    "byte order": "\ufeffimport os",
    "escape codes": "print('\x1b[2J')",
    "carriage return": "x = 1\rimport os",
    "form feed": "if 1:\n\x0cimport os",
    "encoding line": "# -*- coding: utf-7 -*-\n+AGkAbQBwAG8AcgB0-",
    "line joining": "imp\\\nort os",
    # the host's things and the reward
    "shadow a skill": "go_to = 3\ngo_to('x')",
    "shadow by a function": "def go_to(place):\n    return True\ngo_to('x')",
    "shadow by a loop": "for go_to in [1]:\n    pass",
    "shadow by an argument": "def f(look):\n    return look\nf(1)",
    "delete a skill": "del go_to",
    "write into a result": "seen = look()\nseen.append('gold')\nseen[0] = 'gold'\nprint(look())",
    "write an attribute": "go_to.reward = 1",
    "reach the scene": "env.reward = 1\nscene.success = True",
    "reach the runner": "self.limits.calls = 10 ** 9",
    "skill as a value": "f = go_to\nf('x')",
    "host objects as arguments": "go_to(look)",
    "print flood": "while True:\n    print('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')",
    "one long print": "print('a' * 100000)",
    "wrong arguments": "go_to(1, 2, 3, place=4)",
    "unknown argument": "go_to(**{'__class__': 1})",
    "spread bomb": "print(*range(10 ** 9))",
    "await a skill": "async def f():\n    await look()\nf()",
    "yield": "def f():\n    while True:\n        yield 1\nsum(f())",
    "match": "match look:\n    case _: pass",
    "global": "def f():\n    global look\n    look = 1\nf()",
}
PROBE = Path("/tmp/octoworld-attack")


@pytest.fixture(params=RUNNERS.names())
def runner(request: pytest.FixtureRequest) -> Any:
    made = make_runner(request.param, LIMITS)
    yield made
    made.close()


class Objects:
    """What a scene would hold, and hands out: the very objects, to see whether they are written to."""

    def __init__(self) -> None:
        self.seen = ["mug", "cup"]

    def execute(self, call: Call) -> Any:
        return self.seen if call.name == "look" else True


def play(runner: Runner, source: str, scene: Objects) -> Step:
    step = runner.start(source, SKILLS)
    while isinstance(step, Call):
        assert step.name in ("go_to", "open", "look", "reward_of")
        step = runner.resume(scene.execute(step), seconds=5.0)
    return step


def test_the_battery_is_large() -> None:
    assert len(ATTACKS) >= 120


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_ends_within_its_limits(attack: str, runner: Runner) -> None:
    scene = Objects()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    before = (dict(os.environ), sys.getrecursionlimit(), threading.active_count())
    began = time.monotonic()

    step = play(runner, ATTACKS[attack], scene)

    assert time.monotonic() - began < LONGEST
    assert isinstance(step, Finished | Failed)
    if isinstance(step, Failed):
        assert step.kind in ERROR_KINDS
        assert 0 < len(step.message) <= 700
    assert len(step.output) <= LIMITS.output
    assert step.usage.calls <= LIMITS.calls
    assert "root:" not in step.output
    assert "site-packages" not in step.output
    assert scene.seen == ["mug", "cup"]
    assert (dict(os.environ), sys.getrecursionlimit(), threading.active_count()) == before
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < GROWTH
    assert not PROBE.exists()
    # and the runner is as good as new
    assert isinstance(play(runner, "print(look())", scene), Finished)


HARMLESS = {
    # the built-in language gives these words a meaning that does no harm; all others are errors
    "read a file": "a skill is called open",
    "many additions": "a sum",
    "many comparisons": "1 < 1",
    "many strings": "one string",
    "many names": "variables",
    "search a long range": "False",
    "write into a result": "the program's own copy is written to",
    "encoding line": "a comment",
    "letters that look alike": "",
}


@pytest.mark.parametrize("attack", [name for name in ATTACKS if name not in HARMLESS])
def test_the_built_in_runner_refuses(attack: str) -> None:
    step = play(make_runner("grammar", LIMITS), ATTACKS[attack], Objects())
    assert isinstance(step, Failed)


LIMIT_REACHED = [
    ("while True:\n    pass", "steps"),
    ("x = [0] * 10 ** 9", "memory"),
    ("while True:\n    print('a')", "output"),
    ("while True:\n    look()", "calls"),
    ("for i in range(15):\n    go_to('far')", "seconds"),
    ("def f():\n    f()\nf()", "recursion"),
    ("x = 1\n" * 100_000, "source"),
]


@pytest.mark.parametrize(("source", "kind"), LIMIT_REACHED)
def test_every_budget_has_its_error(source: str, kind: str, runner: Runner) -> None:
    step = play(runner, source, Objects())
    assert isinstance(step, Failed)
    assert step.kind == kind


def test_a_program_cannot_write_to_what_a_skill_returned(runner: Runner) -> None:
    scene = Objects()
    step = play(runner, "seen = look()\nseen.append('gold')\nprint(seen, look())", scene)
    assert step.output == "['mug', 'cup', 'gold'] ['mug', 'cup']\n"
    assert scene.seen == ["mug", "cup"]


def test_the_host_cannot_be_written_to_through_arguments(runner: Runner) -> None:
    step = runner.start("places = ['a']\ngo_to(places)\nprint(places)", SKILLS)
    assert isinstance(step, Call)
    step.args[0].append("written by the host")
    assert runner.resume(True).output == "['a']\n"  # type: ignore[union-attr]
