"""Tasks, splits and the oracle: hundreds of tasks, each solvable, tests apart from training."""

from __future__ import annotations

from collections import Counter

import pytest

from octoworld.core.errors import ConfigError, UnknownNameError
from tasks.household import Household, Instance, SkillCall, all_tasks, task_named
from tasks.household.explore import IMPERFECT, explore
from tasks.household.family import FAMILIES
from tasks.household.goals import text
from tasks.household.oracle import solve
from tasks.household.programs import run
from tasks.household.splits import (
    HELD_OUT_FURNITURE,
    HELD_OUT_OBJECTS,
    SPLITS,
    axis_of,
    household_split,
)

PROGRAMMED = ("search", "whatever_dirty", "gather", "how_many", "if_dirty", "if_on", "save_energy",
              "colored", "my_own")  # fmt: skip
"""Families whose programs find out by themselves."""


def test_there_are_hundreds_routine_and_reasoning():
    tasks = all_tasks()
    assert len(tasks) >= 300 and len({t.name for t in tasks}) == len(tasks)
    count = Counter(t.category for t in tasks)
    assert count["routine"] >= 200 and count["reasoning"] >= 200


def test_every_family_is_said_in_several_ways():
    for family in FAMILIES.values():
        assert len(set(family.templates.templates)) >= 3


@pytest.mark.parametrize("name", [f.name for f in FAMILIES.values()])
def test_the_oracle_solves_a_task_of_every_family_in_several_homes(name):
    tasks = [t for t in all_tasks() if t.family_name == name]
    for number in range(4):
        task = tasks[(number * 7) % len(tasks)]
        house = Household(Instance(task.name, 3 * number, number))
        assert not house.success
        before = house.state.copy()
        solution = solve(house)
        assert house.state == before  # the oracle leaves no trace
        results = run(house, solution.calls)
        assert all(r.ok for r in results) and house.success and house.progress == 1.0
        assert house.state.time == pytest.approx(solution.seconds)


@pytest.mark.parametrize("name", list(SPLITS))
def test_the_oracle_solves_what_the_splits_draw(name):
    for instance in household_split(name).instances(12):
        house = Household(instance)
        run(house, solve(house).calls)
        assert house.success, instance.key


class Stopped(Exception):  # noqa: N818
    """A call of a program has failed."""


def execute(house: Household, source: str) -> None:
    """Run a program of our own by Python itself (agents' programs run in a sandbox)."""

    def skill(name: str):
        def call(*args):
            result = house.execute(SkillCall(name, args))
            if not result.ok:
                raise Stopped(result.message)
            return result.value

        return call

    exec(source, {"__builtins__": {}, **{name: skill(name) for name in house.skills}})


@pytest.mark.parametrize("name", PROGRAMMED)
def test_programs_with_loops_and_conditions_find_out_by_themselves(name):
    tasks = [t for t in all_tasks() if t.family_name == name]
    for number in range(6):
        task = tasks[(number * 5) % len(tasks)]
        house = Household(Instance(task.name, number, 100 + number))
        solution = solve(house)
        assert "for " in solution.program or "if " in solution.program
        execute(house, solution.program)
        assert house.success, (task.name, solution.program)


def test_straight_programs_are_the_calls_as_text():
    house = Household(Instance("put_in:mug:sink", 2))
    solution = solve(house)
    execute(house, solution.program)
    assert house.success and solution.program.splitlines()[-1] == "done()"
    assert len(solution.program.splitlines()) == len(solution.calls)


def test_an_instance_is_a_function_of_its_numbers():
    for instance in household_split("seen").instances(8):
        a, b = Household(instance), Household(instance)
        assert a.state == b.state and a.instruction == b.instruction
        assert text(a.goal) == text(b.goal)
        other = Household(Instance(instance.task_name, instance.layout, instance.start + 1))
        assert other.state != a.state


def test_instructions_have_no_open_slots():
    for task in all_tasks()[::5]:
        for wording in range(len(task.family.templates)):
            words = Household(Instance(task.name, 1, 0, wording)).instruction
            assert "{" not in words and "_" not in words, words


# -- splits ----------------------------------------------------------------------------------------


def test_nothing_of_a_test_split_is_in_training():
    train = SPLITS["train"]
    trained = {t.name for t in train.tasks}
    keys = {i.key for i in train.instances(300)}
    for name in ("objects", "combinations", "furniture"):
        held_out = {t.name for t in SPLITS[name].tasks}
        assert len(held_out) >= 50 and not held_out & trained
    assert not set(SPLITS["layouts"].layouts) & set(train.layouts)
    for split in SPLITS.values():
        if split is not train:
            assert not keys & {i.key for i in split.instances(300)}
            assert split.number != train.number  # so no start is shared
    for task in train.tasks:
        words = set(task.parameters)
        assert not words & {*HELD_OUT_OBJECTS, *HELD_OUT_FURNITURE}


def test_training_never_shows_held_out_things_nor_says_held_out_sentences():
    for instance in SPLITS["train"].instances(80):
        house = Household(instance)
        kinds = {t.rsplit("_", 1)[0] for t in house.state.place}
        assert not kinds & set(HELD_OUT_OBJECTS), instance.key
        assert instance.wording < len(instance.task.family.templates) - 1
    last = [
        i.wording == len(i.task.family.templates) - 1 for i in SPLITS["paraphrases"].instances(9)
    ]
    assert all(last)


def test_held_out_combinations_are_of_things_and_furniture_that_training_knows():
    trained = {p for t in SPLITS["train"].tasks for p in t.parameters}
    for task in SPLITS["combinations"].tasks:
        assert axis_of(task) == "combinations" and set(task.parameters) <= trained


HASHES = {
    "train": "57ed18b383c9b22d", "validation": "c0456b2581113ba8", "seen": "a86a561b23f720be",
    "layouts": "05a1efc12b170633", "objects": "1a26f5265098de2f",
    "combinations": "55c89f427a43b911", "furniture": "805ddf517be62c42",
    "paraphrases": "62c002959ed1d3d5",
}  # fmt: skip
"""Start of each split's hash."""


@pytest.mark.parametrize("name", list(SPLITS))
def test_splits_are_frozen(name):
    """A change of a split makes results of before and after incomparable: bench again, then write
    the new hash here."""
    assert SPLITS[name].sha256()[:16] == HASHES[name]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: household_split("sean"), UnknownNameError),
        (lambda: task_named("put_on:mug:desc"), UnknownNameError),
        (lambda: Household(Instance("put_on:mug:desk", 0), fidelity="magic"), ConfigError),
        (lambda: Household(Instance("put_on:mug:desk", 0), skills=["fly"]), UnknownNameError),
        (lambda: Household(Instance("put_on:mug:desk", 0), packing="film"), ConfigError),
        (lambda: SPLITS["seen"].instance(-1), IndexError),
    ],
)
def test_wrong_names_are_refused(call, error):
    with pytest.raises(error):
        call()


def test_skills_can_be_fewer():
    house = Household(Instance("put_on:mug:desk", 0), skills=["go_to", "look"])
    assert list(house.skills) == ["go_to", "look"]
    assert house.execute(SkillCall("pick", ("mug_1",))).code == "UNKNOWN_SKILL"


# -- attempts --------------------------------------------------------------------------------------


def test_a_perfect_teacher_succeeds_at_once():
    for instance in SPLITS["train"].instances(10):
        attempt = explore(instance)
        assert attempt.success and len(attempt.turns) == 1
        assert attempt.turns[0].program and attempt.instruction


def test_the_imperfect_teacher_fails_often_and_its_failures_are_recorded():
    attempts = [explore(i, IMPERFECT) for i in SPLITS["train"].instances(120)]
    first = sum(a.turns[0].success for a in attempts) / len(attempts)
    assert 0.45 <= first <= 0.65
    assert sum(a.success for a in attempts) > sum(a.turns[0].success for a in attempts)
    failed = [t for a in attempts for t in a.turns if t.feedback and not t.feedback[-1]["ok"]]
    assert len(failed) > 20 and all(t.feedback[-1]["code"] for t in failed)


def test_attempts_are_the_same_again():
    instance = SPLITS["train"].instance(5)
    assert explore(instance, IMPERFECT) == explore(instance, IMPERFECT)
