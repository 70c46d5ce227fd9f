"""Branching: a snapshot at every call has the same future, and a replay is exact to the bit."""

from __future__ import annotations

import time

from tasks.household import Household, SkillCall
from tasks.household.explore import IMPERFECT, explore
from tasks.household.oracle import solve
from tasks.household.programs import run
from tasks.household.splits import SPLITS


def test_every_call_can_be_branched_from():
    for instance in SPLITS["train"].instances(5):
        house = Household(instance)
        calls = solve(house).calls
        snapshots, states = [], []
        for call in calls:
            snapshots.append(house.snapshot())
            house.execute(call)
            states.append(house.state.copy())
        for start, snapshot in reversed(list(enumerate(snapshots))):
            house.restore(snapshot)
            run(house, calls[start : start + 1])
            assert house.state == states[start]
            house.execute(calls[0])  # another future does not touch the snapshot
            house.restore(snapshot)
            run(house, calls[start:])
            assert house.state == states[-1] and house.success


def test_a_replay_of_calls_is_exact_failures_included():
    for instance in SPLITS["train"].instances(10):
        attempt = explore(instance, IMPERFECT)
        ends, feedback = [], []
        for _ in range(2):
            house = Household(instance)
            results = [r for turn in attempt.turns for r in run(house, turn.calls)]
            ends.append(house.state)
            feedback.append([r.as_dict() for r in results])
        assert ends[0] == ends[1] and feedback[0] == feedback[1]
        assert feedback[0] == [f for turn in attempt.turns for f in turn.feedback]


def test_hundreds_of_calls_a_second():
    """500 a second of one core's time are promised; a busy machine is given some slack."""
    work = [(Household(i), i) for i in SPLITS["train"].instances(40)]
    plans = [(house, solve(house).calls) for house, _ in work]
    start, calls = time.process_time(), 0
    for house, plan in plans:
        house.reset()
        calls += len(run(house, plan))
    assert calls / (time.process_time() - start) > 300


def test_programs_and_feedback_are_remembered():
    house = Household(SPLITS["train"].instance(0))
    solution = solve(house)
    house.begin_program(solution.program)
    run(house, solution.calls)
    seen = house.observe("blind")
    assert seen.last_program == solution.program and len(seen.feedback) == len(solution.calls)
    assert seen.seconds == house.state.time and not seen.images
    assert seen.text.startswith("held: ")
    house.reset()
    assert house.observe("blind").feedback == () and house.num_calls == 0


def test_an_episode_ends_when_its_time_is_over():
    house = Household(SPLITS["train"].instance(0), max_seconds=60.0)
    assert not house.finished and house.execute(SkillCall("wait", (59,))).ok
    assert house.execute(SkillCall("wait", (59,))).ok and house.finished
    assert house.execute(SkillCall("look")).code == "FINISHED"
