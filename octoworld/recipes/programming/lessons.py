"""Lessons: what a teacher answers, as conversations of the kind that an agent has in an episode."""

from __future__ import annotations

from octoworld.core.errors import ConfigError
from tasks.household import IMPERFECT, PERFECT, Household, Instance, explore
from tasks.household.explore import Turn
from tasks.household.splits import HouseholdSplit
from vla.programmer import Message, View, describe_execution, make_runner, run_program
from vla.programmer.agent import briefing, user_text
from vla.programmer.hf import HfProgrammerConfig, Lesson

TEACHERS = {"perfect": PERFECT, "forgetful": IMPERFECT}
"""The oracle; one that leaves out steps and mends some of them after the feedback."""


def lessons_of(
    instance: Instance, teacher: str, config: HfProgrammerConfig, *, only_successes: bool = False
) -> list[Lesson]:
    """A teacher's answers in an instance, turn after turn.

    Raises:
        ConfigError: no such teacher.
        OracleError: the task cannot be solved.
    """
    if teacher not in TEACHERS:
        raise ConfigError(f"teacher {teacher!r}: expected one of {', '.join(TEACHERS)}")
    turns = explore(instance, TEACHERS[teacher]).turns
    house = Household(instance, packing=config.packing)
    runner = make_runner("grammar")
    system = Message("system", briefing(house.skills, config.strategy))
    said: list[Message] = []
    lessons: list[Lesson] = []
    feedback = ""
    for number, turn in enumerate(turns):
        view = view_of(house, feedback, number)
        asked = Message("user", user_text(view), tuple(view.images.items()))
        answer = answer_of(turn)
        if turn.success or not only_successes:
            lessons.append(Lesson((system, *said, asked), answer))
        # pictures are sent for the present moment only, as `ChatAgent` does
        said += [Message("user", asked.text), Message("assistant", answer)]
        feedback = describe_execution(run_program(house, runner, turn.program))
        if house.finished:
            break
    return lessons


def lessons_in(
    split: HouseholdSplit, count: int, teacher: str, config: HfProgrammerConfig, **options: bool
) -> list[Lesson]:
    """Lessons of the first `count` instances of a split."""
    return [
        lesson
        for instance in split.instances(count)
        for lesson in lessons_of(instance, teacher, config, **options)
    ]


def view_of(house: Household, feedback: str = "", turn: int = 0) -> View:
    """What an agent is given of a household now."""
    seen = house.observe()
    return View(house.instruction, seen.text, seen.images, feedback, turn)


def answer_of(turn: Turn) -> str:
    """A teacher's program as a model answers: the plan in words, then the code."""
    steps = "; ".join(" ".join((c.name.replace("_", " "), *map(str, c.args))) for c in turn.calls)
    return f"Plan: {steps}.\n```python\n{turn.program.rstrip()}\n```"
