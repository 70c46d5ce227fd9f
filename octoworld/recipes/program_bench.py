"""Bench `programs`: how fast skills are carried out, and what the runners of programs cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.core.io import read_json
from octoworld.core.registry import register_bench
from tasks.household import SPLITS, Household, Instance, Solution, solve
from tasks.household.programs import run as run_calls
from vla.programmer import Runner, make_runner
from vla.programmer.execution import DoneCall, answer_call, run_program
from vla.programmer.steps import Call, Step

SKILLS, RUNNERS = "skills", ("grammar", "monty")
EPISODES, QUICK_EPISODES = 240, 8
REPEATS = 7
"""Of one measurement, of which the shortest counts: the machine does other things too."""


@register_bench("programs")
class ProgramBench:
    """Oracle programs of all splits: calls a second, milliseconds of a runner."""

    name = "programs"
    description = "skill calls per second (kinematic), and what program runners add to a program"

    def run(self, quick: bool, folder: Path) -> None:
        """The same programs by themselves, and by each runner with their skills' answers ready."""
        episodes = QUICK_EPISODES if quick else EPISODES
        claims = [
            Claim(
                "calls per second", (SKILLS,), (0,), "calls per second", margin=500.0,
                statement="kinematic skills: at least 500 calls a second on one core",
            ),
            Claim(
                "overhead [ms]", RUNNERS, (0,), "overhead [ms]", direction="less", margin=2.0,
                statement="a runner takes at most 2 ms for a program, its skills' time left out",
            ),
        ]  # fmt: skip

        def measure(arm: str, seed: int, scratch: Path) -> ArmResult:
            return skills(episodes) if arm == SKILLS else overhead(arm, episodes)

        run(claims, measure, folder, config={"episodes": episodes, "repeats": REPEATS})

    def report(self, folder: Path) -> str:
        """Verdicts, and quantiles over the programs."""
        lines = [
            report(folder), "",
            "| what | programs | mean | median | 95th percentile | worst |",
            "|---|---|---|---|---|---|",
        ]  # fmt: skip
        for path in sorted(folder.glob("rows/*/*.json")):
            row = read_json(path)
            for name, values in row["outcomes"].items():
                cells = [np.mean(values), *np.quantile(values, (0.5, 0.95)), row["facts"]["worst"]]
                told = " | ".join(f"{v:.3g}" for v in cells)
                lines.append(f"| {path.parent.name}, {name} | {len(values)} | {told} |")
        return "\n".join(lines)


def instance_of(number: int) -> Instance:
    """The instance of an episode: splits take turns."""
    names = tuple(SPLITS)
    return SPLITS[names[number % len(names)]].instance(number // len(names))


def shortest(what: Callable[..., object], *args: Any) -> float:
    """Time of the shortest of some repeats [s]."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        what(*args)
        times.append(time.perf_counter() - began)
    return min(times)


def skills(episodes: int) -> ArmResult:
    """Calls of each oracle's way, carried out one after the other."""
    rates = []
    for number in range(episodes):
        house = Household(instance_of(number))
        solution = solve(house)
        seconds = shortest(carry_out, house, house.snapshot(), solution)
        assert house.success, house.instance.key
        rates.append(len(solution.calls) / seconds)
    return ArmResult(
        list(range(episodes)), {"calls per second": rates}, facts={"worst": min(rates)}
    )


def carry_out(house: Household, start: Any, solution: Solution) -> None:
    """Carry a solution out from the start."""
    house.restore(start)
    run_calls(house, solution.calls)


def overhead(name: str, episodes: int) -> ArmResult:
    """Time of each program behind a runner when every skill's answer is there at once."""
    runner = make_runner(name)
    found, calls = [], 0
    try:
        for number in range(episodes):
            house = Household(instance_of(number))
            program = solve(house).program
            execution = run_program(house, runner, program)
            assert house.success, house.instance.key
            house.reset()
            calls += len(execution.calls)
            found.append(1000 * shortest(replay, house, runner, program, execution.calls))
    finally:
        runner.close()
    return ArmResult(
        list(range(episodes)), {"overhead [ms]": found},
        facts={"worst": max(found), "calls per program": calls / episodes},
    )  # fmt: skip


def replay(house: Household, runner: Runner, program: str, answers: tuple[DoneCall, ...]) -> Step:
    """Run a program whose calls are answered as before, without carrying anything out."""
    step = runner.start(program, house.skills)
    for done in answers:
        if not isinstance(step, Call):
            break
        step = answer_call(house, runner, done)
    return step
