"""Programs that try to break out, to break the host, or to cheat: every one ends as a step.

Each attack runs on every runner. It ends in an error of a kind, or harmlessly where the runner's
language gives the words a harmless meaning. It never reaches the host, takes long, or takes memory.
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

from .programs import read_programs

SKILLS = ["go_to(place) -> bool", "open(thing) -> bool", "look() -> list", "reward_of(thing)"]
LIMITS = Limits(calls=20, seconds=60.0, steps=20_000, memory=2_000_000, output=2_000, run_time=0.3)
LONGEST = 5.0
"""Seconds that an attack may take on a busy machine; on an idle one all end within 0.4 s."""
GROWTH = 60_000
"""Kilobytes that the host's peak memory may grow by."""

ATTACKS = read_programs("attacks.txt") | {
    # those that are too long, too deep or too odd to be written out
    "a number as long as a book": "x = " + "9" * 15_000,
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
    "escaped triple strings": '"""\\' * 4_990,
    "open triple strings": '"""' * 6_001,
    "too long": "x = 1\n" * 100_000,
    "bidi": "x = 'a\u202e'  # \u2066 if x: \u2069",
    "null": "x = 1\x00import os",
    "lone surrogate": "print('\ud800')",
    "byte order": "\ufeffimport os",
    "escape codes": "print('\x1b[2J')",
    "carriage return": "x = 1\rimport os",
    "form feed": "if 1:\n\x0cimport os",
    "line joining": "imp\\\nort os",
}


def peak_memory() -> int:
    """Of this process so far [kB]."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


PROBE = Path("/tmp/octoworld-attack")


@pytest.fixture(params=RUNNERS.names())
def runner(request: pytest.FixtureRequest) -> Any:
    made = make_runner(request.param, LIMITS)
    yield made
    made.close()


class Objects:
    """Objects that a scene would hand out, to see whether a program can write to them."""

    def __init__(self) -> None:
        self.seen = ["mug", "cup"]

    def execute(self, call: Call) -> Any:
        return self.seen if call.name == "look" else True


def play(runner: Runner, source: str, scene: Objects) -> Step:
    step = runner.start(source, SKILLS)
    while isinstance(step, Call):
        assert step.name in ("go_to", "open", "look", "reward_of")
        step = runner.resume(scene.execute(step), seconds=5.0 if step.name == "go_to" else 0.0)
    return step


def test_the_battery_is_large() -> None:
    assert len(ATTACKS) >= 150


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_ends_within_its_limits(attack: str, runner: Runner) -> None:
    scene = Objects()
    peak = peak_memory()
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
    assert peak_memory() - peak < GROWTH
    assert not PROBE.exists()
    # and the runner is as good as new
    assert isinstance(play(runner, "print(look())", scene), Finished)


HARMLESS = {
    "many additions": "a sum",
    "many comparisons": "False",
    "many names": "variables",
    "many strings": "one string",
    "search a long range": "False, known without a search",
    "write into a result": "what the program writes to is its own copy",
}
"""All that the built-in runner carries out, and what it is there."""


def test_the_built_in_runner_refuses_all_others() -> None:
    runner = make_runner("grammar", LIMITS)
    carried_out = {
        name
        for name, source in ATTACKS.items()
        if isinstance(play(runner, source, Objects()), Finished)
    }
    assert carried_out == set(HARMLESS)


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
    assert step == Finished("['mug', 'cup', 'gold'] ['mug', 'cup']\n")
    assert scene.seen == ["mug", "cup"]


def test_the_host_cannot_write_to_a_programs_values(runner: Runner) -> None:
    step = runner.start("places = ['a']\ngo_to(places)\nprint(places)", SKILLS)
    assert isinstance(step, Call)
    step.args[0].append("written by the host")
    assert runner.resume(True) == Finished("['a']\n")
