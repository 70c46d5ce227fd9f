"""The contract of every runner: calls suspend, answers go in, snapshots branch, JSON holds them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from octoworld.core.errors import ConfigError, UnknownNameError
from vla.programmer import (
    RUNNERS,
    Call,
    Failed,
    Finished,
    Limits,
    Moment,
    Runner,
    branch_program,
    describe_skills,
    make_runner,
    run_program,
)
from vla.programmer.skills import read_skills

from .house import FETCH, SKILLS, House


@pytest.fixture(params=RUNNERS.names())
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    made = make_runner(request.param)
    yield made
    made.close()


def test_there_are_two() -> None:
    assert RUNNERS.names() == ["grammar", "monty"]
    with pytest.raises(UnknownNameError, match="grammar, monty"):
        make_runner("cpython")


def test_a_call_suspends_and_its_answer_comes_back(runner: Runner) -> None:
    step = runner.start("seen = look()\nif 'mug' in seen:\n    pick('mug')\nprint(seen)", SKILLS)
    assert step == Call("look", (), line=1)
    step = runner.resume(["mug", "cup"], seconds=1.5)
    assert step == Call("pick", ("mug",), line=3)
    assert step.usage.calls == 2
    assert step.usage.seconds == 1.5
    assert runner.resume(True) == Finished("['mug', 'cup']\n")


def test_names_of_parameters_may_be_written(runner: Runner) -> None:
    step = runner.start("pour(into='bowl', what='milk')", ["pour(what, into, amount=1.0): pour"])
    assert step == Call("pour", ("milk", "bowl"), line=1)


def test_a_skill_may_be_called_inside_a_function(runner: Runner) -> None:
    step = runner.start("def fetch(thing):\n    return pick(thing)\nprint(fetch('mug'))", SKILLS)
    assert step == Call("pick", ("mug",), line=2)
    assert runner.resume(True) == Finished("True\n")


def test_a_skill_that_fails_ends_the_program(runner: Runner) -> None:
    runner.start("print('go')\npick('mug')\nprint('never')", SKILLS)
    step = runner.fail("the drawer is closed", seconds=0.5)
    assert step == Failed("skill", "the drawer is closed", line=2, output="go\n")
    assert step.usage.seconds == 0.5
    with pytest.raises(ConfigError, match="no program waits"):
        runner.resume(True)


def test_a_wrong_call_never_reaches_the_scene(runner: Runner) -> None:
    step = runner.start("pick()", SKILLS)
    assert step == Failed("arguments", "pick needs 'thing'; it is pick(thing)", line=1)


def test_the_host_can_end_a_program(runner: Runner) -> None:
    runner.start("print('a')\nlook()\nprint('b')", SKILLS)
    assert runner.stop() == Finished("a\n")


def test_a_skill_must_return_plain_data(runner: Runner) -> None:
    runner.start("look()", SKILLS)
    with pytest.raises(ConfigError, match="returned <object"):
        runner.resume(object())


def test_a_snapshot_is_json_and_branches(runner: Runner) -> None:
    """The same moment, answered in two ways, gives two futures that share nothing."""
    source = "found = [[]]\nsame = found[0]\nsame.append(look())\npick('x')\nprint(found, same)"
    runner.start(source, SKILLS)
    saved = json.dumps(runner.snapshot())
    ends = []
    for seen in ("mug", "cup", "mug"):
        assert runner.restore(json.loads(saved)) == Call("look", (), line=3)
        assert runner.resume(seen, seconds=2.0) == Call("pick", ("x",), line=4)
        ends.append(runner.resume(True))
    assert ends[0] == ends[2] == Finished("[['mug']] ['mug']\n")
    assert ends[1] == Finished("[['cup']] ['cup']\n")
    assert ends[1].usage.calls == 2
    assert ends[1].usage.seconds == 2.0


def test_another_runner_takes_a_snapshot_up(runner: Runner, request: pytest.FixtureRequest) -> None:
    runner.start("for i in range(3):\n    print(i, look())", SKILLS)
    runner.resume("a")
    name = request.node.callspec.params["runner"]
    other = make_runner(name)
    other.restore(runner.snapshot())
    for each in (runner, other):
        each.resume("b")
        assert each.resume("c") == Finished("0 a\n1 b\n2 c\n")
    other.close()


def test_a_snapshot_keeps_its_own_limits(runner: Runner) -> None:
    runner.limits = Limits(calls=2)
    runner.start("while True:\n    look()", SKILLS)
    saved = runner.snapshot()
    runner.limits = Limits(calls=50)
    runner.restore(saved)
    assert isinstance(runner.resume([]), Call)
    step = runner.resume([])
    assert step == Failed("calls", "more than 2 skill calls", line=2)
    assert runner.limits.calls == 50


def test_snapshots_of_another_kind_are_refused(runner: Runner) -> None:
    with pytest.raises(ConfigError, match="snapshot of runner 'other'"):
        runner.restore({"runner": "other"})


def test_a_program_runs_on_a_scene(runner: Runner) -> None:
    house = House()
    execution = run_program(house, runner, FETCH)
    assert house.success
    assert [str(done.call) for done in execution.calls][-3:] == [
        "pick('mug')",
        "go_to('table')",
        "place_on('table')",
    ]
    assert execution.end == Finished("found at the drawer\n")
    assert execution.end.usage.seconds == house.clock == execution.seconds


def test_world_and_program_branch_at_every_call(runner: Runner) -> None:
    """From each moment of a run, the rest of it happens again, in world and program alike."""
    house, moments = House(), list[Moment]()
    whole = run_program(house, runner, FETCH, on_call=moments.append)
    end = house.snapshot()
    assert len(moments) == len(whole.calls) == 11
    for moment in reversed(moments):
        assert branch_program(house, runner, moment) == whole
        assert house.snapshot() == end


def test_a_branch_may_meet_another_world(runner: Runner) -> None:
    house, moments = House(), list[Moment]()
    run_program(house, runner, FETCH, on_call=moments.append)
    house.restore(moments[2].scene)
    house.state["where"]["mug"] = "fridge"
    moved = Moment(house.snapshot(), moments[2].program, moments[2].call, moments[2].done)
    assert branch_program(house, runner, moved).end == Finished("found at the fridge\n")


def test_the_scene_can_end_the_program(runner: Runner) -> None:
    execution = run_program(House(), runner, "print('a')\ndone()\npick('mug')")
    assert execution.end == Finished("a\n")
    assert len(execution.calls) == 1


def test_no_answer_counts_as_true(runner: Runner) -> None:
    execution = run_program(House(), runner, "if go_to('table'):\n    print('there')")
    assert execution.end == Finished("there\n")


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("go to()", "is no skill"),
        ("print(x)", "the language uses that name"),
        ("while(x)", "the language uses that name"),
        ("pour(a, a)", "expected a new name"),
        ("pour(a=1, b)", "follows a parameter with a default"),
    ],
)
def test_skills_that_cannot_be(signature: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_skills([signature])


def test_skills_as_a_prompt() -> None:
    assert describe_skills(SKILLS).splitlines()[1] == "- look() -> list: names of what is seen here"


@pytest.mark.parametrize("field", ["calls", "seconds", "steps", "memory", "output"])
def test_limits_are_above_zero(field: str) -> None:
    with pytest.raises(ConfigError, match=f"Limits.{field} must be above 0, not 0"):
        Limits(**{field: 0})
