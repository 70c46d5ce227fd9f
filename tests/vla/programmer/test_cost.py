"""What running a program costs beside its skills: a few of the milliseconds that a skill takes."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from vla.programmer import RUNNERS, Call, Finished, Runner, make_runner, run_program
from vla.programmer.language import compiler

from .house import FETCH, SKILLS, House

OVERHEAD = 2e-3
"""Seconds that a program of ten calls may cost."""


def run(runner: Runner) -> None:
    step = runner.start(FETCH, SKILLS)
    looks = 0
    while isinstance(step, Call):
        looks += step.name == "look"
        step = runner.resume(["mug"] if step.name == "look" and looks == 3 else [])
    assert isinstance(step, Finished)


def least(function: Callable[[], None], repeats: int = 60) -> float:
    """Seconds of the quickest of many runs, which others on the machine disturbed least."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return min(times)


@pytest.mark.parametrize("name", RUNNERS.names())
def test_a_program_costs_two_milliseconds_at_most(name: str) -> None:
    runner = make_runner(name)

    def cold() -> None:
        compiler.forget_programs()
        run(runner)

    assert least(cold) < OVERHEAD
    runner.close()


def test_a_skill_call_costs_less_than_half_a_millisecond() -> None:
    runner, houses = make_runner("grammar"), [House() for _ in range(60)]
    seconds = least(lambda: run_program(houses.pop(), runner, FETCH) and None)
    assert seconds / 11 < 0.5e-3


def test_a_snapshot_is_quick_and_small() -> None:
    runner = make_runner("grammar")
    runner.start(FETCH, SKILLS)
    snapshot = runner.snapshot()
    assert len(str(snapshot)) < 4000
    assert least(lambda: runner.snapshot() and None) < 0.5e-3
    assert least(lambda: runner.restore(snapshot) and None) < 1e-3
