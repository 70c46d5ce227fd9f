"""What running a program costs beside its skills: a few of the milliseconds that a skill takes."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from vla.programmer import RUNNERS, Call, Finished, Runner, make_runner, run_program
from vla.programmer.language import compiler

from .house import FETCH, SKILLS, House

OVERHEAD = 2e-3
"""CPU seconds that a program of ten calls may cost the host; Monty works in another process."""


def run(runner: Runner) -> None:
    step = runner.start(FETCH, SKILLS)
    looks = 0
    while isinstance(step, Call):
        looks += step.name == "look"
        step = runner.resume(["mug"] if step.name == "look" and looks == 3 else [])
    assert isinstance(step, Finished)


def least(function: Callable[[], object], repeats: int = 60) -> float:
    """CPU seconds of this process in the best of many runs: a busy machine matters little."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        function()
        times.append(time.process_time() - began)
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
    seconds = least(lambda: run_program(houses.pop(), runner, FETCH))
    assert seconds / 11 < 0.5e-3


def test_a_snapshot_is_quick_and_small() -> None:
    runner = make_runner("grammar")
    runner.start(FETCH, SKILLS)
    snapshot = runner.snapshot()
    assert len(str(snapshot)) < 4000
    assert least(lambda: runner.snapshot()) < 0.5e-3
    assert least(lambda: runner.restore(snapshot)) < 1e-3
