"""Bench `programs`: what it times is what it says it times."""

from octoworld.recipes.program_bench import RUNNERS, instance_of, overhead, replay, skills
from tasks.household import Household, solve
from vla.programmer import Finished, make_runner, run_program


def test_a_program_is_replayed_to_its_end_without_its_skills():
    house = Household(instance_of(3))
    program, runner = solve(house).program, make_runner("grammar")
    execution = run_program(house, runner, program)
    house.reset()
    time = house.state.time
    step = replay(house, runner, program, execution.calls)
    assert isinstance(step, Finished) and house.state.time == time and not house.success


def test_every_program_gives_a_figure():
    found = skills(2).outcomes["calls per second"]
    assert len(found) == 2 and min(found) > 0
    for name in RUNNERS:
        row = overhead(name, 2)
        assert row.facts["worst"] == max(row.outcomes["overhead [ms]"])
        assert row.facts["calls per program"] > 2
